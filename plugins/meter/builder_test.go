package meter_test

import (
	"bytes"
	"encoding/binary"
)

// The little builder of modules that no text format would write.

func module(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), cat(sections...)...)
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func number(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func section(id byte, content ...[]byte) []byte {
	c := cat(content...)
	return cat([]byte{id}, number(len(c)), c)
}

func vec(entries ...[]byte) []byte { return cat(number(len(entries)), cat(entries...)) }

func text(s string) []byte { return cat(number(len(s)), []byte(s)) }

func funcType(params, results []byte) []byte {
	return cat([]byte{0x60}, number(len(params)), params, number(len(results)), results)
}

// body is a function body without locals; the end is added.
func body(code ...byte) []byte {
	return cat(number(len(code)+2), []byte{0}, code, []byte{0x0b})
}
