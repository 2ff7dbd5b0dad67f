#!/bin/sh
# Gives a virtual environment's own copy of the interpreter a newer glibc; the system stays as it is.
#
#   newer_glibc.sh --check          prints `enough` or the name of the release that helps; stops with
#                                   exit code 2 and says what to do where neither is possible
#   newer_glibc.sh VENV PATCHELF    does it for the environment in the folder VENV (which was made
#                                   with `python -m venv --copies`)
#
# Why: the Linux wheels of ml-metadata and tensorflow-data-validation are tagged for glibc 2.39, and
# need 2.38. Debian 12 has 2.36, Ubuntu 22.04 has 2.35. The next release's libc6, libstdc++6 and
# libgcc-s1 are fetched by apt: from the mirror that this host uses already, with the signature
# checked by the distribution's keyring, with lists and cache of its own. They are unpacked inside
# VENV, and the copied interpreter is told to load them. It then reports the newer glibc by itself,
# so installers take the wheels, and so do the processes that it starts. No root is needed.
set -eu

NEEDED=2.39
OS_RELEASE=${OS_RELEASE:-/etc/os-release}
KEYRINGS=${KEYRINGS:-/usr/share/keyrings}

fail() {
    printf 'Set-up cannot go on: %s\n' "$1" >&2
    exit 2
}

# True where version $1 is lower than version $2.
older() { [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# This host's release and the next one, by code name: "bookworm trixie".
releases() {
    # Derivatives such as Linux Mint name the Ubuntu release that they are made of.
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

# The mirrors of this host's release, from apt's own sources; works before any `apt-get update`.
# Other vendors' repositories may carry the same code name: their signature gives them away later.
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
        fail "this machine is $(uname -m), and the wheels of TFX are for 64-bit x86 (x86_64) only. Use such a machine, or the container image with --platform linux/amd64."
    # musl has no such variable.
    found=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)
    [ -n "$found" ] ||
        fail "this system has no glibc (musl, as in Alpine?), and the wheels of TFX need glibc $NEEDED. Use Debian, Ubuntu, another system with glibc, or the container image (Dockerfile)."
    if ! older "$found" "$NEEDED"; then
        echo enough
        return
    fi
    too_old="glibc is $found, and the wheels of TFX need $NEEDED."
    instead="Use Debian 13, Ubuntu 24.04, another system with glibc $NEEDED, or the container image (Dockerfile)."
    { command -v apt-get && command -v dpkg; } >/dev/null 2>&1 ||
        fail "$too_old Without apt there is no way to a newer one beside the system's. $instead"
    # shellcheck disable=SC2046
    set -- $(releases)
    [ $# = 2 ] ||
        fail "$too_old This release is neither Debian 12 (bookworm) nor Ubuntu 22.04 (jammy), where a newer one can stand beside the system's. $instead"
    [ -f "$(keyring_of "$1")" ] ||
        fail "$too_old To check a newer one's signature, $(keyring_of "$1") is needed. Install debian-archive-keyring or ubuntu-keyring."
    [ -n "$(mirrors_of "$1")" ] ||
        fail "$too_old To get a newer one, apt needs a source for $1, and has none. Add the distribution's mirror to /etc/apt/sources.list."
    echo "$2"
}

# Apt's settings for a state of its own. The host's settings (a proxy, certificates) are read before
# this file and stay, apart from its hooks, which would write outside the project's folder.
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

# Fetches the three packages into FOLDER/debs from the first mirror whose signature is right.
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
    fail "apt could not fetch the libraries of $2 (see above). Check the network and /etc/apt/sources.list, then run the same command again."
}

patch_interpreter() { # PYTHON PATCHELF ROOT
    loader=$(find "$3" -name ld-linux-x86-64.so.2 -path '*x86_64-linux-gnu*' | head -n 1)
    libc=$(dirname "$loader")
    libstdcpp=$(dirname "$(find "$3" -name libstdc++.so.6 | head -n 1)")
    before=$("$2" --print-rpath "$1")
    # Needed by name, so that they are loaded first: an extension with a RUNPATH of its own would
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
    # `venv --copies` made a copy under each name: one patched interpreter for all.
    for name in "$venv"/bin/python*; do
        [ "$name" = "$python" ] || ln -sf "$(basename "$python")" "$name"
    done
    echo "$next"
}

main "$@"
