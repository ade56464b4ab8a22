#!/usr/bin/env bash
# Tests what is not written in Go: the format, the SDKs with their languages' own runners, the examples likewise, the modules that are
# built from the sources against the committed ones, and the SDKs against the contract. scripts/toolchains.sh installs what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "==> the format"
find plugins \( -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.hpp' \) -exec clang-format --dry-run --Werror {} +
find plugins -name '*.rs' -exec rustfmt --check {} +
find plugins -name '*.zig' -exec "$(plugins/sdk/zig/zig.sh)" fmt --check {} +

echo "==> the SDKs"
plugins/sdk/c/test.sh plugins/sdk/c/helpers_test.c
plugins/sdk/rust/test.sh plugins/sdk/rust
plugins/sdk/zig/test.sh plugins/sdk/zig/kvnode.zig
node --test plugins/sdk/javascript/kvnode.test.mjs plugins/sdk/wat/readme.test.mjs

echo "==> the examples"
plugins/examples/test.sh
go run ./plugins/examples/rebuild

echo "==> the contract"
probes=$(mktemp -d)
trap 'rm -rf "$probes"' EXIT
plugins/abitest/probe/build.sh -o "$probes"
for probe in "$probes"/*.wasm; do
	echo "$probe"
	go run ./plugins/abitest/cmd/abitest "$probe" | grep -v '^ok '
done
