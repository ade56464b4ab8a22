#!/bin/sh
# Builds a handler in JavaScript: build.sh HANDLER.js OUT.wasm. README.md says what has to be installed.
set -eu
packages=${KVNODE_TOOLCHAINS:-$HOME/.cache/kvnode-toolchains}/javascript
[ -d "$packages/node_modules" ] || { echo "build.sh: npm install --prefix $packages quickjs-wasi@3.6.2 binaryen@132.0.0" >&2; exit 127; }
exec node "$(dirname "$0")/build.mjs" "$@"
