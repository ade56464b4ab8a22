#!/bin/sh
# Builds a handler in AssemblyScript: build.sh SOURCE.ts OUT.wasm
# It needs node, and the compiler asc, which `npm install --prefix "$KVNODE_TOOLCHAINS/assemblyscript" assemblyscript@0.28.20` installs; ASC
# names another one.
set -eu
[ $# -eq 2 ] || { echo "usage: build.sh SOURCE.ts OUT.wasm" >&2; exit 2; }
toolchains=${KVNODE_TOOLCHAINS:-$HOME/.cache/kvnode-toolchains}
asc=${ASC:-$toolchains/assemblyscript/node_modules/.bin/asc}
[ -x "$asc" ] || { echo "build.sh: $asc is missing: npm install --prefix $toolchains/assemblyscript assemblyscript@0.28.20" >&2; exit 127; }
# The compiler wants relative paths.
here=$(cd "$(dirname "$1")" && pwd) out=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
cd "$here"
"$asc" "$(basename "$1")" -O3 --runtime stub --outFile "$(realpath --relative-to . "$out")"
chmod 644 "$out"
