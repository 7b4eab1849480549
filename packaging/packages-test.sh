#!/bin/bash
# packages-test.sh: what `make packages-test` runs.  Builds both packages twice in different folders (the bits must be the
# same), asks lintian and rpmlint, and uses each in a clean Debian 12 with nothing but the base and nodejs: install, make an
# app, serve, a request, stats, stop, remove, purge; nothing may be left.  Then a newcomer follows the pages, and apps run as
# units of a real systemd, through an upgrade and a downgrade under load (packaging/systemd-test.sh).  And README's first
# command, in a clone.  Needs root, debootstrap and apt's network; the base is kept in ${XDG_CACHE_HOME:-~/.cache}/actix.
# ACTIX_DEB=FILE [ACTIX_DEB_NEXT=FILE] ACTIX_RPM=FILE: try these and build nothing.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
make=${MAKE:-make}
arch=$(dpkg --print-architecture)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/actix
base=$cache/debian-12-$arch-nodejs.tar
passed=0 failed=0

[ "$(id -u)" -eq 0 ] || { echo "packages-test: skipped, it needs root for its chroots"; exit 0; }
command -v debootstrap > /dev/null || { echo "packages-test: skipped, there is no debootstrap here"; exit 0; }
unshare --mount --pid --fork true 2> /dev/null || { echo "packages-test: skipped, no namespaces may be made here"; exit 0; }

dir=$(mktemp -d "${TMPDIR:-/tmp}/actix-packages-XXXXXX")
trap 'rm -rf --one-file-system "$dir"' EXIT

# check WHAT COMMAND...: counts, and shows what a failure printed.
check() {
    local what=$1 from=$SECONDS
    shift
    if "$@" > "$dir/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $what ($((SECONDS - from)) s)"
    else
        failed=$((failed + 1))
        echo "FAIL $what"
        tail -n 40 "$dir/log"
        return 1
    fi
}

# A process tree of its own, whose end nothing outlives.
inside() { # inside ROOT COMMAND...
    local root=$1
    shift
    # shellcheck disable=SC2016 # for the shell inside
    unshare --mount --pid --fork --kill-child sh -c '
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && root=$1 && shift &&
        exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"' \
        - "$root" "$@"
}

make_base() {
    [ ! -f "$base" ] || return 0
    mkdir -p "$cache" "$dir/base" || return
    debootstrap --variant=minbase --include=nodejs bookworm "$dir/base" || return
    tar -C "$dir/base" -cf "$base.new" . && mv "$base.new" "$base" && rm -rf --one-file-system "$dir/base"
}

fresh() { # fresh ROOT
    mkdir -p "$1" && tar -C "$1" -xf "$base" && cp /etc/resolv.conf "$1/etc/resolv.conf" && inside "$1" apt-get update -q
}

# The files there are, but for what apt and dpkg write down about their work; and the users.
inventory() { # inventory ROOT
    (cd "$1" && find . -xdev \( -path ./proc -o -path ./run -o -path ./dev -o -path ./tmp -o -path ./var/lib/apt -o -path ./var/cache -o -path ./var/log \
        -o -path ./var/lib/rpm -o -path ./var/lib/dpkg \) -prune -o -print) | grep -vE '^\./etc/(passwd|group|shadow|gshadow|subuid|subgid)-$' | sort
    find "$1/var/lib/dpkg" -name 'actix*'
    cut -d: -f1 "$1/etc/passwd" "$1/etc/group" | sed 's/^/user or group /'
}

