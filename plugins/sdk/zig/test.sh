#!/bin/sh
# Runs the tests in a handler's source on this machine: test.sh SOURCE.zig
set -eu
[ $# -eq 1 ] || { echo "usage: test.sh SOURCE.zig" >&2; exit 2; }
sdk=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
zig=$("$sdk/zig.sh")
"$zig" test "$1" --mod "kvnode::$sdk/kvnode.zig" --deps kvnode --cache-dir "$work"
