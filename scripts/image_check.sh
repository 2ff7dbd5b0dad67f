#!/bin/sh
# Builds the container images without a container engine or registry, and runs faultline in the
# first, and, where Go is at hand, Beam's worker pool in the second.
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
WORKER=localhost/faultline-worker
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
build_image() { # further options of buildah
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

# Beam's boot program comes in an image that cannot be fetched here: the same is built from source.
build_worker() {
    version=$(sed -n 's/^ARG BEAM_VERSION=//p' Dockerfile)
    boot=$WORK/beam/opt/apache/beam
    if [ ! -x "$boot/boot" ]; then
        mkdir -p "$boot"
        GOBIN=$boot go install "github.com/apache/beam/sdks/v2/python/container@v$version" >"$WORK/go.log" 2>&1 ||
            fail "Beam's boot program cannot be built, see $WORK/go.log"
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
    fail "Beam's worker pool does not answer, see $WORK/worker.log"
}

check_host
mkdir -p "$WORK"
# Containers of a build that failed stay mounted, and could not be removed.
pool=
trap 'kill $pool 2>/dev/null; in_store rm --all >/dev/null 2>&1' EXIT
make_base
echo "Building the image"
build_image -t "$IMAGE"
run_in_image
if command -v go >/dev/null; then
    echo "Building the worker's image"
    build_worker
    run_worker_pool
else
    echo "The worker's image is not checked: it takes Go to build Beam's boot program"
fi
