#!/bin/bash
# lint_test.sh: shows that each rule of lint can fail.  For each one it plants a mistake in a small tree of its own and
# wants that rule to report it at its place, and to be content before.  Ends with "lint: N passed, N failed".
set -uo pipefail
tools=$(cd "$(dirname "$0")/../scripts" && pwd)
root=$(cd "$tools/.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/actix-lint-XXXXXX")
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# A tree with nothing wrong.
fresh() {
    rm -rf "$dir/t"
    mkdir -p "$dir/t"/{server/base,server/http,server/net,server/metrics,config,addon,cli,tests/unit}
    cd "$dir/t" || exit 1
    cp "$root/.clang-format" "$root/.clang-tidy" .
    printf '#ifndef AX_BASE_A_H\n#define AX_BASE_A_H\n\nint ax_a(int n);\n\n#endif\n' > server/base/a.h
    printf '#include "base/a.h"\n\nint ax_a(int n)\n{\n    return n + 1;\n}\n' > server/base/a.c
    printf '#include "base/a.h"\n\nint ax_b(int n);\n' > server/http/b.h
    printf "'use strict';\nmodule.exports = 1;\n" > addon/a.js
    printf 'flags:\n\t@echo -Iserver -std=c11\n' > Makefile
}

# want RULE TEXT: the planted mistake makes this rule fail, and it says TEXT.
want() {
    local out
    if out=$(LINT_ROOT=$PWD "$tools/lint.sh" "$1" 2>&1); then
        echo "not found: $1: $2"
    elif ! grep -qF -- "$2" <<< "$out"; then
        printf '%s did not say "%s" but:\n%s\n' "$1" "$2" "$out"
    else
        passed=$((passed + 1))
        fresh
        return
    fi
    failed=$((failed + 1))
    fresh
}

content() { # content RULE: nothing is wrong yet
    if LINT_ROOT=$PWD "$tools/lint.sh" "$1" > "$dir/out" 2>&1; then
        passed=$((passed + 1))
    else
        echo "$1 is not content with a tree that has nothing wrong:"
        cat "$dir/out"
        failed=$((failed + 1))
    fi
}

fresh
for rule in layers banned quiet functions files magic whitespace console format js cppcheck tidy; do content "$rule"; done

# ---- layers: arrows down only, and each third-party header in its home
for pair in base:http http:net metrics:http config:http net:config; do
    from=server/${pair%:*}
    [ "${pair%:*}" != config ] || from=config
    echo "#include \"${pair#*:}/b.h\"" > "$from/x.c"
    want layers "$from/x.c:1: layers: ${pair%:*} must not include \"${pair#*:}/b.h\""
done
for pair in addon:config cli:net cli:http; do
    echo "#include \"${pair#*:}/b.h\"" > "${pair%:*}/x.c"
    want layers "${pair%:*}/x.c:1: layers: ${pair%:*} must not include"
done
for header in llhttp.h uv.h sqlite3.h yaml.h node_api.h jansson.h libsmartcols/libsmartcols.h; do
    echo "#include <$header>" > server/base/x.c
    want layers "server/base/x.c:1: layers: <$header> belongs to"
done
echo '#include <sqlite3.h>' > server/metrics/segment.c
want layers 'server/metrics/segment.c:1: layers: <sqlite3.h>'
echo '#include <uv.h>' > addon/x.c
want layers 'addon/x.c:1: layers: <uv.h>'

# ---- functions that are not called here
for call in strcpy strcat sprintf vsprintf strtok atoi atol gets alloca system popen mktemp malloc strdup longjmp; do
    printf 'int x(void)\n{\n    /* strcpy( */\n    return %s("strcat(");\n}\n' "$call" > cli/x.c
    want banned "cli/x.c:4: banned: $call()"
done
for call in printf fprintf puts perror exit; do
    printf 'int x(void)\n{\n    return %s("");\n}\n' "$call" > config/x.c
    want quiet "config/x.c:3: quiet: $call()"
done

# ---- sizes
{ printf 'int x(int n)\n{\n'; for _ in $(seq 120); do echo '    n++;'; done; printf '    return n;\n}\n'; } > cli/x.c
want functions 'cli/x.c:2: functions: a function of 123 lines'
for _ in $(seq 601); do echo 'int x(void);'; done > cli/x.h
want files 'cli/x.h:601: files: 601 lines'
for _ in $(seq 601); do echo '0;'; done > addon/b.js
want files 'addon/b.js:601: files'

# ---- the rest
printf 'enum { A_MAGIC = 0x1234abcd };\n' > cli/x.h
printf '#define B_MAGIC 0x1234ABCDu\n' > config/x.h
want magic 'B_MAGIC (config/x.h:1)'
printf 'int x; \n' > cli/x.h
want whitespace 'cli/x.h:1: whitespace: space at the end'
printf 'int x;' > cli/x.h
want whitespace 'cli/x.h:1: whitespace: no newline'
printf '\tint x;\n' > cli/x.h
want whitespace 'cli/x.h:1: whitespace: a tab'
echo 'console.log(1);' >> addon/a.js
want console 'addon/a.js:3: console'
printf 'int x( int n ) { return n; }\n' > cli/x.c
want format 'cli/x.c:1:'
echo 'const = 1;' > addon/b.js
want js 'SyntaxError'
printf 'int ax_x(int n)\n{\n    int v[2] = {n, n};\n    return v[2];\n}\n' > cli/x.c
want cppcheck 'cli/x.c:4: cppcheck: arrayIndexOutOfBounds'
printf '#include <string.h>\n\nint ax_x(const char *s)\n{\n    if (strcmp(s, "a"))\n        return 1;\n    return 0;\n}\n' > cli/x.c
want tidy 'bugprone-suspicious-string-compare'

# ---- what the addon shows: built here, in three ways
cc=${CC:-gcc}
printf 'void napi_register_module_v1(void) {}\nvoid ax_leak(void) {}\n' > x.c
export ADDON=$dir/t/x.node
$cc -shared -fPIC -o x.node x.c
want symbols 'exports ax_leak'
printf 'void llhttp_init(void);\nvoid napi_register_module_v1(void) { llhttp_init(); }\n' > x.c
$cc -shared -fPIC -o x.node x.c
want symbols 'takes llhttp_init'
printf 'int x;\n' > x.c
$cc -shared -fPIC -fvisibility=hidden -o x.node x.c
want symbols 'no entry point'
printf 'void napi_register_module_v1(void) {}\n' > x.c
$cc -shared -fPIC -o x.node x.c
content symbols

echo "lint: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
