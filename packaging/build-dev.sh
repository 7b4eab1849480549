#!/bin/bash
# build-dev.sh [NAME=VALUE...]: the fastest build for this machine: for its own processor, with jemalloc, into build/dev.
# Runs in a clean clone; installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
set -- OUT=build/dev MARCH=native ALLOCATOR=jemalloc "$@"
scripts/deps.sh build jemalloc
out=$(printf '%s\n' "$@" | sed -n 's/^OUT=//p' | tail -n 1) # the last one counts
make --no-print-directory -j"$(nproc)" "$@" all
make --no-print-directory "$@" verify
echo "built: $out/bin/actix (make ${*@Q} install puts it elsewhere)"
