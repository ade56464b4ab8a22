// Package hostile writes handlers that mean harm: that run for ever, fill memory, overload a compiler, answer nonsense or are
// no modules at all.
package hostile

import (
	"github.com/kvnode/kvnode/plugins/abi"
	"github.com/kvnode/kvnode/plugins/plugintest/wasm"
)

// The first types of every recipe.
const (
	typeNothing = iota // () -> ()
	typeNumber         // () -> i32
	typeMap            // i32 -> i32
	numTypes
)

// The functions of the contract, behind the imported ones. Those of a recipe follow.
const (
	funcVersion = iota
	funcAlloc
	funcHandle
	numFuncs
)

// frameAt is where the contract's buffer is.
const frameAt = 64 << 10

// recipe is a handler that keeps all versions, but for what its fields replace. Memory has two pages, and everything is
// exported that the contract wants.
type recipe struct {
	types, imports, tables, globals, exports, elements, data [][]byte
	// memory are the limits, alloc and handle whole bodies.
	memory, alloc, handle []byte
	// functions have one body each, and a type.
	functions [][]byte
	funcTypes []int
	// initialise and start say that the recipe's first function is _initialize or the start function.
	initialise, start bool
}

// index is the index of a function of the recipe.
func (r *recipe) index(i int) []byte { return wasm.Number(len(r.imports) + numFuncs + i) }

// add appends a function of a type.
func (r *recipe) add(of int, body []byte) {
	r.functions, r.funcTypes = append(r.functions, body), append(r.funcTypes, of)
}

// module writes it down.
func (r *recipe) module() []byte {
	sections := [][]byte{wasm.Section(wasm.Types, wasm.Vec(append([][]byte{
		wasm.FuncType(nil, nil), wasm.FuncType(nil, []byte{wasm.I32}), wasm.FuncType([]byte{wasm.I32}, []byte{wasm.I32}),
	}, r.types...)...))}
	section := func(id byte, entries ...[]byte) {
		if len(entries) > 0 {
			sections = append(sections, wasm.Section(id, wasm.Vec(entries...)))
		}
	}
	functions := [][]byte{{typeNumber}, {typeMap}, {typeMap}}
	for _, t := range r.funcTypes {
		functions = append(functions, wasm.Number(t))
	}
	section(wasm.Imports, r.imports...)
	section(wasm.Functions, functions...)
	section(wasm.Tables, r.tables...)
	section(wasm.Memories, orElse(r.memory, []byte{0, 2}))
	section(wasm.Globals, r.globals...)
	section(wasm.Exports, append(r.contract(), r.exports...)...)
	if r.start {
		sections = append(sections, wasm.Section(wasm.Start, r.index(0)))
	}
	section(wasm.Elements, r.elements...)
	section(wasm.Code, append([][]byte{
		wasm.Body(wasm.Const(abi.Version)...),
		orElse(r.alloc, wasm.Body(wasm.Const(frameAt)...)),
		orElse(r.handle, wasm.Body(wasm.Const(int32(abi.StatusKeep))...)),
	}, r.functions...)...)
	section(wasm.Data, r.data...)
	return wasm.Module(sections...)
}

// contract are the exports that every handler has.
func (r *recipe) contract() [][]byte {
	function := func(name string, index int) []byte {
		return wasm.Cat(wasm.Text(name), []byte{0}, wasm.Number(len(r.imports)+index))
	}
	exports := [][]byte{
		wasm.Cat(wasm.Text(abi.ExportMemory), []byte{2, 0}), function(abi.ExportVersion, funcVersion),
		function(abi.ExportAlloc, funcAlloc), function(abi.ExportConflict, funcHandle),
	}
	if r.initialise {
		exports = append(exports, function(abi.ExportInitialize, numFuncs))
	}
	return exports
}

func orElse(b, other []byte) []byte {
	if b == nil {
		return other
	}
	return b
}
