#!/bin/sh
# build.sh TREE OUT: packs the built TREE as OUT/actix-VERSION-1.ARCH.rpm.  VERSION: of the tree, where it is not that of the file.
set -eu
cd "$(dirname "$0")/../.."
tree=$1 out=$2
version=${VERSION:-$(cat VERSION)}
: "${SOURCE_DATE_EPOCH:?}"

umask 022
mkdir -p "$out"
out=$(cd "$out" && pwd)
stage=$out/rpm
packaging/stage.sh "$tree" "$stage" rpm
install -d "$stage/usr/share/licenses/actix"
mv "$stage/usr/share/doc/actix/LICENSE" "$stage/usr/share/licenses/actix/LICENSE"
find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

top=$(mktemp -d "${TMPDIR:-/tmp}/actix-rpm-XXXXXX")
trap 'rm -rf "$top" "$stage"' EXIT
rpmbuild -bb --quiet --define "_topdir $top" --define "_rpmdir $out" --define "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm" \
    --define "stage $stage" --define "app_version $version" --define "_sharedstatedir /var/lib" packaging/rpm/actix.spec
package=$out/actix-$version-1.$(rpm --eval '%{_arch}').rpm
echo "$package, $(($(stat -c %s "$package") / 1024)) KiB"
