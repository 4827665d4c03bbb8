#!/bin/sh
# The system's Chromium, and playwright to drive it, for the interpreter that runs the tests.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/piece.sh"

./weighbridge --only-install requirements-browser.txt
if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then
    command -v apt-get >/dev/null || cannot 'no chromium on PATH, and no apt-get to install it'
    [ "$(id -u)" -eq 0 ] || cannot 'no chromium on PATH; as root: apt-get install chromium'
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends chromium ||
        { apt-get update && apt-get install -y --no-install-recommends chromium; }
fi
echo installed
