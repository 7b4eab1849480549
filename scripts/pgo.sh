#!/bin/bash
# pgo.sh TREE: trains the instrumented build in TREE (`make BUILD=pgo-gen`) and leaves its profile there.  The programs
# write it when they end, so each round is a server that is started, put under load over loopback, and stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/listening.sh
tree=$1
load=$tree/bench/loader
dir=$(mktemp -d "${TMPDIR:-/tmp}/actix-pgo-XXXXXX")
server=
finish() {
    [ -z "$server" ] || kill "$server" 2> /dev/null || true
    rm -rf "$dir"
}
trap finish EXIT
fail() {
    echo "pgo: $*" >&2
    [ ! -s "$dir/log" ] || tail -n 5 "$dir/log" >&2
    exit 1
}

clang=
case $(${CC:-gcc} --version) in *clang*) clang=1 ;; esac
# The tool must be of the compiler's own version: Debian installs it as llvm-profdata-14 too.
profdata=
if [ -n "$clang" ]; then
    version=$($CC -dumpversion)
    for name in "llvm-profdata-${version%%.*}" llvm-profdata; do
        command -v "$name" > /dev/null && profdata=$name && break
    done
    [ -n "$profdata" ] || fail "clang's profile needs llvm-profdata: apt-get install llvm-${version%%.*}"
fi

start() { # start WORKERS: serves the benchmark's app; sets server and port
    : > "$dir/log" # there before anybody reads it
    LLVM_PROFILE_FILE=$(realpath "$tree")/%p-%m.profraw "$tree/bin/actix" serve -c bench/app/actix.yaml --state "$dir/state" \
        --host 127.0.0.1 --port 0 --workers "$1" > "$dir/log" 2>&1 &
    server=$!
    port=$(listening "$dir/log" "$server") || fail "the instrumented server did not start"
    port=${port##*:}
}

stop() {
    kill -TERM "$server"
    wait "$server" || fail "the instrumented server ended with $?"
    server=
}

answers() { # answers STATUS CURL-ARGUMENT...: the answer must have that status
    local want=$1 got
    shift
    got=$(curl -s -o /dev/null -w '%{http_code}' --max-time 10 "$@") || true
    [ "$got" = "$want" ] || fail "curl $* was answered $got, not $want"
}

round() { # round SECONDS: every request of the workload, in turn and pipelined, and what is refused
    local url=http://127.0.0.1:$port seconds=$1
    run() { "$load" --port "$port" --connections 64 --seconds "$seconds" --json "$@" > "$dir/load" || fail "the load generator failed"; }
    run --path /
    run --path /json
    run --path /users/42
    run --path /echo --method POST --header 'Content-Type: text/plain' --body 'hello actix'
    run --path /json --method POST --header 'Content-Type: application/json' --body '{"name":"actix","n":42}'
    run --path '/browser?tab=main' --header 'Accept-Language: en-GB,en;q=0.8' --header 'Sec-Fetch-Site: same-origin' \
        --header 'Sec-Ch-Ua-Platform: "Linux"' --header 'Accept: text/html,application/xhtml+xml' --header 'Cookie: a=1; b=2' \
        --header 'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'
    run --path / --pipeline 16
    run --path /users/42 --pipeline 16
    run --path /nothing-there
    for _ in 1 2 3; do
        head -c 2000000 /dev/zero | answers 413 --data-binary @- -H 'Content-Type: text/plain' -H 'Expect:' "$url/echo"
        answers 405 -X DELETE "$url/json"
        answers 400 --data '{' -H 'Content-Type: application/json' "$url/json"
        answers 431 -H "X-Long: $(printf '%20000s' x)" "$url/"
        answers 200 --data hello -H 'Transfer-Encoding: chunked' "$url/echo"
    done
}

[ -x "$load" ] || fail "$load is not built"
find "$tree" \( -name '*.gcda' -o -name '*.profraw' -o -name all.profdata -o -name .trained \) -delete
for workers in 1 2; do
    echo "pgo: training with $workers worker(s)"
    start "$workers"
    round "$([ "$workers" = 1 ] && echo 1 || echo 0.5)"
    stop
done

if [ -n "$clang" ]; then
    "$profdata" merge -o "$tree/all.profdata" "$tree"/*.profraw || fail "$profdata cannot merge the profiles"
    rm -f "$tree"/*.profraw
    "$profdata" show "$tree/all.profdata" | grep -E '^(Total functions|Maximum function count)'
else
    for object in cli/main server/supervisor/supervisor addon/addon server/net/conn llhttp/llhttp; do
        [ -s "$tree/product/$object.gcda" ] || fail "training has left no profile of $object"
    done
    echo "pgo: profiles of $(find "$tree" -name '*.gcda' | wc -l) objects"
fi
touch "$tree/.trained"
