// Package examples has the handlers of this folder as built modules, so that a demonstration needs no toolchain.
package examples

import (
	"bytes"
	"compress/gzip"
	_ "embed" // for the modules
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

var (
	//go:embed cart/cart.wasm.gz
	cart []byte
	//go:embed document/document.wasm.gz
	document []byte
	//go:embed max/max.wasm
	maximum string
	//go:embed pncounter/pncounter.wasm
	pnCounter string
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
func Cart() []byte { return mustUnpack(cart) }

// Document returns the module of document: JSON documents in Go, merged field by field against their base.
func Document() []byte { return mustUnpack(document) }

// Max returns the module of max: the greatest decimal number, in C.
func Max() []byte { return []byte(maximum) }

// PNCounter returns the module of pncounter: counters that go up and down, in C++.
func PNCounter() []byte { return []byte(pnCounter) }

// Newest returns the module of newest: the newest version wins, in WAT.
func Newest() []byte { return []byte(newest) }

// Union returns the module of union: the union of sets of lines, in C.
func Union() []byte { return []byte(union) }

// Trap returns the module of trap: it traps on the key "poison" and does what union does for all others, in C.
func Trap() []byte { return []byte(trap) }

// Loop returns the module of loop: an endless loop, in WAT.
func Loop() []byte { return []byte(loop) }

// Read returns the module that is committed or built as NAME/NAME.wasm, or packed as NAME/NAME.wasm.gz, in a folder of examples like this
// one. The caller owns the bytes. Without either the error is fs.ErrNotExist.
func Read(folder fs.FS, name string) ([]byte, error) {
	file := path.Join(name, name+".wasm")
	module, err := fs.ReadFile(folder, file)
	if !errors.Is(err, fs.ErrNotExist) {
		return module, err
	}
	packed, err := fs.ReadFile(folder, file+".gz")
	if err != nil {
		return nil, err
	}
	if module, err = unpack(packed); err != nil {
		return nil, fmt.Errorf("unpack %s.gz: %w", file, err)
	}
	return module, nil
}

// mustUnpack unpacks what was embedded.
func mustUnpack(packed []byte) []byte {
	module, err := unpack(packed)
	if err != nil {
		panic("examples: an embedded module does not unpack: " + err.Error())
	}
	return module
}

// unpack returns what was packed with gzip.
func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
