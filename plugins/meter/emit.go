package meter

import "encoding/binary"

func appendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

func appendS64(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

func appendIndexed(b []byte, op byte, index uint32) []byte {
	return appendU32(append(b, op), index)
}

func appendConst64(b []byte, v int64) []byte { return appendS64(append(b, opI64Const), v) }

func appendConst32(b []byte, v int32) []byte { return appendS64(append(b, opI32Const), int64(v)) }

// appendName writes a vector of bytes.
func appendName(b []byte, name string) []byte {
	return append(appendU32(b, uint32(len(name))), name...)
}

// appendSection writes a section of known content.
func appendSection(b []byte, id byte, content ...[]byte) []byte {
	size := 0
	for _, c := range content {
		size += len(c)
	}
	b = appendU32(append(b, id), uint32(size))
	for _, c := range content {
		b = append(b, c...)
	}
	return b
}
