#!/bin/sh
# Rebuilds the modules of this folder from their text; needs wat2wasm (wabt).
set -eu
cd "$(dirname "$0")"
for text in *.wat; do
  wat2wasm --debug-names "$text" -o "${text%.wat}.wasm"
done
