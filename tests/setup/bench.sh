#!/bin/sh
# Gateways and client libraries of others to be measured beside ours, in an environment of their own: litellm's releases
# have carried code that runs whenever Python starts, so nothing of ours runs in it.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/piece.sh"

unless_there "$root/.venv-bench" tests/setup/bench.txt
if command -v uv >/dev/null; then uv venv "$root/.venv-bench"; else .venv/bin/python -m venv "$root/.venv-bench"; fi
install_pinned "$root/.venv-bench/bin/python" tests/setup/bench.txt
there
