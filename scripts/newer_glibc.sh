#!/bin/sh
# Gives a virtual environment's own copy of the interpreter a newer glibc; the system stays as it is.
#
#   newer_glibc.sh --check            says `enough`, `upgrade RELEASE` or why neither works (exit 2)
#   newer_glibc.sh VENV PATCHELF      does it, for the environment in the folder VENV
#
# Why: the Linux wheels of ml-metadata and tensorflow-data-validation need glibc 2.38 and are tagged
# for 2.39. Debian 12 has 2.36, Ubuntu 22.04 has 2.35. The next release's libc6, libstdc++6 and
# libgcc-s1 are downloaded by apt (from the mirror that this host already uses, the signature
# checked with the distribution's keyring), unpacked beside the environment, and the *copied*
# interpreter is told to use them. pip then sees the newer glibc and takes the wheels by itself.
#
# The host is read through variables that the tests set: FAULTLINE_GLIBC, FAULTLINE_OS_RELEASE,
# FAULTLINE_MACHINE, FAULTLINE_APT.
set -eu

NEEDED=2.39

fail() {
    echo "Set-up cannot go on: $1" >&2
    exit 2
}

glibc_version() {
    # `getconf` prints "glibc 2.36"; musl has no such variable.
    printf '%s' "${FAULTLINE_GLIBC-$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)}"
}

older() { [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

check_host() {
    machine=${FAULTLINE_MACHINE-$(uname -m)}
    [ "$machine" = x86_64 ] ||
        fail "this machine is $machine; TFX's wheels exist for 64-bit x86 (x86_64) only. Use such a machine, or the Dockerfile with --platform linux/amd64."
    found=$(glibc_version)
    [ -n "$found" ] ||
        fail "this system has no glibc (musl, as in Alpine?); TFX's wheels need it. Use Debian, Ubuntu or the Dockerfile."
    if ! older "$found" "$NEEDED"; then
        echo enough
        return
    fi
    command -v "${FAULTLINE_APT-apt-get}" >/dev/null 2>&1 ||
        fail "glibc is $found, at least $NEEDED is needed, and without apt this script has no way to a newer one. Use Debian 13, Ubuntu 24.04, another system with glibc $NEEDED, or the Dockerfile."
    codename=$(. "${FAULTLINE_OS_RELEASE-/etc/os-release}" && printf '%s' "${VERSION_CODENAME-}")
    case $codename in
        bookworm) echo "upgrade trixie" ;;
        jammy) echo "upgrade noble" ;;
        *) fail "glibc is $found, at least $NEEDED is needed, and no newer release is known for '$codename' (known: Debian 12 bookworm, Ubuntu 22.04 jammy). Use Debian 13, Ubuntu 24.04 or the Dockerfile." ;;
    esac
}

# The mirror and keyring of this host's own distribution.
apt_mirror() {
    apt-get indextargets --format '$(REPO_URI)|$(SUITE)' |
        awk -F'|' '$2 !~ /-/ { print $1; exit }'
}

keyring() {
    for ring in /usr/share/keyrings/debian-archive-keyring.gpg \
        /usr/share/keyrings/ubuntu-archive-keyring.gpg; do
        [ -f "$ring" ] && { echo "$ring"; return; }
    done
    fail "no archive keyring in /usr/share/keyrings. Install debian-archive-keyring or ubuntu-keyring."
}

download() { # RELEASE FOLDER
    mirror=$(apt_mirror)
    [ -n "$mirror" ] || fail "apt knows no mirror: /etc/apt/sources.list is empty. Add the distribution's own."
    mkdir -p "$2/apt/lists/partial" "$2/apt/cache/archives/partial" "$2/debs"
    # Without main/components of the host's file: only what the three packages need.
    echo "deb [signed-by=$(keyring)] $mirror $1 main" >"$2/apt/sources.list"
    set -- "$1" "$2" -q \
        -o "Dir::State=$2/apt" -o "Dir::State::Lists=$2/apt/lists" -o Dir::State::status=/dev/null \
        -o "Dir::Cache=$2/apt/cache" -o "Dir::Etc::SourceList=$2/apt/sources.list" \
        -o Dir::Etc::SourceParts=/dev/null -o "APT::Sandbox::User=$(id -un)" \
        -o Acquire::AllowInsecureRepositories=false -o Acquire::Languages=none
    folder=$2
    shift 2
    apt-get "$@" update
    (cd "$folder/debs" && apt-get "$@" download libc6 libstdc++6 libgcc-s1)
}

main() {
    if [ "${1-}" = --check ]; then
        check_host
        return
    fi
    venv=$(cd "$1" && pwd) patchelf=$2
    answer=$(check_host)
    [ "$answer" != enough ] || return 0
    folder=$venv/glibc
    rm -rf "$folder"
    mkdir -p "$folder"
    download "${answer#upgrade }" "$folder"
    for package in "$folder"/debs/*.deb; do dpkg -x "$package" "$folder/root"; done
    # Debian keeps the libraries in usr/lib/, Ubuntu 24.04's packages too.
    loader=$(find "$folder/root" -name 'ld-linux-x86-64.so.2' -path '*x86_64-linux-gnu*' | head -n 1)
    libraries=$(dirname "$loader")
    stdcpp=$(dirname "$(find "$folder/root" -name 'libstdc++.so.6' | head -n 1)")
    python=$(readlink -f "$venv/bin/python3")
    old=$("$patchelf" --print-rpath "$python")
    # The last two lines: an extension with a RUNPATH of its own would find the system's older
    # libstdc++ first, unless the interpreter has already loaded the newer one.
    "$patchelf" --set-interpreter "$loader" --force-rpath \
        --set-rpath "$libraries:$stdcpp${old:+:$old}" \
        --add-needed libstdc++.so.6 --add-needed libgcc_s.so.1 "$python"
    for name in "$venv"/bin/python*; do
        [ "$name" = "$python" ] || ln -sf "$(basename "$python")" "$name"
    done
    rm -rf "$folder/apt" "$folder/debs"
}

main "$@"
