#!/bin/bash
# machine.sh ROOT: boots the Debian in ROOT: its systemd is process 1 of namespaces of its own, with a network that has a
# loopback alone and a part of this machine's cgroups.  Runs until it is killed, and everything in it ends with it; prints
# nothing but what systemd cannot say anywhere else.  Needs root and cgroup 2; exits with 77 where that is not to be had.
set -uo pipefail
root=$1
cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$cgroups" ] || { echo "machine.sh: no cgroup 2 is mounted here" >&2; exit 77; }
own=$cgroups/actix-machine-$$
mkdir "$own" 2> /dev/null || { echo "machine.sh: no cgroup can be made in $cgroups" >&2; exit 77; }

pid=
finish() {
    [ -z "$pid" ] || { kill -KILL "$pid" && wait "$pid"; } 2> /dev/null
    # what has just been killed is still on its way out of it
    for _ in $(seq 100); do
        find "$own" -depth -type d -exec rmdir {} + 2> /dev/null
        [ -d "$own" ] || return 0
        sleep 0.05
    done
}
trap finish EXIT
trap 'exit 0' TERM INT

# shellcheck disable=SC2016 # for the shell inside
boot='
    echo $$ > "$2/cgroup.procs" || exit 77
    exec unshare --mount --pid --ipc --uts --cgroup --net --fork --kill-child=KILL sh -c "$3" - "$1"'
# A /dev as containers have it: the real one has disks.
# shellcheck disable=SC2016
init='
    set -e
    mount --bind "$1" "$1" && cd "$1"
    mount -t proc proc proc && mount -t sysfs -o ro sysfs sys && mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs tmpfs run && mount -t tmpfs -o mode=1777 tmpfs tmp && mount -t tmpfs -o mode=755 tmpfs dev
    set -- null 1 3 zero 1 5 full 1 7 random 1 8 urandom 1 9 tty 5 0
    while [ $# -gt 0 ]; do
        mknod -m 666 "dev/$1" c "$2" "$3" && shift 3
    done
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts && ln -s pts/ptmx dev/ptmx && mount -t tmpfs tmpfs dev/shm
    pivot_root . mnt && umount -l /mnt
    exec env -i container=chroot PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --show-status=0 --log-target=journal'
bash -c "$boot" - "$root" "$own" "$init" &
pid=$!
wait "$pid"
