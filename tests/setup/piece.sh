# shellcheck shell=sh disable=SC2034 # read by the scripts that source it
# Sourced by the scripts beside it, each of which has one piece for `./weighbridge test --all`; tests/needs.py finds it.
# A script's last line says what is there now, or why not; exit 3 means that this machine cannot have it.
set -eu
cd "$(dirname "$0")/../.."
root=$(pwd -P)

cannot() {
    echo "$*"
    exit 3
}

# Leaves with a word when FOLDER was filled from just these files.
unless_there() { # FOLDER, then FILES
    stamp=$1/.installed
    shift
    asked=$(cksum "$@")
    if [ "$(cat "$stamp" 2>/dev/null)" = "$asked" ]; then
        echo 'there already'
        exit 0
    fi
    rm -rf "${stamp%/.installed}"
}

there() {
    printf '%s\n' "$asked" >"$stamp"
    echo installed
}

# Installs hash-pinned FILE with the interpreter at PYTHON, further arguments added.
install_pinned() { # PYTHON FILE
    python=$1 file=$2
    shift 2
    if command -v uv >/dev/null; then
        uv pip install --python "$python" --require-hashes --no-deps --only-binary :all: -r "$file" "$@"
    else
        "$python" -m pip install --quiet --disable-pip-version-check --no-input \
            --require-hashes --no-deps --only-binary :all: -r "$file" "$@"
    fi
}
