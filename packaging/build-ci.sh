#!/bin/bash
# build-ci.sh [NAME=VALUE...]: a build that runs on every processor of this kind, with the best allocator that is installed
# here (none is installed for it), into build/ci.  Runs in a clean clone; installs what else is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh build
there() { echo "#include <$1>" | "${CC:-gcc}" -E -x c - > /dev/null 2>&1; }
if there jemalloc/jemalloc.h; then
    allocator=jemalloc why="libjemalloc-dev is installed"
elif there mimalloc.h; then
    allocator=mimalloc why="libmimalloc-dev is installed, libjemalloc-dev is not"
else
    allocator=default why="neither libjemalloc-dev nor libmimalloc-dev is installed"
fi
echo "allocator: $allocator ($why)"
set -- OUT=build/ci MARCH=portable ALLOCATOR=$allocator "$@"
out=$(printf '%s\n' "$@" | sed -n 's/^OUT=//p' | tail -n 1) # the last one counts
make --no-print-directory -j"$(nproc)" "$@" all
make --no-print-directory "$@" verify
echo "built: $out/bin/actix with allocator $allocator (make ${*@Q} install puts it elsewhere)"
