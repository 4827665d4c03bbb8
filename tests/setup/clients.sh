#!/bin/sh
# The providers' own SDKs, in an environment of their own: nothing of theirs may reach the gateway's.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/piece.sh"

unless_there "$root/.venv-clients" tests/setup/clients.txt
if command -v uv >/dev/null; then uv venv "$root/.venv-clients"; else .venv/bin/python -m venv "$root/.venv-clients"; fi
install_pinned "$root/.venv-clients/bin/python" tests/setup/clients.txt
there
