#!/bin/sh
# Builds a handler in C or C++: build.sh SOURCE OUT.wasm
# It needs clang and wasm-ld (Debian: clang lld); CLANG names another clang.
set -eu
[ $# -eq 2 ] || { echo "usage: build.sh SOURCE.c OUT.wasm" >&2; exit 2; }
sdk=$(cd "$(dirname "$0")" && pwd)
case $1 in
*.c) language="-x c -std=c11" ;;
*.cpp) language="-x c++ -std=c++17 -fno-exceptions -fno-rtti -fno-threadsafe-statics" ;;
*) echo "build.sh: $1 is neither .c nor .cpp" >&2 && exit 2 ;;
esac
# shellcheck disable=SC2086 # a list of words
"${CLANG:-clang}" --target=wasm32 -mbulk-memory -O2 -nostdlib -fno-builtin -fuse-ld=lld -Wall -Wextra -Werror \
	-Wl,--no-entry -Wl,--stack-first -Wl,-z,stack-size=16384 -Wl,--strip-all -I "$sdk" -o "$2" $language "$1"
chmod 644 "$2"
