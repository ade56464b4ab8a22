package meter

// prefixed handles the opcodes behind 0xfc: saturating truncations, bulk memory and tables.
func (f *function) prefixed(at int) error {
	r := &f.reader
	op, err := r.u32("opcode")
	switch {
	case err != nil:
		return err
	case op < opMemoryInit:
		f.charge(costFloat)
		return nil
	case op > opTableFill:
		return refusedPrefixed(at, op)
	}
	f.changes(op)
	f.chargeBulk(at, op)
	return f.bulkIndices(op)
}

func refusedPrefixed(at int, op uint32) error {
	if op == 0x13 { // memory.discard
		return unsupported(at, "memory control")
	}
	return malformed(at, "unknown opcode")
}

// changes notes operations whose effect no host can undo.
func (f *function) changes(op uint32) {
	switch op {
	case opDataDrop, opElemDrop, opTableInit, opTableCopy, opTableGrow, opTableFill:
		f.unrestorable = true
	}
}

func (f *function) chargeBulk(at int, op uint32) {
	switch op {
	case opMemoryInit, opMemoryCopy, opMemoryFill:
		f.charge(costBulk)
		f.chargeLength(at, shiftBytes)
	case opTableInit, opTableCopy, opTableFill:
		f.charge(costBulk)
		f.chargeLength(at, shiftEntries)
	case opTableGrow:
		f.charge(costHost)
		f.chargeLength(at, shiftEntries)
	default:
		f.charge(1)
	}
}

func (f *function) bulkIndices(op uint32) error {
	r := &f.reader
	switch op {
	case opMemoryInit:
		if err := f.segmentIndex("data segment", f.m.dataCount); err != nil {
			return err
		}
		return f.m.memoryIndex(r)
	case opDataDrop:
		return f.segmentIndex("data segment", f.m.dataCount)
	case opMemoryCopy:
		if err := f.m.memoryIndex(r); err != nil {
			return err
		}
		return f.m.memoryIndex(r)
	case opMemoryFill:
		return f.m.memoryIndex(r)
	case opElemDrop:
		return f.segmentIndex("element segment", f.m.elements)
	case opTableInit:
		if err := f.segmentIndex("element segment", f.m.elements); err != nil {
			return err
		}
	case opTableCopy:
		if _, err := f.m.tableIndex(r); err != nil {
			return err
		}
	}
	_, err := f.m.tableIndex(r)
	return err
}

func (f *function) segmentIndex(what string, n uint32) error {
	_, err := f.reader.index(what, int(n))
	return err
}

// chargeLength charges for the length on top of the stack before the instruction at an offset sees it. A length has 32
// bits and the fuel 64, so the charge cannot wrap around.
func (f *function) chargeLength(at int, shift byte) {
	if f.dead {
		return
	}
	f.flush(at)
	f.pieces++ // for a compiler it is a branch
	count, fuel := f.local(scratchCount), f.local(scratchFuel)
	b := appendIndexed(f.piece, opLocalTee, count)
	b = appendIndexed(b, opGlobalGet, f.fuelGlobal)
	b = append(appendIndexed(b, opLocalGet, count), opI64ExtendU)
	if shift > 0 {
		b = append(appendConst64(b, int64(shift)), opI64ShrU)
	}
	b = append(b, opI64Sub)
	f.piece = f.appendStore(b, fuel)
}

// appendCharge takes a constant from the fuel.
func (f *function) appendCharge(b []byte, cost int64) []byte {
	b = appendIndexed(b, opGlobalGet, f.fuelGlobal)
	b = append(appendConst64(b, cost), opI64Sub)
	return appendIndexed(b, opGlobalSet, f.fuelGlobal)
}

// appendChecked takes a constant from the fuel and pauses when it is gone.
func (f *function) appendChecked(b []byte, cost int64) []byte {
	b = appendIndexed(b, opGlobalGet, f.fuelGlobal)
	b = append(appendConst64(b, cost), opI64Sub)
	return f.appendStore(b, f.local(scratchFuel))
}

// appendStore sets the fuel to the top of the stack and pauses when that is below zero.
func (f *function) appendStore(b []byte, fuel uint32) []byte {
	b = appendIndexed(b, opLocalTee, fuel)
	b = appendIndexed(b, opGlobalSet, f.fuelGlobal)
	return f.appendPause(appendIndexed(b, opLocalGet, fuel))
}