cat > "$dir/use.sh" << 'END'
# What a newcomer does.  Node asks, as the base has no curl.
set -eux
actix version
mkdir /root/work
cd /root/work
actix new shop
cd shop
actix check
actix serve --port 0 --daemon
url=$(actix status --json | node -p 'JSON.parse(require("fs").readFileSync(0)).addresses[0]')
node -e 'fetch(process.argv[1]).then(async (r) => { if (r.status !== 200) throw r.status; console.log(await r.text()); })' "$url"
actix stats --json | node -e 'const s = JSON.parse(require("fs").readFileSync(0)); if (s.total.requests !== 1) throw new Error(JSON.stringify(s.total))'
actix stats
actix stop
test -f /usr/share/man/man1/actix.1.gz -a -f /usr/share/man/man5/actix.yaml.5.gz -a -f /etc/logrotate.d/actix
test -d /etc/actix -a -d /var/lib/actix
id actix
test "$(stat -c %U /var/lib/actix)" = actix
cd /
rm -r /root/work
END

lint_deb() { lintian --allow-root --fail-on error,warning "$deb"; }
lint_scripts() {
    find . \( -name .git -o -name build -o -name node_modules \) -prune -o -type f -print0 |
        xargs -0 awk 'FNR == 1 && /^#! ?\/(usr\/)?bin\/(env )?(ba)?sh/ { printf "%s%c", FILENAME, 0 } { nextfile }' |
        xargs -0 shellcheck -x -S warning
}
lint_rpm() {
    local out
    out=$(rpmlint --config packaging/rpm/rpmlint.toml packaging/rpm/actix.spec "$rpm" 2>&1)
    echo "$out"
    grep -qE '[1-9][0-9]* packages? and 1 specfiles? checked; 0 errors, 0 warnings' <<< "$out"
}

