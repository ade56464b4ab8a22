#!/bin/sh
# Runs the tests of a crate on this machine, without a network: test.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: test.sh FOLDER" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$(dirname "$0")" "$work/kvnode"
cp -R "$1" "$work/crate"
sed -i 's|path = ".*"|path = "../kvnode"|' "$work/crate/Cargo.toml"
cd "$work/crate"
CARGO_TARGET_DIR=$work/target cargo test --offline --quiet
