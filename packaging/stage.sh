#!/bin/sh
# stage.sh TREE ROOT deb|rpm: lays out under ROOT what a package holds, out of the built TREE (build/packages/tree).
# What the two kinds of package have in common is here; only where the shells look for completions differs.
# The times of all files are SOURCE_DATE_EPOCH, their modes do not depend on the umask.
set -eu
cd "$(dirname "$0")/.."
tree=$1 root=$2 kind=$3
actix=$tree/bin/actix

rm -rf "$root"
mkdir -p "$root"
root=$(cd "$root" && pwd)
# What the tree is a build of does not matter here: nothing is compiled.
${MAKE:-make} --no-print-directory OUT="$tree" BUILD="${BUILD:-release}" DESTDIR="$root" PREFIX=/usr install > /dev/null

for program in "$root/usr/bin/actix" "$root/usr/lib/actix/addon/actix.node"; do
    # The debug information stays at home; so does the name of the file that has it.
    strip --strip-unneeded --remove-section=.comment --remove-section=.note --remove-section=.gnu_debuglink "$program"
done

packaging/man/build.sh "$actix" "$root/usr/share/man"
find "$root/usr/share/man" -type f -exec gzip -9n {} +

packaging/completions/build.sh "$actix" "$root/completions"
case $kind in
deb) zsh=usr/share/zsh/vendor-completions ;;
rpm) zsh=usr/share/zsh/site-functions ;;
esac
install -D -m 644 "$root/completions/actix" "$root/usr/share/bash-completion/completions/actix"
install -D -m 644 "$root/completions/_actix" "$root/$zsh/_actix"
install -D -m 644 "$root/completions/actix.fish" "$root/usr/share/fish/vendor_completions.d/actix.fish"
rm -r "$root/completions"

units=usr/lib/systemd/system
[ "$kind" = rpm ] || units=lib/systemd/system
for unit in packaging/systemd/*.service packaging/systemd/*.socket packaging/systemd/*.target; do
    [ ! -f "$unit" ] || install -D -m 644 "$unit" "$root/$units/$(basename "$unit")"
done
# For systemd 253 and later, where somebody wants it: not in force by itself.
install -D -m 644 'packaging/systemd/actix@.service.d/notify-reload.conf' "$root/usr/share/doc/actix/examples/notify-reload.conf"
install -D -m 644 packaging/systemd/actix.sysusers "$root/usr/lib/sysusers.d/actix.conf"
install -D -m 644 packaging/systemd/actix.tmpfiles "$root/usr/lib/tmpfiles.d/actix.conf"
install -D -m 644 packaging/logrotate/actix "$root/etc/logrotate.d/actix"
mkdir -p "$root/etc/actix" "$root/var/lib/actix"

chmod -R u=rwX,go=rX "$root"
find "$root" -type f -exec chmod 644 {} +
chmod 755 "$root/usr/bin/actix"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
