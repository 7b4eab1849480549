#!/bin/bash
# smoke.sh TREE [ALLOCATOR]: the program in TREE serves an app, answers a request from JavaScript, and stops.  ALLOCATOR:
# its engine must have that library in its memory (default: none).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/listening.sh
actix=$1/bin/actix
dir=$(mktemp -d "${TMPDIR:-/tmp}/actix-smoke-XXXXXX")
server=
finish() {
    [ -z "$server" ] || kill "$server" 2> /dev/null || true
    rm -rf "$dir"
}
trap finish EXIT
fail() {
    echo "smoke: $actix: $*" >&2
    [ ! -s "$dir/log" ] || cat "$dir/log" >&2
    exit 1
}

: > "$dir/log" # there before anybody reads it
"$actix" serve -c bench/app/actix.yaml --state "$dir/state" --host 127.0.0.1 --port 0 --workers 2 > "$dir/log" 2>&1 &
server=$!
url=$(listening "$dir/log" "$server") || fail "does not listen"
[ "$(curl -sS --max-time 5 "$url/users/42")" = 42 ] || fail "gave the wrong answer"
if [ $# -gt 1 ]; then
    found=default
    for engine in $(cat "/proc/$server/task/$server/children"); do
        for name in jemalloc mimalloc; do
            ! grep -q "/lib$name\.so" "/proc/$engine/maps" || found=$name
        done
    done
    [ "$found" = "$2" ] || fail "its engine has the allocator $found, not $2"
fi
kill -TERM "$server"
wait "$server" || fail "ended with $? when it was stopped"
server=
echo "smoke: $actix: served, answered, stopped"
