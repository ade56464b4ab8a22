#!/bin/sh
# Builds every module of this folder that is committed in binary form. The others, written in Go, are built by the tests;
# those of plugins/examples by the script there. It needs clang and wasm-ld (Debian: clang lld) and wat2wasm (wabt).
set -eu
cd "$(dirname "$0")"

for tool in clang wasm-ld wat2wasm; do
	command -v "$tool" >/dev/null || { echo "build.sh: $tool is missing" >&2; exit 1; }
done

for wat in *.wat; do
	# Some of them are wrong on purpose, so that the host can refuse them.
	wat2wasm --no-check "$wat" -o "${wat%.wat}.wasm"
done
../../plugins/sdk/c/build.sh statics.c statics.wasm
wat2wasm ../../plugins/abitest/seed.wat -o ../../plugins/abitest/seed.wasm
