#!/bin/sh
# Gives a virtual environment's copy of the interpreter a newer glibc without touching the system.
#
#   newer_glibc.sh --check          prints `enough`, or the name of the release with a newer glibc;
#                                   otherwise exits with code 2 and says what to do
#   newer_glibc.sh VENV PATCHELF    patches the environment in the folder VENV, which must have been
#                                   created with `python -m venv --copies`
#
# Why: the Linux wheels of ml-metadata and tensorflow-data-validation are tagged for glibc 2.39 and
# need 2.38. Debian 12 has 2.36, Ubuntu 22.04 has 2.35. apt downloads libc6, libstdc++6 and libgcc-s1
# of the next release from the mirror that this host already uses, verifies the signature with the
# distribution's keyring, and keeps its lists and cache apart from the system's. The libraries are
# unpacked inside VENV, and the copied interpreter is patched to load them. The interpreter, and every
# process started from it, then reports the newer glibc, so installers accept the wheels. No root
# is needed.
set -eu

NEEDED=2.39
OS_RELEASE=${OS_RELEASE:-/etc/os-release}
KEYRINGS=${KEYRINGS:-/usr/share/keyrings}

fail() {
    printf 'Set-up failed: %s\n' "$1" >&2
    exit 2
}

# True if version $1 is lower than version $2.
older() { [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# This host's release and the next one, by code name: "bookworm trixie".
releases() {
    # Derivatives such as Linux Mint name the Ubuntu release that they are based on.
    # shellcheck disable=SC1090
    case $(. "$OS_RELEASE" && echo "${UBUNTU_CODENAME:-${VERSION_CODENAME:-}}") in
        bookworm) echo bookworm trixie ;;
        jammy) echo jammy noble ;;
    esac
}

keyring_of() { # CODENAME
    case $1 in
        bookworm) echo "$KEYRINGS/debian-archive-keyring.gpg" ;;
        jammy) echo "$KEYRINGS/ubuntu-archive-keyring.gpg" ;;
    esac
}

# The mirrors of this host's release, from apt's sources; works before any `apt-get update`.
# Other vendors' repositories may use the same code name; the signature check rejects them later.
mirrors_of() { # CODENAME
    # shellcheck disable=SC2016
    apt-get indextargets --no-release-info --format '$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI)' \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= 2>/dev/null |
        awk -v name="$1" '
            $1 == "Packages" && $2 == "main" && $3 == name && !seen[$4]++ { print $4 }
            $1 == "Packages" && $2 == "main" && $3 ~ /^(old)?stable$/ && !seen[$4]++ { later = later $4 "\n" }
            END { printf "%s", later }'
}

check_host() {
    [ "$(uname -m)" = x86_64 ] ||
        fail "this machine is $(uname -m), and the wheels of TFX are for 64-bit x86 (x86_64) only. Use an x86_64 machine, or the container image with --platform linux/amd64."
    # musl lacks this variable.
    glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)
    [ -n "$glibc" ] ||
        fail "this system has no glibc (musl, as in Alpine?), and the wheels of TFX need glibc $NEEDED. Use Debian, Ubuntu, another system with glibc, or the container image (Dockerfile)."
    if ! older "$glibc" "$NEEDED"; then
        echo enough
        return
    fi
    too_old="glibc is $glibc, and the wheels of TFX need $NEEDED."
    instead="Use Debian 13, Ubuntu 24.04, another system with glibc $NEEDED, or the container image (Dockerfile)."
    { command -v apt-get && command -v dpkg; } >/dev/null 2>&1 ||
        fail "$too_old Without apt, a newer one cannot be installed beside it. $instead"
    # shellcheck disable=SC2046
    set -- $(releases)
    [ $# = 2 ] ||
        fail "$too_old A newer one can be installed beside it only on Debian 12 (bookworm) and Ubuntu 22.04 (jammy). $instead"
    [ -f "$(keyring_of "$1")" ] ||
        fail "$too_old Verifying the signature of a newer one needs $(keyring_of "$1"). Install debian-archive-keyring or ubuntu-keyring."
    [ -n "$(mirrors_of "$1")" ] ||
        fail "$too_old Downloading a newer one needs an apt source for $1, and there is none. Add the distribution's mirror to /etc/apt/sources.list."
    echo "$2"
}

# Settings that give apt a separate state. The host's settings (proxy, certificates) are read first
# and still apply, except for its hooks, which would write outside the project's folder.
write_apt_settings() { # FOLDER
    cat <<END
Dir::State "$1/state";
Dir::State::Lists "$1/lists";
Dir::State::status "/dev/null";
Dir::Cache "$1/cache";
Dir::Etc::SourceList "$1/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "$(id -un)";
APT::Update::Error-Mode "any";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
#clear APT::Default-Release;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
END
}

# Downloads the three packages to FOLDER/debs from the first mirror with a valid signature.
download() { # CODENAME NEXT FOLDER
    mkdir -p "$3/state" "$3/lists/partial" "$3/cache/archives/partial" "$3/debs"
    write_apt_settings "$3" >"$3/apt.conf"
    for mirror in $(mirrors_of "$1"); do
        for suite in "$2" "$2-updates"; do
            echo "deb [target=Packages signed-by=$(keyring_of "$1")] $mirror $suite main"
        done >"$3/sources.list"
        if (cd "$3/debs" && apt-get -qq -c "$3/apt.conf" update &&
            apt-get -qq -c "$3/apt.conf" download libc6 libstdc++6 libgcc-s1) 2>"$3/errors"; then
            return
        fi
    done
    cat "$3/errors" >&2
    fail "apt could not download the libraries of $2 (see above). Check the network and /etc/apt/sources.list, then run the same command again."
}

patch_interpreter() { # PYTHON PATCHELF ROOT
    loader=$(find "$3" -name ld-linux-x86-64.so.2 -path '*x86_64-linux-gnu*' | head -n 1)
    libc=$(dirname "$loader")
    libstdcpp=$(dirname "$(find "$3" -name libstdc++.so.6 | head -n 1)")
    before=$("$2" --print-rpath "$1")
    # Added as needed libraries so that they load first: an extension with its own RUNPATH would
    # otherwise find the system's older libstdc++.
    "$2" --set-interpreter "$loader" --force-rpath --set-rpath "$libc:$libstdcpp${before:+:$before}" \
        --add-needed libstdc++.so.6 --add-needed libgcc_s.so.1 "$1"
}

main() {
    next=$(check_host)
    if [ "${1:-}" = --check ] || [ "$next" = enough ]; then
        echo "$next"
        return
    fi
    venv=$(cd "$1" && pwd) patchelf=$2
    folder=$venv/glibc
    rm -rf "$folder"
    # shellcheck disable=SC2046
    download $(releases) "$folder/apt"
    for package in "$folder"/apt/debs/*.deb; do dpkg -x "$package" "$folder"; done
    rm -rf "$folder/apt"
    python=$(readlink -f "$venv/bin/python3")
    patch_interpreter "$python" "$patchelf" "$folder"
    # `venv --copies` makes one copy per name; link them all to the patched interpreter.
    for name in "$venv"/bin/python*; do
        [ "$name" = "$python" ] || ln -sf "$(basename "$python")" "$name"
    done
    echo "$next"
}

main "$@"
