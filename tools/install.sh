#!/bin/sh
# Install what was built: program, manual page, settings to start from, licence.
#
# install.sh DESTDIR PREFIX
set -eu
cd "$(dirname "$0")/.."
dest=$1
prefix=$2

install -D -m 755 build/heddle "$dest$prefix/bin/heddle"
install -D -m 644 docs/heddle.1 "$dest$prefix/share/man/man1/heddle.1"
gzip -9nf "$dest$prefix/share/man/man1/heddle.1"
install -D -m 644 packaging/heddle.yaml "$dest$prefix/share/doc/heddle/heddle.yaml"
install -D -m 644 LICENSE "$dest$prefix/share/doc/heddle/LICENSE"
