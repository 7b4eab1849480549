#!/bin/bash
# systemd-test.sh: what `make systemd-test` runs.  A Debian 12 with nothing but its base, systemd and nodejs is booted in
# namespaces (packaging/machine.sh), gets the deb, and runs apps as units: packaging/systemd-test.mjs does what operators
# do, and upgrades and downgrades the package under load.  Needs root, debootstrap, cgroup 2 and apt's network; the base is
# kept in ${XDG_CACHE_HOME:-~/.cache}/actix.
# ACTIX_DEB=FILE ACTIX_DEB_NEXT=FILE: the package and another version of it.
set -euo pipefail
cd "$(dirname "$0")/.."
arch=$(dpkg --print-architecture)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/actix
skip() { echo "systemd-test: skipped: $*"; exit 0; }
fail() { echo "systemd-test: $*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || skip "it needs root"
for tool in debootstrap unshare nsenter node; do
    command -v $tool > /dev/null || skip "there is no $tool here"
done
for deb in "${ACTIX_DEB:-}" "${ACTIX_DEB_NEXT:-}"; do
    [ -f "$deb" ] || fail "ACTIX_DEB and ACTIX_DEB_NEXT name two packages (make systemd-test builds them)"
done
# The machine has no network: what the package wants is part of the base.
depends=$(dpkg-deb -f "$ACTIX_DEB" Depends | tr -d ' ' | sed -e 's/([^)]*)//g' -e 's/,/ /g')
base=$cache/debian-12-$arch-systemd-$(cksum <<< "$depends" | cut -d ' ' -f 1).tar

dir=$(mktemp -d "${TMPDIR:-/tmp}/actix-systemd-XXXXXX")
machine=
finish() {
    [ -z "$machine" ] || { kill -TERM "$machine" && wait "$machine"; } 2> /dev/null || true
    rm -rf --one-file-system "$dir"
}
trap finish EXIT

if [ ! -f "$base" ]; then
    mkdir -p "$cache" "$dir/base"
    debootstrap --variant=minbase --include=nodejs,systemd,systemd-sysv,dbus bookworm "$dir/base" > "$dir/log" 2>&1 ||
        { tail -n 5 "$dir/log"; skip "debootstrap failed"; }
    # nobody logs in, and it has no terminal
    chroot "$dir/base" systemctl mask -q console-getty.service getty@.service
    cp /etc/resolv.conf "$dir/base/etc/resolv.conf"
    # shellcheck disable=SC2086 # several names
    chroot "$dir/base" sh -c "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $depends" \
        > "$dir/log" 2>&1 || { tail -n 5 "$dir/log"; skip "apt-get failed"; }
    tar -C "$dir/base" -cf "$base.new" .
    mv "$base.new" "$base"
    rm -rf --one-file-system "$dir/base"
fi
mkdir "$dir/root"
tar -C "$dir/root" -xf "$base"
cp "$ACTIX_DEB" "$dir/root/root/actix.deb"
cp "$ACTIX_DEB_NEXT" "$dir/root/root/next.deb"

packaging/machine.sh "$dir/root" > "$dir/console" 2>&1 &
machine=$!
# Process 1 of the machine: the child of the unshare that is the child of machine.sh.
children() { cat "/proc/$1/task/$1/children" 2> /dev/null; }
init() {
    local outer
    for outer in $(children "$machine"); do
        for pid in $(children "$outer"); do
            [ "$(cat "/proc/$pid/comm")" != systemd ] || { echo "$pid"; return; }
        done
    done
    return 1
}
until pid=$(init); do
    status=0
    kill -0 "$machine" 2> /dev/null || wait "$machine" || status=$?
    [ $status -ne 77 ] || { machine=; skip "$(cat "$dir/console")"; }
    [ $status -eq 0 ] || { machine=; fail "it does not boot: $(cat "$dir/console")"; }
    sleep 0.05
done
nsenter -t "$pid" -n node packaging/systemd-test.mjs "$pid"
