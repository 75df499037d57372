#!/bin/sh
# Make build/heddle_VERSION_ARCH.deb from what was built, and have it checked by lintian if that is here.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^project(heddle VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
arch=$(dpkg --print-architecture)
work=build/package
root=$work/root
deb=build/heddle_${version}_$arch.deb

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
chmod 644 "$doc/changelog.gz"
for script in postinst prerm postrm; do
    install -m 755 packaging/$script "$root/DEBIAN/$script"
done
printf '/etc/heddle/heddle.yaml\n/etc/default/heddle\n' >"$root/DEBIAN/conffiles"

# dpkg-shlibdeps reads the libraries from the binary; it wants a debian/control to stand in.
printf 'Source: heddle\n\nPackage: heddle\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O -e root/usr/bin/heddle | sed -n 's/^shlibs:Depends=//p')
cat >"$root/DEBIAN/control" <<CONTROL
Package: heddle
Version: $version
Architecture: $arch
Maintainer: The Heddle developers <heddle@localhost.localdomain>
Section: net
Priority: optional
Depends: $depends, adduser, init-system-helpers (>= 1.54)
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

dpkg-deb --info "$deb" >/dev/null
if command -v lintian >/dev/null; then
    lintian --fail-on error --suppress-tags-from-file packaging/lintian.txt "$deb"
fi
if command -v systemd-analyze >/dev/null; then
    systemd-analyze verify --man=no "$root/lib/systemd/system/heddle.service" 2>&1 |
        grep -v 'Command /usr/bin/heddle is not executable' >&2 || true
fi
ls -l "$deb"
