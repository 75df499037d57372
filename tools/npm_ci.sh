#!/bin/sh
# npm ci in a folder, only if its lockfile changed since the last time. Install scripts of packages are not run.
#
# npm_ci.sh DIR
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$1"
stamp=node_modules/.lock-sha256
now=$(cat package.json package-lock.json | sha256sum)
if [ "$(cat $stamp 2>/dev/null)" != "$now" ]; then
    "$top/tools/node.sh" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    echo "$now" >$stamp
fi
