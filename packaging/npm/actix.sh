#!/bin/sh
# What npm links as `actix`: becomes the program, or says why there is none for this machine.
root=$(dirname "$(readlink -f "$0")")/..
[ -x "$root/bin/actix" ] || {
    cat "$root/npm/missing" >&2 2> /dev/null ||
        echo "actix: the package actix-js is not complete; install it again" >&2
    exit 1
}
machine=$(uname -m)
[ "$machine" = "$(cat "$root/npm/machine")" ] || {
    echo "actix: this program was built for $(cat "$root/npm/machine"), and this machine is $machine;" >&2
    echo "actix: let npm run install scripts, which compile it: npm rebuild actix-js --foreground-scripts" >&2
    exit 1
}
exec "$root/bin/actix" "$@"
