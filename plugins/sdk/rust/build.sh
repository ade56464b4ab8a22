#!/bin/sh
# Builds a handler in Rust without cargo: build.sh SOURCE.rs OUT.wasm [no_std]
# It takes the first rustc that has the target wasm32-unknown-unknown, of $RUSTC, the one in PATH and Debian's, and links with $LINKER or
# whatever wasm-ld or rust-lld there is.
set -eu
[ $# -ge 2 ] || { echo "usage: build.sh SOURCE.rs OUT.wasm [no_std]" >&2; exit 2; }
sdk=$(cd "$(dirname "$0")" && pwd)
source=$1 out=$2
features='feature="std"'
[ "${3-}" = no_std ] && features='feature="no_std"'

for rustc in "${RUSTC:-}" rustc /usr/bin/rustc none; do
	[ -n "$rustc" ] && [ -d "$("$rustc" --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" ] && break
done
add="rustup target add wasm32-unknown-unknown"
[ "$rustc" != none ] || { echo "build.sh: no rustc has the target wasm32-unknown-unknown: $add, or apt-get install rustc libstd-rust-dev-wasm32 lld" >&2; exit 127; }
first=${RUSTC:-rustc}
if [ "$rustc" != "$first" ] && command -v "$first" >/dev/null; then
	echo "build.sh: $first lacks the target wasm32-unknown-unknown, and $rustc is used: $add" >&2
fi
echo "build.sh: $("$rustc" --version), $rustc" >&2
linker=${LINKER:-}
[ -n "$linker" ] || linker=$(command -v wasm-ld || ls "$("$rustc" --print sysroot)"/lib/rustlib/*/bin/rust-lld 2>/dev/null || true)
[ -n "$linker" ] || { echo "build.sh: there is neither wasm-ld nor rust-lld: apt-get install lld" >&2; exit 127; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compile() { # arguments...
	"$rustc" --edition 2021 --target wasm32-unknown-unknown -C opt-level=3 -C panic=abort -D warnings --remap-path-prefix "$sdk=kvnode" "$@"
}
compile --crate-type rlib --crate-name kvnode --cfg "$features" -o "$work/libkvnode.rlib" "$sdk/src/lib.rs"
compile --crate-type cdylib --crate-name handler --extern "kvnode=$work/libkvnode.rlib" -C lto=fat -C strip=symbols -C "linker=$linker" \
	-C link-arg=-zstack-size=32768 -o "$out" "$source"
chmod 644 "$out"
