#!/bin/sh
# Builds a handler with the SDK of its language, which the name of its source tells: build.sh SOURCE OUT.wasm
# The exit code is 127 when a tool is missing; the README of the SDK says what to install.
set -eu
[ $# -eq 2 ] || { echo "usage: build.sh SOURCE OUT.wasm" >&2; exit 2; }
sdk=$(cd "$(dirname "$0")" && pwd)
case $1 in
*.c | *.cpp) exec "$sdk/c/build.sh" "$1" "$2" ;;
*.rs) exec "$sdk/rust/build.sh" "$1" "$2" ;;
*.zig) exec "$sdk/zig/build.sh" "$1" "$2" ;;
*.ts) exec "$sdk/assemblyscript/build.sh" "$1" "$2" ;;
*.js) exec "$sdk/javascript/build.sh" "$1" "$2" ;;
*.wat) exec wat2wasm "$1" -o "$2" ;;
*.go)
	out=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
	cd "$(dirname "$1")"
	GOOS=wasip1 GOARCH=wasm exec go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags="-s -w" -o "$out" .
	;;
*)
	echo "build.sh: no SDK is known for $1" >&2
	exit 2
	;;
esac
