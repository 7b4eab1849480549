#!/bin/bash
# verify.sh TREE NAME=VALUE...: shows what was built in TREE and fails if that is not what the names ask for: BUILD OPT
# MARCH LTO STRIP ALLOCATOR as make takes them, and where they are given POOL, INTERN and COMPILER=gcc|clang.  What the
# programs say of themselves is one witness; the others are their sections, their symbols, the libraries they load, the
# instructions in them and the flags in their debug information.
set -uo pipefail
tree=$1
shift
export LC_ALL=C
for pair in "$@"; do
    case $pair in
    BUILD=* | OPT=* | MARCH=* | LTO=* | STRIP=* | ALLOCATOR=* | POOL=* | INTERN=* | COMPILER=*) declare "${pair%%=*}=${pair#*=}" ;;
    *) echo "verify: unknown: $pair" >&2; exit 2 ;;
    esac
done
bad=0
machine=$(uname -m)
bin=$tree/bin/actix
addon=$tree/lib/actix/addon/actix.node
map=$(dirname "$0")/../addon/exports.map
for file in "$bin" "$addon"; do
    [ -f "$file" ] || { echo "verify: $file is not built" >&2; exit 1; }
done

show() { printf '  %-12s %s\n' "$1" "$2"; }
expect() { # expect FILE FACT ASKED FOUND
    [ "$3" = "$4" ] && return
    bad=$((bad + 1))
    echo "verify: $1: $2: asked for '$3', found '$4'" >&2
}
has_section() { readelf -SW "$1" | grep -q " $2 "; }
needed() { readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
exports() { nm -D --defined-only "$1" | awk '$2 != "w" { print $NF }' | sed 's/@.*//' | sort; }
imports() { nm -D --undefined-only "$1" | awk '{ print $NF }' | sed 's/@.*//'; }

sizes() {
    local text data bss rest
    read -r text data bss rest < <(size "$1" | tail -n 1)
    show size "$(stat -c %s "$1") bytes (text $text, data $data, bss $bss)"
}

# The addon exports what Node looks for; the program nothing but what the linker copies from libraries (stdout).
symbols() {
    local found taken allowed=
    found=$(exports "$1" | grep -vE '^(__gcov|__llvm_profile|__asan|__tsan|__ubsan|__sanitizer)')
    taken=$(imports "$1" | grep -c '^llhttp_')
    show exports "$(grep -c . <<< "$found")${found:+: $(echo $found)}"
    expect "$1" "llhttp_ taken from elsewhere" 0 "$taken"
    expect "$1" "llhttp_ exported" 0 "$(grep -c '^llhttp_' <<< "$found")"
    expect "$1" "malloc or free defined" 0 "$(grep -cxE 'malloc|calloc|realloc|free' <<< "$found")"
    [ "$1" = "$addon" ] || return 0
    allowed=$(sed -n 's/^ *global: *//p' "$map" | tr ';' '\n' | tr -d ' ' | grep . | sort)
    expect "$1" "exported symbols" "$(echo $allowed)" "$(echo $found)"
}

strip_state() {
    local found=off debug=$tree/debug/${1##*/}.debug
    has_section "$1" .symtab || found=on
    expect "$1" STRIP "$STRIP" "$found"
    if [ "$found" = on ]; then
        show symbols "in $debug"
        expect "$1" "separate symbols" "of the same build" "$(
            [ "$(readelf -n "$1" | grep 'Build ID')" = "$(readelf -n "$debug" 2> /dev/null | grep 'Build ID')" ] && echo 'of the same build' || echo missing)"
    else
        show symbols inside
    fi
}

# One line for each set of flags that something in it was compiled with.
producers() {
    local file=$1
    has_section "$file" .debug_str || file=$tree/debug/${1##*/}.debug
    readelf -p .debug_str "$file" 2> /dev/null | sed -n 's/^ *\[ *[0-9a-f]*\] *\(.*\)/\1/p' | grep -E '^GNU (C[0-9]+|GIMPLE) |clang version '
}

flags() {
    local all line first level lto=off pgo=off march
    all=$(producers "$1")
    first=$(grep -m1 -E 'GNU C[0-9]|clang' <<< "$all")
    [ -n "$first" ] || { expect "$1" "flags in the debug information" some none; return; }
    show flags "$(grep -oE '^GNU [^ ]+ [^ ]+|clang version [^ ]+| -(O[^ ]*|f[^ ]+|march=[^ ]+|std=[^ ]+|g)' <<< "$first" | tr -d '\n')"
    [ -z "${COMPILER:-}" ] || expect "$1" compiler "$COMPILER" "$(case $first in GNU*) echo gcc ;; *) echo clang ;; esac)"
    while read -r level; do
        expect "$1" OPT "$OPT" "$level"
    done <<< "$(grep -v GIMPLE <<< "$all" | while read -r line; do
        level=$(grep -oE '(^| )-O[0-9sg]*' <<< "$line" | tail -n 1 | tr -d ' ')
        echo "${level:--O0}"
    done | sort -u)"
    case $all in *" -flto"*) lto=on ;; esac
    # gcc compiles once more while it links, and signs that.
    case $first in GNU*) grep -q '^GNU GIMPLE' <<< "$all" || lto=off ;; esac
    expect "$1" LTO "$LTO" "$lto"
    case $all in *" -fprofile-use"* | *" -fprofile-instr-use"*) pgo=on ;; esac
    expect "$1" "profile-guided" "$([ "$BUILD" = pgo ] && echo on || echo off)" "$pgo"
    [ "$machine" = x86_64 ] || return 0
    march=$(grep -oE ' -march=[^ ]+' <<< "$first" | tail -n 1 | cut -d= -f2)
    case ${march:-x86-64} in
    x86-64) march=portable ;;
    x86-64-v*) ;;
    *) march=native ;;
    esac
    expect "$1" "MARCH in the flags" "$MARCH" "$march"
}

