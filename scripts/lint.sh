#!/bin/bash
# lint.sh [RULE...]: checks the tree and says what is wrong; non-zero if anything is.  `make lint` has built it first.
# RULEs: layers banned quiet functions files magic whitespace console (scripts/lint-source.js), symbols, format, js,
# cppcheck, tidy.  LINT_ROOT checks another tree.
set -uo pipefail
tools=$(cd "$(dirname "$0")" && pwd)
cd "${LINT_ROOT:-$tools/..}" || exit 1
jobs=$(nproc)
failed=()

source_rules=(layers banned quiet functions files magic whitespace console)
rule_source() { node "$tools/lint-source.js" "$@"; }

# The addon must not put its own llhttp or libuv in the place of Node's, nor be bound to Node's llhttp.
rule_symbols() {
    local addon=${ADDON:-build/release/lib/actix/addon/actix.node} defined imported
    [ -f "$addon" ] || { echo "$addon: symbols: not built"; return 1; }
    defined=$(nm -D --defined-only "$addon" | awk '{ print $NF }' | grep -vxE 'napi_register_module_v1|node_api_module_get_api_version_v1')
    imported=$(nm -D --undefined-only "$addon" | awk '{ print $NF }' | grep '^llhttp_')
    [ -z "$defined" ] || printf '%s: symbols: exports %s\n' "$addon" "$(echo $defined)"
    [ -z "$imported" ] || printf '%s: symbols: takes %s from whoever has it\n' "$addon" "$(echo $imported)"
    nm -D --defined-only "$addon" | grep -q ' napi_register_module_v1$' || { echo "$addon: symbols: no entry point"; return 1; }
    [ -z "$defined$imported" ]
}

rule_format() {
    local out
    out=$("$tools/sources.sh" c | xargs clang-format --dry-run -Werror 2>&1 |
        sed -n 's/ error: code should be clang-formatted.*/ format: run make format/p' | sort -u -t: -k1,1)
    [ -z "$out" ] || { echo "$out"; return 1; }
}

rule_js() {
    local bad=0 file
    while read -r file; do
        node --check "$file" || bad=1
    done < <("$tools/sources.sh" js)
    return $bad
}

c_sources() { "$tools/sources.sh" c | grep '\.c$' | grep -vE '^(tests|bench)/'; }

rule_cppcheck() {
    c_sources | cppcheck --file-list=- --enable=warning,portability,performance --error-exitcode=1 -j "$jobs" --quiet --std=c11 \
        --language=c --inline-suppr --suppressions-list="$tools/cppcheck.txt" -D_GNU_SOURCE '-DAX_VERSION="0"' -Iserver -I. \
        --template='{file}:{line}: cppcheck: {id}: {message}' 2>&1
}

# Two minutes of CPU for the whole tree; a file whose text, headers and settings were clean before is not read again.
rule_tidy() {
    local flags cache state file all
    flags=$(make -s BUILD=debug flags) || return 1
    cache=build/tidy
    mkdir -p "$cache"
    # shellcheck disable=SC2046 # file names without blanks
    state=$( (clang-tidy --version; cat .clang-tidy; echo "$flags"; cat $("$tools/sources.sh" c | grep '\.h$'); cat server/*/*.def) 2> /dev/null | sha256sum | cut -c1-16)
    all=$(c_sources)
    for file in $all; do
        echo "$file $cache/$(cat "$file" | sha256sum | cut -c1-32)-$state"
    done | while read -r file mark; do
        [ -f "$mark" ] || echo "$file $mark"
    done | FLAGS=$flags nice xargs -r -P "$jobs" -L 1 bash -c '
        out=$(clang-tidy --quiet "$0" -- $FLAGS 2> /dev/null) && touch "$1" && exit 0
        echo "$out" | grep -E "(warning|error):" | sed "s|$PWD/||; s| error:| tidy:|"; exit 1'
}

names=("$@")
[ $# -gt 0 ] || names=("${source_rules[@]}" symbols format js cppcheck tidy)
for name in "${names[@]}"; do
    case " ${source_rules[*]} " in
    *" $name "*) rule_source "$name" ;;
    *)
        declare -F "rule_$name" > /dev/null && [ "$name" != source ] || { echo "lint: no rule '$name'" >&2; exit 2; }
        "rule_$name"
        ;;
    esac || failed+=("$name")
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "lint: failed: ${failed[*]}"
    exit 1
fi
echo "lint: ${#names[@]} rules, nothing found"
