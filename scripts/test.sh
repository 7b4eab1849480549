#!/bin/bash
# test.sh: runs every test there is and ends with one line, "N passed, N failed".  Called by `make test`, which has
# installed what is needed and passes its own make in MAKE_COMMAND.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
make=${MAKE_COMMAND:-make --no-print-directory -j$(nproc)}
dir=$(mktemp -d "${TMPDIR:-/tmp}/actix-test-XXXXXX")
chmod 755 "$dir" # a test runs the installed tree as another user
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0 skipped=0

count() { # count PASSED FAILED [SKIPPED]
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3:-0}))
}

# count_last NAME: what the last line "NAME: N passed, N failed" in the file of that name says; none is one failure.
count_last() {
    local line
    line=$(grep -E "^$1: [0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?\$" "$dir/$1" | tail -n 1)
    [ -n "$line" ] || echo "$1: ended without a result"
    line=$(tr -dc '0-9 ' <<< "${line#*:}")
    # shellcheck disable=SC2086 # two or three words
    count ${line:-0 1}
}

# build KIND TARGETS...: false, and one failure counted, if that kind does not compile.
build() {
    local kind=$1
    shift
    echo "== build ($kind)"
    $make BUILD="$kind" "$@" > "$dir/build" 2>&1 && return 0
    grep -vE '^  [A-Z]+ ' "$dir/build" | head -n 60
    count 0 1
    return 1
}

unit() { # unit KIND [ONLY]
    build "$1" ${2:+"ONLY=$2"} unit-build || return
    echo "== unit tests ($1${2:+: $2})"
    $make BUILD="$1" ${2:+"ONLY=$2"} unit 2>&1 | grep -v '^make' | tee "$dir/unit"
    count_last unit
}

# Files, not folders: what `node --test` does with a folder has changed between Node 18 and 22.
javascript() {
    local files
    files=$(find tests/js tests/addon tests/types tests/integration -name '*.test.*js' 2> /dev/null | sort)
    [ -n "$files" ] || { echo "no JavaScript tests"; count 0 1; return; }
    echo "== JavaScript and integration tests of an installed tree (Node $(node -v))"
    node_tests "$dir/root/usr/bin/actix" "$dir/root/usr/lib/actix/addon" $files
}

node_tests() { # node_tests ACTIX ADDON FILES...
    ACTIX=$1 ACTIX_ADDON=$2 \
        timeout -k 10 1200 node --test --test-concurrency=3 --test-reporter=tap --test-reporter-destination="$dir/tap" \
        --test-reporter=spec --test-reporter-destination="$dir/spec" "${@:3}"
    local status=$?
    number() { sed -n "s/^# $1 \([0-9]*\)\$/\1/p" "$dir/tap" | tail -n 1; }
    local pass fail cancelled skip
    pass=$(number pass) fail=$(number fail) cancelled=$(number cancelled) skip=$(number skipped)
    fail=$((${fail:-1} + ${cancelled:-0}))
    [ "$status" -ne 124 ] || echo "the JavaScript tests did not end within 20 minutes"
    [ "$status" -eq 0 ] || [ "$fail" -gt 0 ] || fail=1
    [ "$fail" -eq 0 ] || cat "$dir/spec"
    echo "JavaScript: ${pass:-0} passed, $fail failed"
    count "${pass:-0}" "$fail" "${skip:-0}"
}

# What the pages say, of the installed tree.
docs() {
    echo "== documentation"
    ACTIX=$dir/root/usr/bin/actix node tests/docs/run.mjs | tee "$dir/docs"
    count_last docs
}

# Each over its corpus, and a moment more; `make fuzz` goes on for longer.
fuzz() {
    echo "== fuzzers"
    $make fuzz-short 2>&1 | grep -vE '^  [A-Z]+ |^make' | tee "$dir/fuzz"
    count_last fuzz
}

# The whole product under the address sanitizer, Node and all, where clients choose what comes.
sanitized() {
    build asan all || return
    echo "== canaries and hostile clients (asan)"
    node_tests "$PWD/build/asan/bin/actix" "$PWD/build/asan/lib/actix/addon" tests/integration/{canary,smuggle,security,http}.test.js
}

# Each script prints its figures; the last line counts the scripts.
chaos() {
    echo "== what breaks under load, in little (tests/chaos)"
    ACTIX=$dir/root/usr/bin/actix node tests/chaos/run.mjs --short > "$dir/chaos" 2>&1
    local status=$?
    [ "$status" -eq 0 ] || cat "$dir/chaos"
    tail -n 1 "$dir/chaos"
    count_last chaos
}

build release DESTDIR="$dir/root" PREFIX=/usr install && { javascript; docs; chaos; }
unit release
unit asan
sanitized
unit tsan
fuzz

tail=
[ "$skipped" -eq 0 ] || tail=", $skipped skipped"
echo "$passed passed, $failed failed$tail"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
