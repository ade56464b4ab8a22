#!/bin/sh
# Builds a test in C or C++ for this machine, with sanitizers, and runs it: test.sh SOURCE
set -eu
[ $# -eq 1 ] || { echo "usage: test.sh SOURCE.c" >&2; exit 2; }
sdk=$(cd "$(dirname "$0")" && pwd)
case $1 in
*.c) compiler="${CC:-cc} -std=c11" ;;
*) compiler="${CXX:-c++} -std=c++17" ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086 # a list of words
$compiler -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror -I "$sdk" -o "$work/test" "$1"
ASAN_OPTIONS=detect_leaks=0 "$work/test"
echo "ok $1"
