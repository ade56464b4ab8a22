#!/bin/sh
# Runs the examples' own tests on this machine, each with the test runner of its language: test.sh [NAME...]
set -eu
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- */
for name; do
	name=${name%/}
	for source in "$name/${name}"_test.c "$name/${name}"_test.cpp "$name/Cargo.toml" "$name/$name.zig" "$name/$name".test.*js "$name/main_test.go"; do
		[ -e "$source" ] || continue
		echo "test $source"
		case $source in
		*.c | *.cpp) ../sdk/c/test.sh "$source" ;;
		*.toml) ../sdk/rust/test.sh "$name" ;;
		*.zig) ../sdk/zig/test.sh "$source" ;;
		*js) node --test "$source" ;;
		*.go) (cd "$name" && go test .) ;;
		esac
	done
done
