#!/bin/sh
# build.sh TREE OUT: packs the built TREE as OUT/actix_VERSION-1_ARCH.deb with dpkg-deb alone: there is one binary package
# and nothing to configure, so debhelper would hide more than it does.  The same commit gives the same bytes.
# MAINTAINER="NAME <ADDRESS>": who answers for this package.  VERSION: of the tree, where it is not that of the file.
set -eu
cd "$(dirname "$0")/../.."
tree=$1 out=$2
name=actix
upstream=${VERSION:-$(cat VERSION)}
version=$upstream-1
arch=$(dpkg --print-architecture)
maintainer=${MAINTAINER:-actix developers <maintainers@actix.invalid>}
root=$out/deb
control=$root/DEBIAN
: "${SOURCE_DATE_EPOCH:?}"

umask 022
packaging/stage.sh "$tree" "$root" deb
doc=$root/usr/share/doc/$name

# As Debian names them.
rm "$doc/LICENSE"
mv "$doc/CHANGELOG.md" "$doc/changelog"
cp packaging/deb/copyright "$doc/copyright"
cat > "$doc/changelog.Debian" << END
$name ($version) unstable; urgency=medium

  * Release $upstream: changelog.gz tells what is new.

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
gzip -9n "$doc/changelog" "$doc/changelog.Debian"
install -D -m 644 packaging/deb/lintian-overrides "$root/usr/share/lintian/overrides/$name"

# What the two programs are linked to, as packages.
libraries() {
    dir=$(mktemp -d "${TMPDIR:-/tmp}/actix-deb-XXXXXX")
    trap 'rm -rf "$dir"' EXIT
    mkdir "$dir/debian"
    printf 'Source: %s\n\nPackage: %s\nArchitecture: any\n' "$name" "$name" > "$dir/debian/control"
    programs="$PWD/$root/usr/bin/actix $PWD/$root/usr/lib/actix/addon/actix.node"
    # shellcheck disable=SC2086 # two paths without blanks
    (cd "$dir" && dpkg-shlibdeps -O --ignore-missing-info $programs) | sed -n 's/^shlibs:Depends=//p'
}

mkdir -p "$control"
depends=$(libraries)
[ -n "$depends" ] || { echo "build.sh: dpkg-shlibdeps found no library" >&2; exit 1; }
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@MAINTAINER@/$maintainer/" -e "s/@LIBRARIES@/$depends/" \
    -e "s/@SIZE@/$(du -k -s --apparent-size --exclude=DEBIAN "$root" | cut -f 1)/" packaging/deb/control > "$control/control"
echo /etc/logrotate.d/actix > "$control/conffiles"
for script in postinst prerm postrm; do
    install -m 755 "packaging/deb/$script" "$control/$script"
done
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -print | sed 's,^\./,,' | LC_ALL=C sort | xargs md5sum) > "$control/md5sums"
sed -i '/ etc\//d' "$control/md5sums"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

package=$out/${name}_${version}_$arch.deb
dpkg-deb --root-owner-group --threads-max=1 -Zxz --build "$root" "$package" > /dev/null
rm -rf "$root"
echo "$package, $(($(stat -c %s "$package") / 1024)) KiB"
