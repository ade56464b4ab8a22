// Package wasm writes WebAssembly modules byte by byte, also such as no compiler would write, for tests.
package wasm

import (
	"bytes"
	"encoding/binary"
)

// Numbers of the sections.
const (
	Types     = 1
	Imports   = 2
	Functions = 3
	Tables    = 4
	Memories  = 5
	Globals   = 6
	Exports   = 7
	Start     = 8
	Elements  = 9
	Code      = 10
	Data      = 11
)

// Value types.
const (
	I32     = 0x7f
	I64     = 0x7e
	FuncRef = 0x70
)

// Module puts sections behind the header of a core module.
func Module(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), Cat(sections...)...)
}

// Cat joins its parts.
func Cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// Number is an unsigned LEB128 number.
func Number(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// Section is a section of known content.
func Section(id byte, content ...[]byte) []byte {
	c := Cat(content...)
	return Cat([]byte{id}, Number(len(c)), c)
}

// Vec is a vector of entries.
func Vec(entries ...[]byte) []byte { return Cat(Number(len(entries)), Cat(entries...)) }

// Text is a name.
func Text(s string) []byte { return Cat(Number(len(s)), []byte(s)) }

// FuncType is the type of a function.
func FuncType(params, results []byte) []byte {
	return Cat([]byte{0x60}, Number(len(params)), params, Number(len(results)), results)
}

// Body is a function's body without locals; the end is added.
func Body(code ...byte) []byte {
	return Cat(Number(len(code)+2), []byte{0}, code, []byte{0x0b})
}

// BodyWithLocals is a function's body with n locals of one type; the end is added.
func BodyWithLocals(n int, of byte, code ...byte) []byte {
	b := Cat([]byte{1}, Number(n), []byte{of}, code, []byte{0x0b})
	return Cat(Number(len(b)), b)
}

// Const is the instruction i32.const.
func Const(v int32) []byte {
	b := []byte{0x41}
	for n := int64(v); ; {
		low := byte(n & 0x7f)
		n >>= 7
		if n == 0 && low&0x40 == 0 || n == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
