#!/bin/bash
# container-test.sh: runs each step of packaging/Dockerfile in a chroot, since an engine may not be at hand, then the image
# that comes of it, with actix as process 1 of its own namespaces.  Reads the Dockerfile itself: the two cannot disagree.
# BASE=DIR: a debootstrap of Debian 12 (minbase) to start from, instead of making one.
set -euo pipefail
cd "$(dirname "$0")/.."
skip() { echo "container-test: skipped: $*"; exit 0; }
fail() {
    echo "container-test: $*" >&2
    [ ! -s "$work/log" ] || cat "$work/log" >&2
    exit 1
}
[ "$(id -u)" -eq 0 ] || skip "it needs root"
for tool in debootstrap unshare nsenter ip ps curl node; do
    command -v $tool > /dev/null || skip "there is no $tool here"
done
unshare --mount --pid --net --fork true 2> /dev/null || skip "this machine gives no namespaces"

work=$(mktemp -d "${TMPDIR:-/tmp}/actix-container-XXXXXX")
outer=
# unshare's promise to kill its child does not outlive the change of the user.
finish() {
    # shellcheck disable=SC2046 # several numbers
    [ -z "$outer" ] || kill -KILL $(cat "/proc/$outer/task/$outer/children") "$outer" 2> /dev/null || true
    rm -rf --one-file-system "$work"
}
trap finish EXIT

# ---- the image

base() {
    [ -z "${BASE:-}" ] || return 0
    BASE=$work/base
    debootstrap --variant=minbase bookworm "$BASE" > "$work/log" 2>&1 || fail "debootstrap failed"
}

# inside NAMESPACES USER COMMAND...: in the stage's folder, with its environment; COMMAND is process 1 there.  `replace=exec`
# makes the calling shell into what waits for it.
inside() {
    # shellcheck disable=SC2016,SC2086 # the inner shell's own parameters; there may be no further namespace
    ${replace:-} unshare --mount --pid $1 --fork --kill-child=KILL bash -c '
        dir=$1 user=$2 cwd=$3
        shift 3
        ! ip link show dev lo | grep -q "state DOWN" || ip link set lo up
        mount -t proc proc "$dir/proc"
        exec chroot --userspec="$user" "$dir" /usr/bin/env -i -C "$cwd" "$@"' \
        inside "$dir" "$2" "$cwd" "${env[@]}" "${args[@]}" "${@:3}"
}

words() { # words JSON_ARRAY: sets `list`
    mapfile -d '' -t list < <(node -e 'for (const w of JSON.parse(process.argv[1])) process.stdout.write(w + "\0")' "$1")
}

# Where a path of the image is here; a relative one is below WORKDIR.
in_stage() { case $1 in /*) echo "$dir$1" ;; *) echo "$dir$cwd/$1" ;; esac; }

from() { # IMAGE [AS NAME]
    [ "$1" = debian:12-slim ] || fail "FROM $1: only debian:12-slim is known here"
    dir=$work/${3:-image} cwd=/ user=0:0 args=()
    env=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
    cp -a "$BASE" "$dir"
}

copy() { # [--from=STAGE] FROM TO
    local to
    to=$(in_stage "${*: -1}")
    mkdir -p "$to"
    case $1 in
    --from=*) cp -a "$work/${1#--from=}$2/." "$to" ;;
    .) tar -c --exclude-from=<(sed 's,^,./,' .dockerignore) --anchored . | tar -x -C "$to" --no-same-owner ;;
    *) fail "COPY $*: not known here" ;;
    esac
}

settings() { # NAME=VALUE...: sets `list`
    mapfile -t list < <(xargs -n 1 <<< "$*")
}

instruction() { # KEYWORD REST
    echo "== $1 $2"
    # shellcheck disable=SC2086 # several words
    case $1 in
    FROM) from $2 ;;
    ARG) settings "$2" && args+=("${list[@]}") ;;
    ENV) settings "$2" && env+=("${list[@]}") ;;
    WORKDIR) cwd=$2 && mkdir -p "$dir$cwd" ;;
    COPY) copy $2 ;;
    RUN) inside "" "$user" /bin/sh -c "$2" > "$work/log" 2>&1 || fail "RUN $2: failed" ;;
    USER) user=$2 ;;
    EXPOSE) port=$2 ;;
    STOPSIGNAL) stop=$2 ;;
    HEALTHCHECK) health=${2#*CMD } ;;
    ENTRYPOINT) words "$2" && command=("${list[@]}") ;;
    CMD) words "$2" && command+=("${list[@]}") ;;
    *) fail "$1: this instruction is not known here" ;;
    esac
}

# One instruction a line, without comments and continued lines.
instructions() {
    sed -e '/^[[:space:]]*#/d' -e '/^[[:space:]]*$/d' packaging/Dockerfile | sed -e ':a' -e '/\\$/{N;s/\\\n[[:space:]]*//;ba' -e '}'
}

