#!/bin/bash
# merge.sh FUZZER FOLDER...: keeps of the FOLDERs' files what reaches code that the corpus does not, small ones first, at
# most 1 KiB a file and 100 files.  Call it after `make fuzz`, with build/fuzz/fuzz/work/FUZZER.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${FUZZ_BIN:-$root/build/fuzz/fuzz}
name=$1
shift
corpus=$root/tests/fuzz/corpus/$name
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
mkdir -p "$corpus"
for pass in 1 2; do
    "$bin/$name" -merge=1 -max_len=1024 "$new" "$corpus" "$@" > "$new.log" 2>&1 || { cat "$new.log"; rm -f "$new.log"; exit 1; }
    rm -f "$new.log"
done
# libFuzzer has written them in the order in which they were worth keeping: by size.
rm -rf "$corpus"
mkdir -p "$corpus"
ls -Sr "$new" | head -n 100 | while read -r file; do cp "$new/$file" "$corpus/"; done
echo "$name: $(ls "$corpus" | wc -l) files, $(du -bs "$corpus" | cut -f1) bytes"
