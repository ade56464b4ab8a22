package meter

// Slice is the fuel between two pauses, some hundred microseconds of it. A pause does nothing but to enter the runtime for a moment, where
// the thread can be taken away: compiled code cannot be interrupted anywhere else.
const Slice = 1 << 18

// numCounters are the globals that are appended: kv_fuel, kv_stack and kv_fuel_rest.
const numCounters = 3

func (f *function) restGlobal() uint32 { return f.fuelGlobal + 2 }

// appendPause pauses when the i64 on top of the stack is below zero.
func (f *function) appendPause(b []byte) []byte {
	f.pauses++
	b = append(b, opI64Const, 0, opI64LtS, opIf, emptyBlock)
	return append(appendIndexed(b, opCall, f.pause), opEnd)
}

// pauseFunction appends the function that pauses to the code, and returns its entry for the section of functions; a module without code needs none.
//
//	put all fuel together; trap if it, or the stack, is below zero
//	keep one slice in kv_fuel, the others in kv_fuel_rest
//	enter the runtime: grow the memory by nothing
func (w *rewriter) pauseFunction() (entry []byte, n uint32) {
	if len(w.m.bodies) == 0 {
		return nil, 0
	}
	body := w.f.takeSlice(w.f.gather([]byte{0}))
	if w.m.HasMemory {
		body = append(body, opI32Const, 0, opMemoryGrow, 0, opDrop)
	}
	body = append(body, opEnd)
	w.code = append(appendU32(w.code, uint32(len(body))), body...)
	return appendU32(nil, w.typeOf(nil)), 1
}

// startFunction appends a function that calls the start function to the code, and returns its entry for the section of functions. An export of
// the start function itself would let code refer to it that may not.
func (w *rewriter) startFunction() (entry []byte, n uint32) {
	if !w.m.HasStart {
		return nil, 0
	}
	body := append(appendIndexed([]byte{0}, opCall, w.m.start), opEnd)
	w.code = append(appendU32(w.code, uint32(len(body))), body...)
	return appendU32(nil, w.typeOf(nil)), 1
}

// gather moves all fuel to kv_fuel, and traps if that or the stack is below zero.
func (f *function) gather(b []byte) []byte {
	b = appendIndexed(b, opGlobalGet, f.fuelGlobal)
	b = append(appendIndexed(b, opGlobalGet, f.restGlobal()), opI64Add)
	b = appendIndexed(b, opGlobalSet, f.fuelGlobal)
	b = appendIndexed(appendConst64(b, 0), opGlobalSet, f.restGlobal())
	b = append(appendConst64(appendIndexed(b, opGlobalGet, f.fuelGlobal), 0), opI64LtS)
	b = append(appendConst32(appendIndexed(b, opGlobalGet, f.stackGlobal), 0), opI32LtS)
	return append(b, opI32Or, opIf, emptyBlock, opUnreachable, opEnd)
}

// takeSlice leaves no more than one slice in kv_fuel.
func (f *function) takeSlice(b []byte) []byte {
	b = append(appendConst64(appendIndexed(b, opGlobalGet, f.fuelGlobal), Slice), opI64GtS, opIf, emptyBlock)
	b = append(appendConst64(appendIndexed(b, opGlobalGet, f.fuelGlobal), Slice), opI64Sub)
	b = appendIndexed(b, opGlobalSet, f.restGlobal())
	return append(appendIndexed(appendConst64(b, Slice), opGlobalSet, f.fuelGlobal), opEnd)
}
