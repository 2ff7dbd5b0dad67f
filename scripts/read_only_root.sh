#!/bin/sh
# Runs a command in an image's files as the image's user, as a container with a read-only root and
# without a temporary folder would: scripts/read_only_root.sh ROOT COMMAND... (root only)
set -eu
[ $# -ge 2 ] || { echo "Expected the folder of an image's files and a command" >&2; exit 2; }
# shellcheck disable=SC2016
exec unshare --mount sh -euc '
    root=$1
    shift
    mount --bind "$root" "$root"
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -o remount,bind,ro "$root"
    exec chroot --userspec=10001:10001 "$root" env -i PATH=/opt/serving/bin:/usr/bin:/bin PYTHONPATH=/app \
        PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT="${PORT:-8080}" "$@"
' sh "$@"
