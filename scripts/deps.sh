#!/bin/sh
# deps.sh [build] [test] [lint] [packages] [machines] [browser] [jemalloc] [mimalloc]: installs what is missing, by apt-get and npm, and says what it does.
# Each thing is asked for itself (a compiler, a library, a header), not for its Debian package, so that what came from
# elsewhere counts too.  When nothing is missing this takes no time and needs no network.
set -u
cd "$(dirname "$0")/.." || exit 1
groups=" ${*:-build test} "
missing=
cc=${CC:-gcc}
cc=${cc%% *}

wants() { case "$groups" in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
has() { command -v "$1" > /dev/null 2>&1; }
fail() { echo "deps: $*" >&2; exit 1; }
add() { missing="$missing $*"; }
header() { echo "#include <$1>" | "$cc" -E -x c - > /dev/null 2>&1; }
library() { pkg-config --exists "$1" 2> /dev/null || add "$2"; } # pkg-config's name, Debian's package

node_is_new_enough() {
    has node && node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 18 || (+a === 18 && +b >= 19) ? 0 : 1)'
}

node_headers() {
    [ -f node_modules/node-api-headers/include/node_api.h ] && return 0
    has node && [ -f "$(node -p 'require("path").resolve(process.execPath, "../../include/node/node_api.h")')" ]
}

# gcc, clang-14 …: the commands are named as the packages are.
compiler() {
    has "$cc" && return
    case "$cc" in
    cc) add gcc libc6-dev ;;
    gcc | gcc-[0-9]* | clang | clang-[0-9]*) add "$cc" libc6-dev ;;
    *) fail "CC=$cc: there is no such compiler here" ;;
    esac
}

# gcc brings what the sanitizers need at run time, clang recommends it.
sanitizers() {
    case "$cc" in *clang*) ;; *) return 0 ;; esac
    echo 'int main(void) { return 0; }' | "$cc" -fsanitize=address -x c - -o /dev/null 2> /dev/null && return
    case "$cc" in *clang-*) add "libclang-rt-${cc##*-}-dev" ;; *) add libclang-rt-dev ;; esac
}

find_missing() {
    missing=
    compiler
    has make || add make
    if has pkg-config; then
        library libuv libuv1-dev
        library yaml-0.1 libyaml-dev
        library sqlite3 libsqlite3-dev
        library jansson libjansson-dev
        library smartcols libsmartcols-dev
    else
        add pkg-config libuv1-dev libyaml-dev libsqlite3-dev libjansson-dev libsmartcols-dev
    fi
    [ -f /usr/share/llhttp/llhttp.c ] || add node-llhttp
    # Only their headers: the libraries are opened by the policies that need them.
    header openssl/evp.h || add libssl-dev
    header crypt.h || add libcrypt-dev
    header zlib.h || add zlib1g-dev
    header brotli/encode.h || add libbrotli-dev
    node_is_new_enough || add nodejs
    has curl || add curl ca-certificates
    # npm brings the headers with the rest; without npm they come from Debian.
    node_headers || wants test || has npm || add libnode-dev
    if wants test; then
        sanitizers
        [ -f /usr/include/cmocka.h ] || pkg-config --exists cmocka 2> /dev/null || add libcmocka-dev
        has npm || add npm
        has sqlite3 || add sqlite3 # the chaos tests look at the database with it
    fi
    # An allocator only when it was asked for.
    if wants jemalloc; then header jemalloc/jemalloc.h || add libjemalloc-dev; fi
    if wants mimalloc; then header mimalloc.h || add libmimalloc-dev; fi
    if wants lint; then
        has clang-format || add clang-format
        has clang-tidy || add clang-tidy
        has cppcheck || add cppcheck
        has nm || add binutils
    fi
    # To build the packages, to judge them, and to try what they bring.
    if wants packages; then
        for tool in dpkg-deb:dpkg dpkg-shlibdeps:dpkg-dev rpmbuild:rpm rpmlint lintian shellcheck man:man-db groff:groff \
            debootstrap fakeroot zsh fish; do
            has "${tool%%:*}" || add "${tool#*:}"
        done
    fi
    # A client with a screen.
    if wants browser; then has chromium || has chromium-browser || has google-chrome || add chromium; fi
    # Several machines behind a balancer, on one.
    if wants machines; then
        has haproxy || add haproxy
        has ip || add iproute2
        python3 -c 'import yaml' 2> /dev/null || add python3-yaml
    fi
}

install_packages() {
    set -- apt-get install -y -q --no-install-recommends $missing
    has apt-get || fail "missing:$missing (Debian's names); there is no apt-get here to install them"
    root=
    if [ "$(id -u)" -ne 0 ]; then
        has sudo || fail "missing:$missing; run as root: apt-get update && $*"
        root=sudo
    fi
    echo "deps: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    $root apt-get update -q || echo "deps: apt-get update failed; going on with the lists there are" >&2
    $root env DEBIAN_FRONTEND=noninteractive "$@" || fail "apt-get could not install:$missing"
}

# The lock file names the versions; npm's own copy of it in node_modules tells whether they are there.
modules_are_there() {
    for module in typescript @types/node node-api-headers; do
        [ -f "node_modules/$module/package.json" ] || return 1
    done
}

install_modules() {
    has npm || fail "npm is missing"
    echo "deps: installing node_modules (npm ci)"
    npm ci --no-audit --no-fund --loglevel=error || fail "npm ci failed"
}

find_missing
if [ -n "$missing" ]; then
    install_packages
    find_missing
    [ -z "$missing" ] || fail "still missing after apt-get:$missing$(has node && ! node_is_new_enough && echo "; node here is $(node -v), 18.19 or later is needed")"
fi
if wants test; then
    modules_are_there || install_modules
elif ! node_headers; then
    install_modules
fi
node_headers || fail "node_api.h is missing: install libnode-dev, or run npm ci"
