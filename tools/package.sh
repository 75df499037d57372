#!/bin/sh
# Make build/heddle_VERSION_ARCH.deb from what was built, and have it checked by lintian if that is here.
# DEBFULLNAME and DEBEMAIL name who packages it, as for every Debian tool.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^project(heddle VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)-1
arch=$(dpkg --print-architecture)
work=build/package
root=$work/root
deb=build/heddle_${version}_$arch.deb

packager="${DEBFULLNAME:-The Heddle developers} <${DEBEMAIL:-heddle@localhost}>"
# The same commit gives the same package.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH

rm -rf "$work"
mkdir -p "$root/DEBIAN" "$work/debian"
tools/install.sh "$root" /usr
install -D -m 644 packaging/heddle.service "$root/lib/systemd/system/heddle.service"
install -D -m 640 packaging/heddle.yaml "$root/etc/heddle/heddle.yaml"
install -D -m 600 packaging/heddle.default "$root/etc/default/heddle"
doc=$root/usr/share/doc/heddle
rm "$doc/LICENSE" "$doc/heddle.yaml"
install -m 644 packaging/copyright "$doc/copyright"
gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
gzip -9nc >"$doc/changelog.Debian.gz" <<CHANGES
heddle ($version) unstable; urgency=medium

  * Built from the sources of this version; see changelog.gz.

 -- $packager  $(date -R -u -d "@$SOURCE_DATE_EPOCH")
CHANGES
chmod 644 "$doc"/changelog*
for script in postinst prerm postrm; do
    install -m 755 packaging/$script "$root/DEBIAN/$script"
done
printf '/etc/heddle/heddle.yaml\n/etc/default/heddle\n' >"$root/DEBIAN/conffiles"

# dpkg-shlibdeps reads the libraries from the binary; it wants a debian/control to stand in.
printf 'Source: heddle\n\nPackage: heddle\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O -e root/usr/bin/heddle 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
cat >"$root/DEBIAN/control" <<CONTROL
Package: heddle
Version: $version
Architecture: $arch
Maintainer: $packager
Section: net
Priority: optional
Depends: $depends, adduser, tzdata, init-system-helpers (>= 1.54)
Suggests: postgresql
Installed-Size: $(du -k -s --exclude=DEBIAN "$root" | cut -f1)
Description: self-hosted AI agents and workflows, one program
 Heddle runs workflows and AI agents that people draw in its web console. Every
 step is committed to a database, SQLite or PostgreSQL, before the next one
 starts, so that a run goes on where it was after a crash.
CONTROL
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | LC_ALL=C sort -z |
    xargs -0 md5sum >DEBIAN/md5sums)
chmod 644 "$root/DEBIAN/control" "$root/DEBIAN/conffiles" "$root/DEBIAN/md5sums"
dpkg-deb --root-owner-group -Zxz --build "$root" "$deb" >/dev/null

if command -v lintian >/dev/null; then
    lintian --allow-root --fail-on error,warning --suppress-tags-from-file packaging/lintian.txt "$deb"
fi
if command -v systemd-analyze >/dev/null; then
    # The unit is checked against the binary that was packed, not one that may be installed here.
    sed "s|/usr/bin/heddle|$PWD/$root/usr/bin/heddle|" "$root/lib/systemd/system/heddle.service" >"$work/heddle.service"
    systemd-analyze verify --man=no "$work/heddle.service"
fi
echo "$deb: $(stat -c %s "$deb") bytes"
