#!/bin/sh
# Builds the modules of this folder from their sources: build.sh [-o DIR] [NAME...]
# Without names it builds all; without -o it replaces the committed ones. scripts/toolchains.sh installs what it needs.
set -eu
cd "$(dirname "$0")"
out=
if [ "${1-}" = -o ]; then
	out=$(cd "$2" && pwd)
	shift 2
fi

# source_of NAME prints the first of the sources that an example can have.
source_of() {
	for source in "$1/$1".c "$1/$1".cpp "$1/src/lib.rs" "$1/$1".zig "$1/$1".ts "$1/$1".js "$1/$1".wat "$1/main.go"; do
		[ -e "$source" ] && echo "$source" && return
	done
	return 0
}

# install_module MODULE NAME: put it where it belongs, packed like the committed one.
install_module() {
	module=$1
	if [ -e "$2/$2.wasm.gz" ]; then
		gzip -9 -n -f "$module"
		module=$module.gz
	fi
	mkdir -p "${out:-.}/$2"
	cp "$module" "${out:-.}/$2/"
	chmod 644 "${out:-.}/$2/${module##*/}"
}

if [ $# -eq 0 ]; then
	for name in */; do
		[ -z "$(source_of "${name%/}")" ] || set -- "$@" "$name"
	done
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name; do
	name=${name%/}
	source=$(source_of "$name")
	[ -n "$source" ] || { echo "build.sh: $name has no source that is known here" >&2; exit 1; }
	echo "build $source"
	../sdk/build.sh "$source" "$work/$name.wasm"
	install_module "$work/$name.wasm" "$name"
done
