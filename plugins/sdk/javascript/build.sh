#!/bin/sh
# Builds a handler in JavaScript: build.sh HANDLER.js OUT.wasm. README.md says what has to be installed.
exec node "$(dirname "$0")/build.mjs" "$@"
