// Package examples has the handlers of this folder as built modules, so that a demonstration needs no toolchain.
package examples

import (
	"bytes"
	"compress/gzip"
	_ "embed" // for the modules
	"io"
)

var (
	//go:embed cart/cart.wasm.gz
	cart []byte
	//go:embed newest/newest.wasm
	newest string
	//go:embed union/union.wasm
	union string
	//go:embed trap/trap.wasm
	trap string
	//go:embed loop/loop.wasm
	loop string
)

// Cart returns the module of cart: shopping carts in Go, the union of the lines with the larger quantity of each. The
// caller owns the bytes, here and below.
func Cart() []byte {
	r, err := gzip.NewReader(bytes.NewReader(cart))
	if err != nil {
		panic("examples: cart is not gzip: " + err.Error())
	}
	module, err := io.ReadAll(r)
	if err != nil {
		panic("examples: cart does not unpack: " + err.Error())
	}
	return module
}

// Newest returns the module of newest: the newest version wins, in WAT.
func Newest() []byte { return []byte(newest) }

// Union returns the module of union: the union of sets of lines, in C.
func Union() []byte { return []byte(union) }

// Trap returns the module of trap: it traps on the key "poison" and does what union does for all others, in C.
func Trap() []byte { return []byte(trap) }

// Loop returns the module of loop: an endless loop, in WAT.
func Loop() []byte { return []byte(loop) }