dir='' cwd='' user='' port='' stop='' health=''
env=() args=() command=() list=()
base
while read -r keyword rest <&9; do
    instruction "$keyword" "$rest"
done 9< <(instructions)
: > "$work/log"
args=() # of the steps alone
echo "image: $(du -sh --one-file-system "$dir" | cut -f 1) on disk, $(du -sh --one-file-system "$BASE" | cut -f 1) of it Debian's base"

# ---- an app, as `COPY . /app` puts it there: root's, and actix only reads it

cat > "$dir/app/actix.yaml" << END
version: 1
server: { listen: $port, workers: 2 }
routes:
  /: home.js
  /slow: slow.js
  /orphan: orphan.js
END
echo "module.exports = () => 'home ' + process.getuid();" > "$dir/app/home.js"
echo "module.exports = () => new Promise((done) => setTimeout(done, 1500, 'slow'));" > "$dir/app/slow.js"
cat > "$dir/app/orphan.js" << 'END'
const { execFileSync } = require('node:child_process');
// sh ends at once, and leaves two children behind: of this process group, and of a session of their own
module.exports = () => execFileSync('sh', ['-c', '(sleep 2 & setsid sleep 2 &) > /dev/null 2>&1; echo left'], { encoding: 'utf8' });
END

until_true() { # until_true SECONDS COMMAND...
    local end=$((SECONDS + $1))
    until "${@:2}"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}
# From within: another process of the same container.
enter() { nsenter -t "$pid" -m -p -n chroot --userspec="$user" "$dir" /usr/bin/env -i -C "$cwd" "${env[@]}" "$@"; }
healthy() { enter /bin/sh -c "$health"; }
fetch() { nsenter -t "$pid" -n curl -sS --max-time 10 "http://$1:$port$2"; }
children() { ps --ppid "$pid" -o stat=,comm= | awk -v like="$1" '$0 ~ like { print; n++ } END { exit !n }'; }
inflight() { enter actix status --json | grep -q '"inflight":1'; }
said() { grep -q "$1" "$work/log"; }

echo "== HEALTHCHECK without a server"
status=0
inside "" "$user" /bin/sh -c "$health" || status=$?
[ $status -eq 1 ] || fail "the health check exits with $status where nothing runs"

echo "== ${command[*]}"
replace="exec" inside --net "$user" "${command[@]}" > "$work/log" 2>&1 &
outer=$!
until_true 60 said '^listening on ' || fail "does not listen"
pid=$(cat "/proc/$outer/task/$outer/children")
pid=${pid%% *}
grep -q "^NSpid:.*[[:space:]]1$" "/proc/$pid/status" || fail "actix is not process 1 of its namespace"
said 'all other addresses, since this is a container' || fail "does not say that it listens on all addresses"
[ "$(fetch 127.0.0.1 /)" = 'home 10001' ] || fail "the wrong answer, or as the wrong user"
[ "$(fetch 127.0.0.2 /)" = 'home 10001' ] || fail "listens on one address only"
for p in $pid $(cat "/proc/$pid/task/$pid/children"); do
    grep -q "^Uid:[[:space:]]10001[[:space:]]10001[[:space:]]10001" "/proc/$p/status" || fail "process $p is not the user's"
done
until_true 10 healthy || fail "the health check does not say that it is healthy"

echo "== orphans"
[ "$(fetch 127.0.0.1 /orphan)" = left ] || fail "the handler did not start its children"
until_true 5 children sleep > /dev/null || fail "no orphan came to process 1"
gone() { ! children sleep > /dev/null && ! children '^Z' > /dev/null; }
until_true 10 gone || fail "orphans are not reaped: $(children .)"

echo "== $stop, while a request runs"
fetch 127.0.0.1 /slow > "$work/slow" &
slow=$!
until_true 10 inflight || fail "the slow request does not run"
kill -s "$stop" "$pid"
wait $slow || fail "the request that was running got no answer"
[ "$(cat "$work/slow")" = slow ] || fail "the request that was running got: $(cat "$work/slow")"
status=0
wait $outer || status=$?
outer=
[ $status -eq 0 ] || fail "ended with $status when it was stopped"
echo "container-test: every step ran; served as user 10001 on all addresses, healthy and not, orphans reaped, drained by $stop"
