# shellcheck shell=sh
# What the image checks share: a stand-in for the base image, and buildah in a chroot. To be sourced.
#
# debootstrap builds the stand-in for the Dockerfile's base image from this host's mirror: Debian 13
# with its own Python 3.13 and headers, like the original. buildah builds and runs in a chroot, which
# requires root on a Debian host. All files are in build/image, where the next check reuses the
# stand-in; `make clean` removes them.

WORK=$PWD/build/image
BASE=localhost/faultline-base
export BUILDAH_ISOLATION=chroot

fail() {
    printf 'Image check failed: %s\n' "$1" >&2
    exit 2
}

in_store() { command=$1; shift; buildah --root "$WORK/store" --runroot "$WORK/run" "$command" "$@"; }

check_host() {
    [ "$(id -u)" = 0 ] || fail "a chroot requires root. Run: sudo make image-check"
    for tool in buildah debootstrap; do
        command -v "$tool" >/dev/null || fail "$tool is missing. Run: apt-get install buildah debootstrap"
    done
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' |
        grep -m 1 '/debian/*$') ||
        fail "apt has no Debian mirror for the stand-in base image. Use a Debian host, or a container engine: docker build ."
}

make_base() {
    if in_store images "$BASE" >/dev/null 2>&1; then return; fi
    echo "Building the stand-in for the base image"
    rm -rf "$WORK/debian"
    debootstrap --variant=minbase --include=python3,python3-dev,python3-venv,ca-certificates trixie \
        "$WORK/debian" "$mirror" >"$WORK/debootstrap.log" ||
        fail "debootstrap failed; see $WORK/debootstrap.log"
    container=$(in_store from scratch)
    in_store add "$container" "$WORK/debian" / >/dev/null
    in_store commit -q --rm "$container" "$BASE" >/dev/null
    rm -rf "$WORK/debian"
}

# If this host trusts its own certificate authority, the build must trust it too.
build_image() { # more buildah options
    set -- -q --layers --pull-never --from "$BASE" "$@"
    if [ -n "${SSL_CERT_FILE:-}" ]; then
        set -- "$@" -v "$SSL_CERT_FILE:$SSL_CERT_FILE:ro" \
            --build-arg "SSL_CERT_FILE=$SSL_CERT_FILE" --build-arg "PIP_CERT=$SSL_CERT_FILE"
    fi
    if [ -f /etc/pip.conf ]; then set -- "$@" -v /etc/pip.conf:/etc/pip.conf:ro; fi
    in_store build "$@" .
}
