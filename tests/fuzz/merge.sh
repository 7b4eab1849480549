#!/bin/bash
# merge.sh FUZZER FOLDER...: makes the corpus anew of itself and the FOLDERs' files: what reaches code that the others do
# not, at most 1 KiB a file and 100 files of all sizes.  Call it after `make fuzz`, with build/fuzz/fuzz/work/FUZZER.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${FUZZ_BIN:-$root/build/fuzz/fuzz}
name=$1
shift
corpus=$root/tests/fuzz/corpus/$name
new=$(mktemp -d)
trap 'rm -rf "$new" "$new.log"' EXIT
mkdir -p "$corpus"
"$bin/$name" -merge=1 -max_len=1024 "$new" "$corpus" "$@" > "$new.log" 2>&1 || { cat "$new.log"; exit 1; }
rm -rf "$corpus"
mkdir -p "$corpus"
ls -Sr "$new" | awk -v n="$(ls "$new" | wc -l)" 'n <= 100 || int(NR * 100 / n) != int((NR - 1) * 100 / n)' |
    while read -r file; do cp "$new/$file" "$corpus/"; done
echo "$name: $(ls "$corpus" | wc -l) files, $(du -bs "$corpus" | cut -f1) bytes"
