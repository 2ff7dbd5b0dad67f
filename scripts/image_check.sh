#!/bin/sh
# Builds both container images without a container engine or registry. Runs faultline in the first
# and, if Go is installed, Beam's worker pool in the second.
#
# debootstrap builds a stand-in for the Dockerfile's base image from this host's mirror: Debian 13
# with its own Python 3.13 and headers, like the original. buildah builds and runs in a chroot, which
# requires root on a Debian host. All files are in build/image, where the next check reuses the
# stand-in; `make clean` removes them.
set -eu
cd "$(dirname "$0")/.."

WORK=$PWD/build/image
BASE=localhost/faultline-base
IMAGE=localhost/faultline
WORKER=localhost/faultline-worker
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

run_in_image() {
    container=$(in_store from "$IMAGE")
    for arguments in --help doctor; do
        echo "faultline $arguments"
        in_store run "$container" -- faultline "$arguments"
    done
    echo "Runs as user $(in_store run "$container" -- id -u), $(in_store run "$container" -- du -shx / 2>/dev/null | cut -f1) on disk"
}

# The image with Beam's boot program cannot be pulled without a registry: build it from source.
build_worker() {
    version=$(sed -n 's/^ARG BEAM_VERSION=//p' Dockerfile)
    boot=$WORK/beam/opt/apache/beam
    if [ ! -x "$boot/boot" ]; then
        mkdir -p "$boot"
        GOBIN=$boot go install "github.com/apache/beam/sdks/v2/python/container@v$version" >"$WORK/go.log" 2>&1 ||
            fail "building Beam's boot program failed; see $WORK/go.log"
        mv "$boot/container" "$boot/boot"
    fi
    build_image --target worker --build-context "beam=$WORK/beam" -t "$WORKER"
}

run_worker_pool() {
    container=$(in_store from "$WORKER")
    timeout 60 buildah --root "$WORK/store" --runroot "$WORK/run" run "$container" -- \
        /opt/apache/beam/boot --worker_pool >"$WORK/worker.log" 2>&1 &
    pool=$!
    for _ in $(seq 50); do
        if python3 -c 'import socket; socket.create_connection(("127.0.0.1", 50000), 1)' 2>/dev/null; then
            echo "Beam's worker pool answers on port 50000"
            return
        fi
        sleep 1
    done
    fail "Beam's worker pool does not answer; see $WORK/worker.log"
}

check_host
mkdir -p "$WORK"
# Unmount the containers of a failed build; otherwise their files could not be removed.
pool=
trap 'kill $pool 2>/dev/null; in_store rm --all >/dev/null 2>&1' EXIT
make_base
echo "Building the image"
build_image -t "$IMAGE"
run_in_image
if command -v go >/dev/null; then
    echo "Building the worker image"
    build_worker
    run_worker_pool
else
    echo "Worker image not checked: building Beam's boot program requires Go"
fi
