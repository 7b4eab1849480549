#!/bin/bash
# build-dev.sh [NAME=VALUE...]: the fastest build for this machine: for its own processor, with jemalloc, into build/dev.
# Runs in a clean clone; installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
set -- OUT=build/dev MARCH=native ALLOCATOR=jemalloc "$@"
scripts/deps.sh build jemalloc
make --no-print-directory -j"$(nproc)" "$@" all
make --no-print-directory "$@" verify
echo "built: $PWD/build/dev/bin/actix (make ${*@Q} install puts it elsewhere)"
