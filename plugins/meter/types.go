package meter

import "strings"

// ValType is the type of a WebAssembly value, as the binary format writes it.
type ValType byte

// The value types that a module may use.
const (
	I32       ValType = 0x7f
	I64       ValType = 0x7e
	F32       ValType = 0x7d
	F64       ValType = 0x7c
	FuncRef   ValType = 0x70
	ExternRef ValType = 0x6f
)

// String returns the name in the text format: "i32", "funcref".
func (t ValType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	default:
		return "unknown"
	}
}

// FuncType is the signature of a function. Its slices are shared between values: read only.
type FuncType struct {
	Params, Results []ValType
}

// String returns "(i32 i64) -> (i32)".
func (t FuncType) String() string {
	return joinTypes(t.Params) + " -> " + joinTypes(t.Results)
}

// values returns how many values a call moves.
func (t FuncType) values() uint64 {
	return uint64(len(t.Params)) + uint64(len(t.Results))
}

func joinTypes(types []ValType) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	return "(" + strings.Join(names, " ") + ")"
}

// Kind says what an import or export is, as the binary format numbers it.
type Kind byte

// The kinds of imports and exports.
const (
	KindFunc Kind = iota
	KindTable
	KindMemory
	KindGlobal
)

// String returns "func", "table", "memory" or "global".
func (k Kind) String() string {
	switch k {
	case KindFunc:
		return "func"
	case KindTable:
		return "table"
	case KindMemory:
		return "memory"
	case KindGlobal:
		return "global"
	default:
		return "unknown"
	}
}

// GlobalType is the type of a global.
type GlobalType struct {
	Type    ValType
	Mutable bool
}

// Import is one thing that a module needs.
type Import struct {
	Module, Name string
	Kind         Kind
	Func         FuncType   // of KindFunc
	Global       GlobalType // of KindGlobal
	Table        ValType    // of KindTable: the type of its entries
}

// Export is one thing that a module offers.
type Export struct {
	Name   string
	Kind   Kind
	Func   FuncType   // of KindFunc
	Global GlobalType // of KindGlobal
	Table  ValType    // of KindTable: the type of its entries
}

// Info is what a module says of itself. Its strings and slices are copies; the module's bytes may be reused.
type Info struct {
	Imports []Import // in the module's order
	Exports []Export // in the module's order; without what Rewrite adds

	HasMemory    bool
	MemoryMin    uint32 // pages of 64 KiB
	MemoryMax    uint32 // pages of 64 KiB; meaningful with HasMemoryMax
	HasMemoryMax bool

	HasStart  bool // there is a start function: rewritten, the module exports it as StartExport
	Functions int  // defined by the module, imports not counted
	// Unrestorable says that the code changes tables or drops segments. Such state is neither memory nor a global, so
	// no host can put it back between calls: it has to take a new instance instead. Only Rewrite, which reads the code,
	// sets it.
	Unrestorable bool
}

// Export returns the export of a name and whether there is one.
func (i *Info) Export(name string) (Export, bool) {
	for _, e := range i.Exports {
		if e.Name == name {
			return e, true
		}
	}
	return Export{}, false
}
