#!/bin/bash
# demo.sh ACTIX: scaffolds an app in a folder of its own, serves it on a free port, sends a request to each of its routes,
# shows what was counted, stops it, and removes the folder.  Anything unexpected ends it with a message and non-zero.
set -euo pipefail

if [ $# -ne 1 ] || [ ! -x "$1" ] || [ "$(basename "$1")" != actix ]; then
    echo "usage: $0 path/to/actix" >&2
    exit 2
fi
bin=$(dirname "$(readlink -f "$1")")
. "$(dirname "$0")/listening.sh"
PATH=$bin:$PATH
# What would make this run differ from the next one.
unset PORT HOST STATE_DIRECTORY RUNTIME_DIRECTORY "${!ACTIX_@}"

dir=$(mktemp -d "${TMPDIR:-/tmp}/actix-demo-XXXXXX")
server=

cleanup() {
    code=$?
    trap - EXIT
    if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
        kill -TERM "$server"
        wait "$server" || true
    fi
    cd /
    rm -rf "$dir"
    [ "$code" -eq 0 ] || echo "demo: failed" >&2
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n== %s\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }
die() { echo "demo: $*" >&2; [ ! -s "$dir/serve.err" ] || cat "$dir/serve.err" >&2; exit 1; }

# field JSON-TEXT EXPRESSION: prints what the expression says of `j`.
field() { node -p "const j = JSON.parse(process.argv[1]); $2" "$1"; }

sent=0
# ask METHOD PATH STATUS [curl options]: one request; shows it and its answer.
ask() {
    local method=$1 path=$2 want=$3 got
    shift 3
    got=$(curl -sS --max-time 5 -X "$method" -o "$dir/answer" -w '%{http_code}' "$@" "$url$path") || die "$method $path: no answer"
    sent=$((sent + 1))
    printf '%-6s %-12s %s  %s\n' "$method" "$path" "$got" "$(head -c 90 "$dir/answer" | tr '\n' ' ')"
    [ "$got" = "$want" ] || die "$method $path was answered $got instead of $want"
}

say "a new app"
cd "$dir"
run actix new shop
cd shop
run actix check
run actix routes
routes=$(actix routes --json)

say "serving it on a free port"
: >"$dir/serve.out" # there before anybody reads it
actix serve --host 127.0.0.1 --port 0 >"$dir/serve.out" 2>"$dir/serve.err" &
server=$!
url=$(listening "$dir/serve.out" "$server") || die "the server did not start"
echo "listening on $url"

say "a request to each route"
json=(-H 'content-type: application/json')
ask GET /               200
ask GET /time           200
ask GET /users/1        200
ask GET /users/99       404
ask PUT /users/3        201 "${json[@]}" -d '{"name":"Linus"}'
ask PUT /users/3        422 "${json[@]}" -d '{"name":3}'
ask DELETE /users/3     204
ask POST /users/1       405
ask GET /contact        200
ask POST /contact       200 -F name=Ada -F photo=@README.md
ask GET /healthz        200
ask GET /nowhere        404

say "what was counted"
for _ in $(seq 50); do # the counts reach the database once a second (metrics.interval)
    stats=$(actix stats --json)
    counted=$(field "$stats" j.total.requests)
    [ "$counted" != "$sent" ] || break
    sleep 0.1
done
[ "$counted" = "$sent" ] || die "$sent requests were sent, $counted were counted"
run actix stats
missed=$(node -e '
    const [routes, stats] = process.argv.slice(1).map((text) => JSON.parse(text).routes);
    const asked = new Set(stats.map((r) => r.route));
    console.log([...new Set(routes.map((r) => r.path))].filter((path) => !asked.has(path)).join(" "));
' "$routes" "$stats")
[ -z "$missed" ] || die "no request was counted for $missed"

say "stopping it"
run actix stop
code=0
wait "$server" || code=$?
server=
[ "$code" -eq 0 ] || die "the server ended with exit code $code"
[ "$(field "$(actix stats --json)" j.total.requests)" = "$sent" ] || die "the counts changed while it stopped"

say "done: $sent requests sent, $sent counted, nothing left behind"
