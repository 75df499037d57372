#!/bin/sh
# Build the web console (web/dist), only if its sources changed since the last time.
#
# Whether they changed is told by content, not by time: a fresh clone with a kept build folder, a branch
# switched back and forth do not build again.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top/web"
stamp=$top/build/console.sha256
now=$(find . \( -name node_modules -o -name dist -o -name coverage \) -prune -o -type f -print |
    LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum | sha256sum)
if [ -f dist/index.html ] && [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then
    exit 0
fi
echo "building the console" >&2
"$top/tools/npm_ci.sh" .
"$top/tools/node.sh" npm run --silent build
mkdir -p "$top/build"
echo "$now" >"$stamp"
