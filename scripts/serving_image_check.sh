#!/bin/sh
# Builds the serving image and an image of a pushed model without a container engine or registry, and
# measures size, start and stop: scripts/serving_image_check.sh OUTPUT NAME
#
# OUTPUT is the output folder of a run, NAME its model, PYTHON the Python of .venv. The image runs in a
# chroot as its own user, with a root that is mounted read-only, without a temporary folder. On a busy
# machine, PRIORITY="chrt -f 10" gives the server the CPUs that it would have alone.
set -eu
cd "$(dirname "$0")/.."
. scripts/image_tools.sh

IMAGE=localhost/faultline-serving
MODEL_IMAGE=localhost/faultline-model
LIMIT_MB=1600
PORT=${PORT:-18080}

[ $# = 2 ] || fail "expected the output folder of a run and the name of its model: $0 output signals"
output=$1
name=$2
python=${PYTHON:-.venv/bin/python}

# The real base image is smaller than its stand-in: only what the target adds counts besides it.
size_mb() { du -smx "$1" | cut -f1; }

check_host
mkdir -p "$WORK"
context=$(mktemp -d)
trap 'in_store rm --all >/dev/null 2>&1; rm -rf "$context"' EXIT
make_base
echo "Building the serving image"
build_image --target serving -t "$IMAGE" >/dev/null
"$python" faultline.py package "$name" -o "$context/image" --base "$IMAGE" --output "$output"
in_store build -q --pull-never -t "$MODEL_IMAGE" "$context/image" >/dev/null
base=$(in_store from "$BASE")
container=$(in_store from "$MODEL_IMAGE")
base_mb=$(size_mb "$(in_store mount "$base")")
root=$(in_store mount "$container")
total_mb=$(size_mb "$root")
echo "Size: $total_mb MB with the model, $((total_mb - base_mb)) MB of it above the base image"
[ "$total_mb" -lt "$LIMIT_MB" ] || fail "the image has $total_mb MB, expected less than $LIMIT_MB MB"
export PORT
if sh scripts/read_only_root.sh "$root" sh -c ': >/app/written' 2>/dev/null; then
    fail "the image's account can write to /app"
fi
echo "Runs as user $(sh scripts/read_only_root.sh "$root" id -u)"
for _ in 1 2 3; do
    # shellcheck disable=SC2086
    ${PRIORITY:-} "$python" scripts/first_answer.py "$PORT" "$name" sh scripts/read_only_root.sh "$root" \
        python -m serving.container --file_system_poll_wait_seconds=0 --max_num_load_retries=0 2>"$WORK/serving.log" ||
        fail "the server did not answer; see $WORK/serving.log"
done
