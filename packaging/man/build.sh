#!/bin/sh
# build.sh ACTIX DIR: writes the manual pages into DIR/man1 and DIR/man5.  The program makes them itself, from the tables
# that parse the command line and decode the manifest.
set -eu
actix=$1 dir=$2
mkdir -p "$dir/man1" "$dir/man5"
"$actix" help --man > "$dir/man1/actix.1"
"$actix" help --man manifest > "$dir/man5/actix.yaml.5"
for command in $("$actix" help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p'); do
    "$actix" help --man "$command" > "$dir/man1/actix-$command.1"
done
