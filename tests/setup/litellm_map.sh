#!/bin/sh
# litellm's price map as data. Unpacked aside, never on any interpreter's path: releases of it have carried code that
# runs whenever Python starts.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/piece.sh"

unless_there "$root/.venv-litellm" tests/setup/litellm_map.txt
install_pinned .venv/bin/python tests/setup/litellm_map.txt --target "$root/.venv-litellm"
there
