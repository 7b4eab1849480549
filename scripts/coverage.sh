#!/bin/bash
# coverage.sh: builds with --coverage, runs the unit, JavaScript and integration tests, and prints which share of the
# lines of server/ and config/ was run, by file.  Fails under the least share (COVERAGE_MIN, 85 %).  Called by `make coverage`.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
make=${MAKE_COMMAND:-make --no-print-directory -j$(nproc)}
log=build/cover/coverage.log

echo "== build (cover)"
mkdir -p build/cover
$make BUILD=cover all unit-build > "$log" 2>&1 || { tail -n 30 "$log"; exit 1; }
find build/cover -name '*.gcda' -delete

echo "== unit tests (cover)"
$make BUILD=cover unit >> "$log" 2>&1 || { tail -n 30 "$log"; echo "coverage: unit tests failed" >&2; }
echo "== JavaScript and integration tests (cover)"
# Not those that build, install or scaffold: they take the longest, and run nothing of server/ that others do not.
without='/(bench|build|completion|man|npm|templates)[.]test[.]'
# shellcheck disable=SC2046 # file names without blanks
ACTIX=$PWD/build/cover/bin/actix ACTIX_ADDON=$PWD/build/cover/lib/actix/addon \
    timeout -k 10 600 node --test --test-concurrency=4 --test-reporter=tap \
    $(find tests/js tests/addon tests/integration -name '*.test.*js' | grep -vE "$without" | sort) >> "$log" 2>&1 ||
    { grep -E '^ *not ok' "$log"; echo "coverage: JavaScript tests failed (slower here; make test is what decides)" >&2; }

node scripts/coverage.js build/cover/obj "${COVERAGE_MIN:-85}" server config
