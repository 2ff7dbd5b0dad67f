#!/bin/sh
# Builds the container images without a container engine or registry. Runs faultline in the first, the
# server in the second (scripts/serving_image_check.sh also serves a model by it) and, if Go is
# installed, Beam's worker pool in the third.
set -eu
cd "$(dirname "$0")/.."
. scripts/image_tools.sh

IMAGE=localhost/faultline
SERVING=localhost/faultline-serving
WORKER=localhost/faultline-worker

run_in_image() {
    container=$(in_store from "$IMAGE")
    for arguments in --help doctor; do
        echo "faultline $arguments"
        in_store run "$container" -- faultline "$arguments"
    done
    echo "Runs as user $(in_store run "$container" -- id -u), $(in_store run "$container" -- du -shx / 2>/dev/null | cut -f1) on disk"
}

run_server() {
    container=$(in_store from "$SERVING")
    in_store run "$container" -- python -m serving.container --version
    message=$(in_store run "$container" -- python -m serving.container 2>&1) || true
    case $message in
        *"No model in /models: expected "*) ;;
        *) fail "the server without a model said: $message" ;;
    esac
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
echo "Building the serving image"
build_image --target serving -t "$SERVING"
run_server
if command -v go >/dev/null; then
    echo "Building the worker image"
    build_worker
    run_worker_pool
else
    echo "Worker image not checked: building Beam's boot program requires Go"
fi
