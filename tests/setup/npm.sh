#!/bin/sh
# Coding agents and JavaScript SDKs, as their users have them, out of the npm registry.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/piece.sh"

command -v npm >/dev/null || cannot 'no npm on PATH; it comes with Node 20 or newer'
node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || cannot 'Node is older than 20'
unless_there "$root/tests/setup/npm/node_modules" tests/setup/npm/package.json tests/setup/npm/package-lock.json
(cd tests/setup/npm && npm ci --no-audit --no-fund --no-update-notifier)
for agent in claude codex; do "tests/setup/npm/node_modules/.bin/$agent" --version; done
there
