#!/bin/sh
# Builds a handler in Zig 0.11: build.sh SOURCE.zig OUT.wasm
# It takes $ZIG, the zig in PATH, or the one that scripts/toolchains.sh has installed.
set -eu
[ $# -eq 2 ] || { echo "usage: build.sh SOURCE.zig OUT.wasm" >&2; exit 2; }
sdk=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
zig=$("$sdk/zig.sh")
"$zig" build-lib "$1" --mod "kvnode::$sdk/kvnode.zig" --deps kvnode -target wasm32-freestanding -mcpu=generic+bulk_memory \
	-dynamic -rdynamic -O ReleaseSafe -fstrip --stack 16384 --cache-dir "$work/cache" -femit-bin="$work/handler.wasm"
cp "$work/handler.wasm" "$2"
chmod 644 "$2"
