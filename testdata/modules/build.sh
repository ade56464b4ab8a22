#!/bin/sh
# Builds every module that is committed in binary form: those of the tests, here, and those of plugins/examples.
# The others, written in Go, are built by the tests. It needs Go, clang and wasm-ld (Debian: clang lld) and wat2wasm (wabt).
set -eu
cd "$(dirname "$0")"
examples=../../plugins/examples
sdk=../../plugins/sdk/c

for tool in go clang wasm-ld wat2wasm gzip; do
	command -v "$tool" >/dev/null || { echo "build.sh: $tool is missing" >&2; exit 1; }
done

c() { # source, module
	clang --target=wasm32 -O2 -nostdlib -fno-builtin -fuse-ld=lld -Wl,--no-entry -Wl,-z,stack-size=16384 \
		-Wl,--strip-all -Wall -Wextra -Werror -I "$sdk" -o "$2" "$1"
	chmod 644 "$2"
}

for wat in *.wat; do
	# Some of them are wrong on purpose, so that the host can refuse them.
	wat2wasm --no-check "$wat" -o "${wat%.wat}.wasm"
done
c statics.c statics.wasm
for name in newest loop; do
	wat2wasm "$examples/$name/$name.wat" -o "$examples/$name/$name.wasm"
done
for name in union trap; do
	c "$examples/$name/$name.c" "$examples/$name/$name.wasm"
done
(cd "$examples/cart" && GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags="-s -w" -o cart.wasm .)
gzip -9 -n -f "$examples/cart/cart.wasm"
