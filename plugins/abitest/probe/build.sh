#!/bin/sh
# Builds the probes from their sources, with the SDKs as they are: build.sh [-o DIR]
# It replaces the committed ones, or with -o makes DIR/LANGUAGE.wasm. scripts/toolchains.sh installs what it needs; the probe in Go is
# built by the tests.
set -eu
out=
[ "${1-}" != -o ] || out=$(cd "$2" && pwd)
cd "$(dirname "$0")"
for source in */probe.*; do
	case $source in *.wasm | *.wasm.gz) continue ;; esac
	language=${source%/*}
	module=${out:+$out/$language.wasm}
	echo "build $source"
	../../sdk/build.sh "$source" "${module:-$language/probe.wasm}"
	# JavaScript's is committed packed: the engine is in it.
	if [ -z "$out" ] && [ -e "$language/probe.wasm.gz" ]; then gzip -9 -n -f "$language/probe.wasm"; fi
done