# Instructions that came with x86-64-v3 (AVX, BMI): a portable program must run without them.
instructions() {
    [ "$machine" = x86_64 ] || return 0
    local n
    n=$(objdump -d --no-show-raw-insn "$1" | awk '$2 ~ /^(v[a-z0-9]+|shlx|sarx|shrx|mulx|andn|bzhi|rorx|blsr|blsi|pdep|pext)$/ && $2 !~ /^ver[rw]$/' | wc -l)
    show instructions "$n of x86-64-v3 or later"
    case $MARCH in
    portable | x86-64-v2) expect "$1" "MARCH by its instructions (of v3)" 0 "$n" ;;
    x86-64-v3) expect "$1" "MARCH by its instructions (of v3)" some "$([ "$n" -gt 0 ] && echo some || echo none)" ;;
    esac
}

# Which library the program loads, and that libc stands before it: malloc then stays libc's.
allocator_of_program() {
    local found=default order
    order=$(needed "$bin" | grep -oE '^(libc|libjemalloc|libmimalloc)\.' | tr -d . | tr '\n' ' ')
    case $order in *jemalloc*) found=jemalloc ;; *mimalloc*) found=mimalloc ;; esac
    expect "$bin" "ALLOCATOR by the libraries it needs" "$ALLOCATOR" "$found"
    [ "$found" = default ] || expect "$bin" "order of libraries" "libc lib$found " "$order"
    [ "$found" != mimalloc ] || expect "$bin" "mi_malloc imported" 1 "$(imports "$bin" | grep -cx mi_malloc)"
    local elsewhere
    elsewhere=$(LD_DEBUG=bindings LD_BIND_NOW=1 "$bin" --version 2>&1 > /dev/null | grep -E "symbol .(malloc|free)'" | grep -vcE 'to [^ ]*/libc\.so\.6 ')
    case $BUILD in asan | tsan) ;; *) expect "$bin" "malloc and free bound elsewhere than to libc" 0 "$elsewhere" ;; esac
}

