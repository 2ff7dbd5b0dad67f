#!/bin/sh
# Builds the container image without a container engine or registry, and runs faultline in it.
#
# The Dockerfile's base image is replaced by a stand-in that debootstrap makes, from the mirror that
# this host uses: Debian 13 with its own Python 3.13 and headers, as in the real one. buildah builds
# and runs in a chroot, so root is needed, on a Debian host. All files lie in build/image, where a
# second check finds the stand-in; `make clean` removes them.
set -eu
cd "$(dirname "$0")/.."

WORK=$PWD/build/image
BASE=localhost/faultline-base
IMAGE=localhost/faultline
export BUILDAH_ISOLATION=chroot

fail() {
    printf 'The image cannot be checked: %s\n' "$1" >&2
    exit 2
}

in_store() { command=$1; shift; buildah --root "$WORK/store" --runroot "$WORK/run" "$command" "$@"; }

check_host() {
    [ "$(id -u)" = 0 ] || fail "you are not root, and a chroot needs root. Run: sudo make image-check"
    for tool in buildah debootstrap; do
        command -v "$tool" >/dev/null || fail "$tool is missing. Run: apt-get install buildah debootstrap"
    done
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' |
        grep -m 1 '/debian/*$') ||
        fail "apt has no Debian mirror for the stand-in base. Use a Debian host, or a container engine: docker build ."
}

make_base() {
    if in_store images "$BASE" >/dev/null 2>&1; then return; fi
    echo "Making the stand-in for the base image"
    rm -rf "$WORK/debian"
    debootstrap --variant=minbase --include=python3,python3-dev,python3-venv,ca-certificates trixie \
        "$WORK/debian" "$mirror" >"$WORK/debootstrap.log" ||
        fail "debootstrap failed, see $WORK/debootstrap.log"
    container=$(in_store from scratch)
    in_store add "$container" "$WORK/debian" / >/dev/null
    in_store commit -q --rm "$container" "$BASE" >/dev/null
    rm -rf "$WORK/debian"
}

# Where this host trusts a certificate authority of its own, building has to as well.
build_image() {
    echo "Building the image"
    set -- -q --layers --pull-never --from "$BASE" -t "$IMAGE"
    if [ -n "${SSL_CERT_FILE:-}" ]; then
        set -- "$@" -v "$SSL_CERT_FILE:$SSL_CERT_FILE:ro" \
            --build-arg "SSL_CERT_FILE=$SSL_CERT_FILE" --build-arg "PIP_CERT=$SSL_CERT_FILE"
    fi
    if [ -f /etc/pip.conf ]; then set -- "$@" -v /etc/pip.conf:/etc/pip.conf:ro; fi
    in_store build "$@" .
}

run_in_image() {
    container=$(in_store from "$IMAGE")
    for arguments in --help doctor; do
        echo "faultline $arguments"
        in_store run "$container" -- faultline "$arguments"
    done
    echo "Runs as user $(in_store run "$container" -- id -u), $(in_store run "$container" -- du -shx / 2>/dev/null | cut -f1) on disk"
}

check_host
mkdir -p "$WORK"
# Containers of a build that failed stay mounted, and could not be removed.
trap 'in_store rm --all >/dev/null 2>&1' EXIT
make_base
build_image
run_in_image
