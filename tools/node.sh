#!/bin/sh
# Run a command with Node 20 or newer and its npm in front of PATH.
#
# node.sh COMMAND [ARG...]
#
# The system's Node serves if it is new enough. Else one is taken from npm's package "node" into build/node,
# once; the two versions below are the only ones ever taken.
set -eu
node_version=22.23.3
npm_version=10.9.9
least=20

top=$(cd "$(dirname "$0")/.." && pwd)
home=$top/build/node
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "node.sh: node and npm are missing; run tools/setup.sh build" >&2
    exit 1
fi
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt $least ]; then
    if [ "$("$home/node_modules/.bin/node" --version 2>/dev/null)" != v$node_version ]; then
        echo "node.sh: Node $(node --version) is too old for the console; taking $node_version from npm" >&2
        mkdir -p "$home"
        npm install --prefix "$home" --no-audit --no-fund --loglevel=error \
            "node@$node_version" "npm@$npm_version" >&2
    fi
    PATH=$home/node_modules/.bin:$PATH
    export PATH
fi
exec "$@"
