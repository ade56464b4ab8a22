package meter

// lookahead is how many instructions may lie between a result and what consumes it for canonicalise to see it.
const lookahead = 8

// canonicalise replaces a NaN on top of the stack by the canonical one:
//
//	x is the top; if x >= x, then nothing, else x is the canonical NaN; push x
//
// A compiler turns this into a comparison and a branch that is always predicted right, which is cheaper than a select; and
// the order needs one processor flag where equality needs two. It is left out where the value is consumed by an
// operation that cannot show its bits.
func (f *function) canonicalise(t ValType) {
	if f.dead || f.hidden(f.reader) {
		return
	}
	f.flush(f.reader.pos)
	if t == F32 {
		f.replaceNaN(f.local(scratchF32), opF32Ge, opF32Const, 0, 0, 0xc0, 0x7f)
	} else {
		f.replaceNaN(f.local(scratchF64), opF64Ge, opF64Const, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f)
	}
}

func (f *function) replaceNaN(x uint32, ge byte, nan ...byte) {
	b := appendIndexed(appendIndexed(f.piece, opLocalTee, x), opLocalGet, x)
	b = append(b, ge, opIf, emptyBlock, opElse)
	b = append(b, nan...)
	b = append(appendIndexed(b, opLocalSet, x), opEnd)
	f.piece = appendIndexed(b, opLocalGet, x)
}

// hidden reports whether the float on top of the stack is consumed by an operation that shows no bit of a NaN. It
// follows the height of the stack over a few instructions of the kind that expressions are made of.
func (f *function) hidden(r reader) bool {
	above := 0 // values on top of the one in question
	for range lookahead {
		if r.left() == 0 {
			return false
		}
		op := r.data[r.pos]
		r.pos++
		info := &f.ops[op]
		pops := int(info.pops)
		if op == opPrefix {
			if r.left() == 0 || r.data[r.pos] >= opMemoryInit {
				return false
			}
			pops, info = 1, &opInfo{imm: immNone, pops: 1, pushes: 1, blind: true}
			r.pos++
		}
		switch {
		case pops == 0 && info.pushes == 0 || !info.skip(&r):
			return false
		case pops > above:
			return info.blind
		}
		above += int(info.pushes) - pops
	}
	return false
}

// skip passes over the immediate of an instruction of which only the height of the stack matters.
func (i *opInfo) skip(r *reader) bool {
	switch i.imm {
	case immRefused, immSpecial:
		return false
	case immNone:
		return true
	case immLocal, immShort:
		return r.skipLEB(5, "immediate") == nil
	case immLong:
		return r.skipLEB(10, "immediate") == nil
	case immFour:
		return r.skip(4, "immediate") == nil
	case immEight:
		return r.skip(8, "immediate") == nil
	case immMemArg:
		err := r.skipLEB(5, "alignment")
		return err == nil && r.skipLEB(5, "offset") == nil
	}
	panic("meter: unknown kind of immediate")
}