# name=value lines of the facts that are compiled in, and what is mapped into the process that tells them.
ask_addon='
const facts = require(process.env.ADDON).build();
const maps = require("node:fs").readFileSync("/proc/self/maps", "latin1");
for (const [k, v] of Object.entries(facts)) if (!process.env.SHORT) console.log(`${k}=${v}`);
console.log(`mapped=${["jemalloc", "mimalloc"].find((n) => maps.includes(`/lib${n}.so`)) ?? "default"}`);
console.log(`serves=${facts.allocator}`);
'
ask_worker='new (require("node:worker_threads").Worker)(process.env.ASK, { eval: true })'

said() { # said FILE FACTS: what it says of itself is what was asked for
    local fact
    for fact in kind=$BUILD opt=$OPT march=$MARCH lto=$LTO strip=$STRIP ${POOL:+pool=$POOL} ${INTERN:+intern=$INTERN}; do
        expect "$1" "its own word for ${fact%%=*}" "${fact#*=}" "$(sed -n "s/^${fact%%=*}=//p" <<< "$2")"
    done
}

about_program() {
    local facts
    facts=$("$bin" version --json | node -e '
        const { build } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
        for (const [k, v] of Object.entries(build)) console.log(`${k}=${v}`);')
    said "$bin" "$facts"
    show allocator "$(sed -n 's/^allocator=//p; s/^allocator_version=//p' <<< "$facts" | paste -sd' ')"
    expect "$bin" "its own word for the allocator" "$ALLOCATOR" "$(sed -n 's/^allocator=//p' <<< "$facts")"
    allocator_of_program
}

# In a Node as `actix serve` starts it, in a plain one, and in a worker thread of each.
about_addon() {
    case $BUILD in asan | tsan) show allocator "not asked: a plain Node does not load a sanitizer"; return ;; esac
    local facts plain path
    path=$(readlink -f "$addon")
    facts=$(ADDON=$path GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096 node -e "$ask_addon")
    said "$addon" "$facts"
    show allocator "$(sed -n 's/^allocator=//p; s/^allocator_version=//p' <<< "$facts" | paste -sd' ')"
    expect "$addon" "the allocator it uses" "$ALLOCATOR" "$(sed -n 's/^serves=//p' <<< "$facts")"
    expect "$addon" "the allocator in its process" "$ALLOCATOR" "$(sed -n 's/^mapped=//p' <<< "$facts")"
    facts=$(ADDON=$path SHORT=1 ASK=$ask_addon GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096 node -e "$ask_worker")
    expect "$addon" "the allocator it uses in a worker thread" "$ALLOCATOR" "$(sed -n 's/^serves=//p' <<< "$facts")"
    plain=$(ADDON=$path SHORT=1 node -e "$ask_addon" | sed -n 's/^serves=//p')
    expect "$addon" "loads in a plain Node" yes "$([ -n "$plain" ] && echo yes || echo no)"
    facts=$(ADDON=$path SHORT=1 ASK=$ask_addon node -e "$ask_worker" | sed -n 's/^serves=//p')
    expect "$addon" "loads in a worker thread of a plain Node" yes "$([ -n "$facts" ] && echo yes || echo no)"
    [ "$plain" = "$ALLOCATOR" ] || show "" "$plain in a Node that \`actix serve\` has not started"
    [ "$plain" = "$ALLOCATOR" ] || [ "$ALLOCATOR" = jemalloc ] || expect "$addon" "the allocator in a plain Node" "$ALLOCATOR" "$plain"
}

echo "asked for: $*"
for file in "$bin" "$addon"; do
    echo "$file"
    sizes "$file"
    symbols "$file"
    strip_state "$file"
    flags "$file"
    instructions "$file"
    if [ "$file" = "$bin" ]; then about_program; else about_addon; fi
done
[ "$bad" -eq 0 ] || { echo "verify: $bad fact(s) are not what was asked for" >&2; exit 1; }
echo "verify: all as asked for"