same_twice() { # the commit, built in two folders of different names
    local at commit epoch
    commit=$(git rev-parse HEAD) && epoch=$(git log -1 --format=%ct "$commit") || return
    for at in one another-folder; do
        mkdir -p "$dir/$at" && git archive "$commit" | tar -x -C "$dir/$at" || return
        [ ! -d node_modules ] || ln -s "$PWD/node_modules" "$dir/$at/node_modules"
        (cd "$dir/$at" && SOURCE_DATE_EPOCH=$epoch $make deb rpm) || return
    done
    (cd "$dir/one/build/packages" && sha256sum ./*.deb ./*.rpm) | (cd "$dir/another-folder/build/packages" && sha256sum -c)
}

# It differs from the deb by its version alone.
next_version() {
    local version
    version=$(cat VERSION)+next
    (cd "$dir/one" && $make OUT=build/next VERSION="$version" deb) && next=$(find "$dir/one/build/next" -name '*.deb')
}

# The packaged program runs here as well: its pages by man, its completions in the shells, its units by systemd-analyze.
judged_deb() {
    local tests=(tests/integration/man.test.js tests/integration/completion.test.js tests/integration/systemd.test.js)
    ACTIX=$root/usr/bin/actix ACTIX_ADDON=$root/usr/lib/actix/addon node --test "${tests[@]}"
}

# README's first command, with what it installs: the commit, cloned.
from_clone() {
    git clone -q --bare . "$root/repository" || return
    # shellcheck disable=SC2016 # for the shell inside
    inside "$root" sh -euc '
        apt-get install -y -q --no-install-recommends make git
        cd /root
        start=$(date +%s)
        git clone -q /repository actix
        cd actix
        make demo
        echo "from git clone to the answers of make demo: $(($(date +%s) - start)) s"'
}

under_systemd() { ACTIX_DEB=$deb ACTIX_DEB_NEXT=$next packaging/systemd-test.sh; }

installed_deb() {
    cp "$deb" "$root/tmp/actix.deb"
    inside "$root" apt-get install -y -q --no-install-recommends /tmp/actix.deb
}

removed_deb() {
    mkdir -p "$root/var/lib/actix/shop" && echo kept > "$root/var/lib/actix/shop/file"
    inside "$root" apt-get remove -y -q actix || return
    # The configuration and the data stay until the purge.
    [ ! -e "$root/usr/bin/actix" ] && [ -e "$root/etc/logrotate.d/actix" ] && [ -e "$root/var/lib/actix/shop/file" ]
}

purged_deb() {
    inside "$root" apt-get purge -y -q actix || return
    inside "$root" apt-get autoremove -y -q --purge || return
    rm -f "$root/tmp/actix.deb"
    diff <(echo "$before") <(inventory "$root")
}

# As alien as a scratch root can be: the base has no rpm, so the one outside writes into it; what the package requires is there.
libraries_rpm() { inside "$root" apt-get install -y -q --no-install-recommends libuv1 libyaml-0-2 libjansson4 libsqlite3-0 libsmartcols1; }
rpm_in() { rpm --root "$root" --dbpath /var/lib/rpm "$@"; }
installed_rpm() { rpm_in --initdb && rpm_in --nodeps -i "$rpm" && rpm_in -V --nodeps actix; }
removed_rpm() {
    rpm_in --nodeps -e actix || return
    # As everywhere in Fedora, the user stays: files of its may be anywhere.
    inside "$root" userdel actix || return
    rm -rf "$root/var/lib/rpm"
    diff <(echo "$before") <(inventory "$root")
}

deb=${ACTIX_DEB:-} rpm=${ACTIX_RPM:-} next=${ACTIX_DEB_NEXT:-} clone=
check "shellcheck" lint_scripts
if [ -z "$deb$rpm" ]; then
    check "both packages are the same bits from two folders" same_twice
    deb=$(find "$dir/one/build/packages" -name '*.deb') rpm=$(find "$dir/one/build/packages" -name '*.rpm')
    check "the deb of the next version" next_version
    clone=yes
fi
check "a base of Debian 12 with nodejs" make_base || exit 1

root=$dir/clone-root
if [ -n "$clone" ] && check "a clean chroot" fresh "$root"; then
    check "git clone, make demo" from_clone && grep '^from git clone' "$dir/log"
fi

if [ -n "$deb" ]; then
    echo "$(basename "$deb"): $(($(stat -c %s "$deb") / 1024)) KiB, installed $(dpkg-deb -f "$deb" Installed-Size) KiB"
    check "lintian" lint_deb
    root=$dir/deb-root
    if check "deb: a clean chroot" fresh "$root"; then
        before=$(inventory "$root")
        check "deb: install" installed_deb &&
            check "deb: new, check, serve, a request, stats, stop" inside "$root" sh -c "$(cat "$dir/use.sh")" &&
            check "deb: manual pages, completions in bash, zsh and fish, units" judged_deb &&
            check "deb: install over itself" inside "$root" dpkg -i /tmp/actix.deb
        check "deb: remove" removed_deb
        check "deb: purge leaves nothing" purged_deb
    fi
    check "deb: README and getting started, as a newcomer follows them" tests/docs/newcomer.sh "$deb" && grep '^newcomer:' "$dir/log"
    if [ -n "$next" ]; then
        check "deb: units of a real systemd; upgrade and downgrade under load" under_systemd &&
            grep -E '^systemd-test:|^ +(requests|failed requests|keep-alive|counted)' "$dir/log"
    fi
fi

if [ -n "$rpm" ]; then
    rpm=$(realpath "$rpm")
    echo "$(basename "$rpm"): $(($(stat -c %s "$rpm") / 1024)) KiB, installed $(($(rpm -qp --qf '%{LONGSIZE}' "$rpm") / 1024)) KiB"
    check "rpmlint" lint_rpm
    root=$dir/rpm-root
    if check "rpm: a clean root with the libraries" fresh "$root" && check "rpm: libraries" libraries_rpm; then
        mkdir -p "$root/usr/lib/sysusers.d" "$root/usr/share/licenses" # of Fedora's base
        before=$(inventory "$root")
        check "rpm: install" installed_rpm &&
            check "rpm: new, check, serve, a request, stats, stop" inside "$root" sh -c "$(cat "$dir/use.sh")"
        check "rpm: remove leaves nothing" removed_rpm
    fi
fi

echo "packages: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
