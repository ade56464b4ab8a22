package meter

import "unicode/utf8"

// reader walks over data[pos:end]; offsets are those in the whole module. Every read checks its bounds.
type reader struct {
	data     []byte
	pos, end int
}

// span is a range of the module's bytes.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

func (r *reader) left() int { return r.end - r.pos }

func (r *reader) byte(what string) (byte, error) {
	if r.pos >= r.end {
		return 0, malformed(r.pos, what+" is cut short")
	}
	b := r.data[r.pos]
	r.pos++
	return b, nil
}

// u32 reads an unsigned LEB128 number of at most 32 bits.
func (r *reader) u32(what string) (uint32, error) {
	if r.pos < r.end && r.data[r.pos] < 0x80 {
		r.pos++
		return uint32(r.data[r.pos-1]), nil
	}
	return r.longU32(what)
}

func (r *reader) longU32(what string) (uint32, error) {
	var v uint32
	start := r.pos
	for shift := 0; shift < 35; shift += 7 {
		if r.pos >= r.end {
			return 0, malformed(start, what+" is cut short")
		}
		b := r.data[r.pos]
		r.pos++
		if shift == 28 && b > 0x0f {
			break
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return v, nil
		}
	}
	return 0, malformed(start, what+" does not fit 32 bits")
}

// s33 reads a signed LEB128 number of at most 33 bits: the type of a block.
func (r *reader) s33(what string) (int64, error) {
	var v int64
	start := r.pos
	for shift := 0; shift < 35; shift += 7 {
		b, err := r.byte(what)
		if err != nil {
			return 0, err
		}
		v |= int64(b&0x7f) << shift
		if b >= 0x80 {
			continue
		}
		if shift == 28 && b > 0x0f && b < 0x70 {
			break
		}
		if b&0x40 != 0 {
			v |= -1 << (shift + 7)
		}
		return v, nil
	}
	return 0, malformed(start, what+" does not fit 33 bits")
}

// skipLEB passes over a LEB128 number of at most n bytes; its value is the runtime's affair.
func (r *reader) skipLEB(n int, what string) error {
	start := r.pos
	for range n {
		b, err := r.byte(what)
		if err != nil {
			return err
		}
		if b < 0x80 {
			return nil
		}
	}
	return malformed(start, what+" is too long")
}

func (r *reader) skip(n int, what string) error {
	if n < 0 || n > r.left() {
		return malformed(r.pos, what+" is cut short")
	}
	r.pos += n
	return nil
}

// sub returns a reader of the next n bytes and steps over them.
func (r *reader) sub(n uint32, what string) (reader, error) {
	if uint64(n) > uint64(r.left()) {
		return reader{}, malformed(r.pos, what+" is cut short")
	}
	s := reader{data: r.data, pos: r.pos, end: r.pos + int(n)}
	r.pos = s.end
	return s, nil
}

// count reads the length of a vector whose entries take at least a byte each: a length that cannot be true never
// becomes an allocation, here or in a runtime.
func (r *reader) count(what string, limit uint32) (uint32, error) {
	at := r.pos
	n, err := r.u32("number of " + what)
	switch {
	case err != nil:
		return 0, err
	case uint64(n) > uint64(r.left()):
		return 0, malformed(at, "number of "+what+" exceeds the section")
	case n > limit:
		return 0, overLimit(what, uint64(n), uint64(limit))
	}
	return n, nil
}

// name reads a vector of UTF-8 bytes and copies it.
func (r *reader) name(what string) (string, error) {
	at := r.pos
	n, err := r.u32("length of " + what)
	if err != nil {
		return "", err
	}
	s, err := r.sub(n, what)
	if err != nil {
		return "", err
	}
	b := s.data[s.pos:s.end]
	if !utf8.Valid(b) {
		return "", malformed(at, what+" is not UTF-8")
	}
	return string(b), nil
}

// valType reads a value type, and names the feature of one that is refused.
func (r *reader) valType(what string) (ValType, error) {
	at := r.pos
	b, err := r.byte(what)
	if err != nil {
		return 0, err
	}
	t := ValType(b)
	switch t {
	case I32, I64, F32, F64, FuncRef, ExternRef:
		return t, nil
	default:
		return 0, refusedType(at, b, what)
	}
}

// refType reads the type of a reference.
func (r *reader) refType(what string) (ValType, error) {
	at := r.pos
	t, err := r.valType(what)
	if err == nil && t != FuncRef && t != ExternRef {
		return 0, malformed(at, what+" is not a reference type")
	}
	return t, err
}

func refusedType(at int, b byte, what string) error {
	switch {
	case b == 0x7b:
		return unsupported(at, featureSIMD)
	case b == 0x69 || b == 0x74:
		return unsupported(at, featureExceptions)
	case b >= 0x63 && b <= 0x78:
		return unsupported(at, featureGC)
	default:
		return malformed(at, what+" has an unknown type")
	}
}
