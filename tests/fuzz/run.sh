#!/bin/bash
# run.sh FOLDER SECONDS JOBS NAME...: runs the fuzzers FOLDER/NAME, each over its corpus and then for SECONDS, JOBS at a
# time.  What is found goes to tests/fuzz/findings/NAME-*; what reaches new code to FOLDER/work/NAME, which the next run
# goes on from.  Called by `make fuzz`; the last line is "fuzz: N passed, N failed".
set -uo pipefail
folder=$(cd "$1" && pwd) seconds=$2 jobs=$3
shift 3
cd "$(dirname "$0")" || exit 1
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=0} UBSAN_OPTIONS=print_stacktrace=1

one() {
    local name=$1 log=$folder/work/$1.log dict=() began=$SECONDS
    mkdir -p "$folder/work/$name" "corpus/$name" findings
    [ ! -f "$name.dict" ] || dict=(-dict="$name.dict")
    if "$folder/$name" -max_total_time="$seconds" -max_len=2048 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 "${dict[@]}" \
        -artifact_prefix="$PWD/findings/$name-" "$folder/work/$name" "corpus/$name" > "$log" 2>&1; then
        sed -n "s/^stat::number_of_executed_units: *\(.*\)/  $name: \1 inputs in $((SECONDS - began)) s/p" "$log"
        return 0
    fi
    echo "--- $name"
    grep -av '^#[0-9]' "$log" | tail -n 60
    return 1
}

passed=0 failed=0
running=()
finish() { # the one that was started first
    if wait "${running[0]}"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    running=("${running[@]:1}")
}
trap 'kill "${running[@]}" 2> /dev/null; exit 1' INT TERM
for name; do
    [ "${#running[@]}" -lt "$jobs" ] || finish
    one "$name" &
    running+=($!)
done
while [ "${#running[@]}" -gt 0 ]; do finish; done
rmdir findings 2> /dev/null
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
