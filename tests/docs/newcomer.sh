#!/bin/bash
# newcomer.sh DEB: somebody who has just installed Debian and the package follows README.md and docs/getting-started.md,
# every command as written.  In a chroot of their own; needs root, debootstrap and Debian's archive, and takes minutes.
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
deb=${1:-$(ls -t "$repo"/build/packages/actix_*.deb 2> /dev/null | head -n 1)}

skip() { echo "newcomer: skipped: $*"; exit 0; }
[ "$(id -u)" -eq 0 ] || skip "needs root"
command -v debootstrap > /dev/null || skip "debootstrap is not installed"
[ -f "$deb" ] || { echo "newcomer: no package (make deb builds it)" >&2; exit 1; }

root=$(mktemp -d "${TMPDIR:-/tmp}/actix-newcomer-XXXXXX")
cleanup() {
    umount "$root/proc" 2> /dev/null || true
    rm -rf --one-file-system "$root"
}
trap cleanup EXIT

start=$SECONDS
debootstrap --variant=minbase --include=nodejs,curl,sqlite3 bookworm "$root" > "$root.log" 2>&1 ||
    { tail -n 5 "$root.log"; rm -f "$root.log"; skip "debootstrap failed"; }
rm -f "$root.log"
echo "newcomer: Debian, Node and curl in $((SECONDS - start)) s"
mount -t proc proc "$root/proc"
# Installing from inside resolves what the package needs by itself.
cp "$deb" "$root/root/actix.deb"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2> /dev/null || true
[ ! -d /etc/apt/apt.conf.d ] || cp -R /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

start=$SECONDS
in_root apt-get install -y -q --no-install-recommends /root/actix.deb > "$root/root/install.log" 2>&1 ||
    { tail -n 20 "$root/root/install.log"; exit 1; }
echo "newcomer: package installed in $((SECONDS - start)) s"

mkdir -p "$root/pages/tests"
cp -R "$repo"/*.md "$repo/docs" "$root/pages/"
cp -R "$repo/tests/docs" "$root/pages/tests/"
# What links lead to, empty: here it is the commands that count.
(cd "$repo" && find bench packaging tests templates -not -path 'tests/docs*' \( -name '*.md' -o -name haproxy.cfg -o -type d -name loader -o -name latest.svg \
    -o -type d -name peers -o -type d -name app \)) | while read -r path; do
    mkdir -p "$root/pages/$(dirname "$path")"
    [ -d "$repo/$path" ] && mkdir -p "$root/pages/$path" || touch "$root/pages/$path"
done
start=$SECONDS
in_root env ACTIX=/usr/bin/actix node /pages/tests/docs/run.mjs README.md docs/getting-started.md
echo "newcomer: README.md and docs/getting-started.md in $((SECONDS - start)) s, with Node $(in_root node -p process.version)"
