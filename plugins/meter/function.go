package meter

// Scratch locals that a function may need, appended behind its own.
const (
	scratchFuel  = iota // i64: the fuel that is left
	scratchCount        // i32: a length, or the stack that is left
	scratchF32          // a result that may be a NaN
	scratchF64
	numScratch
)

// frame is an open block.
type frame struct {
	op      byte
	arity   uint32 // values that a branch to it carries
	target  bool   // live code branches to its end
	dead    bool   // its start cannot be reached
	thenEnd bool   // the end of the first arm of an if can be reached
}

// function rewrites one function body after the other; its buffers are reused.
//
// Code is cut into pieces that run from front to back when they run at all. While a piece is read its text gathers in
// piece and its price in cost; cut then writes the charge followed by the text.
type function struct {
	m      *module
	ops    *opTable
	reader reader

	fuelGlobal, stackGlobal uint32
	pause                   uint32 // the function that is called when a counter is below zero
	moved                   uint64 // values that calls and branches moved, over all functions
	allLocals               uint64
	allBranches             uint64 // the sum of the squares over all functions
	mutable                 uint64 // mutable globals, the counters included
	allReloads              uint64 // of them behind calls, over all functions
	unrestorable            bool

	signature FuncType
	locals    uint32 // parameters and declared locals
	groups    uint32 // of declared locals
	groupText span
	scratch   [numScratch]uint32 // their indices, 0 while unused
	added     []ValType          // types of the scratch locals in use

	frames  []frame
	loops   int // open ones
	pieces  uint64
	blocks  uint64
	labels  uint64 // of tables of branches
	code    []byte // finished pieces
	piece   []byte
	copied  int // first byte of the body that is not in piece yet
	cost    int64
	entry   int64 // cost of the first piece, which the prologue charges
	first   bool
	checked bool // the piece traps when the fuel is gone
	dead    bool // the code being read cannot be reached
	calls   uint64
	pauses  uint64
	weight  uint64
}

// read takes a body apart; the parts are then put together by assemble.
func (f *function) read(body span, signature FuncType) error {
	f.reader = reader{data: f.m.data, pos: body.from, end: body.to}
	f.signature = signature
	f.scratch, f.added = [numScratch]uint32{}, f.added[:0]
	f.frames, f.code, f.piece = f.frames[:0], f.code[:0], f.piece[:0]
	f.first, f.checked, f.dead, f.calls, f.pauses = true, true, false, 0, 0
	f.loops, f.pieces, f.blocks, f.labels = 0, 0, 0, 0
	if err := f.readLocals(); err != nil {
		return err
	}
	f.copied = f.reader.pos
	f.cost = costChecked + int64(f.locals)/localsPerUnit
	f.weight = weightFrame + weightValue*uint64(f.locals) + uint64(body.len())
	f.frames = append(f.frames, frame{op: opBlock, arity: uint32(len(signature.Results))})
	if err := f.move(signature.values()); err != nil {
		return err
	}
	return f.readCode()
}

func (f *function) readLocals() error {
	r := &f.reader
	groups, err := r.count("groups of locals", maxLocals)
	if err != nil {
		return err
	}
	f.groups, f.groupText.from = groups, r.pos
	total := uint64(len(f.signature.Params))
	for range groups {
		n, err := r.u32("number of locals")
		if err != nil {
			return err
		}
		if total += uint64(n); total > maxLocals {
			return overLimit("locals in one function", total, maxLocals)
		}
		if _, err := r.valType("local"); err != nil {
			return err
		}
	}
	f.groupText.to, f.locals = r.pos, uint32(total)
	if f.allLocals += total; f.allLocals > maxAllLocals {
		return overLimit("locals", f.allLocals, maxAllLocals)
	}
	return nil
}

// readCode reads instructions until the function's end, which is the last byte of the body.
func (f *function) readCode() error {
	r := &f.reader
	for len(f.frames) > 0 {
		if r.pos >= r.end {
			return malformed(r.pos, "function has no end")
		}
		at := r.pos
		op := r.data[at]
		r.pos++
		info := &f.ops[op]
		if err := f.immediate(at, op, info); err != nil {
			return err
		}
		f.charge(int64(info.cost))
		if info.nan != 0 {
			f.canonicalise(info.nan)
		}
	}
	if r.left() != 0 {
		return malformed(r.pos, "code behind the end of a function")
	}
	return f.checkSize()
}

// checkSize refuses functions on which a compiler would spend time out of proportion.
func (f *function) checkSize() error {
	branches := f.pieces + f.blocks + f.labels
	if branches > maxBranches {
		return overLimit("branches in one function", branches, maxBranches)
	}
	if f.allBranches += branches * branches; f.allBranches > maxAllBranches {
		return overLimit("branches, squared for each function,", f.allBranches, maxAllBranches)
	}
	if n := branches * uint64(f.locals); n > maxMerges {
		return overLimit("locals times branches in one function", n, maxMerges)
	}
	return f.checkReloads()
}

// checkReloads refuses functions in which a compiler would read globals again and again.
func (f *function) checkReloads() error {
	n := (f.calls + f.pauses + 2) * f.mutable // a pause is a call; two are in prologue and epilogue
	if n > maxReloads {
		return overLimit("calls times mutable globals in one function", n, maxReloads)
	}
	if f.allReloads += n; f.allReloads > maxAllReloads {
		return overLimit("calls times mutable globals", f.allReloads, maxAllReloads)
	}
	return nil
}

func (f *function) immediate(at int, op byte, info *opInfo) error {
	r := &f.reader
	switch info.imm {
	case immNone:
		return nil
	case immLocal:
		_, err := r.index("local", int(f.locals))
		return err
	case immMemArg:
		return f.memArg(at)
	case immShort:
		return r.skipLEB(5, "constant")
	case immLong:
		return r.skipLEB(10, "constant")
	case immFour:
		return r.skip(4, "constant")
	case immEight:
		return r.skip(8, "constant")
	case immSpecial:
		return f.special(at, op)
	case immRefused:
		return refusedOp(at, op)
	}
	panic("meter: unknown kind of immediate")
}

// memArg reads alignment and offset. Bit 6 of the alignment announces the index of a memory.
func (f *function) memArg(at int) error {
	align, err := f.reader.u32("alignment")
	switch {
	case err != nil:
		return err
	case align >= 64 && align < 128:
		return unsupported(at, featureMultiMemory)
	case align >= 32:
		return malformed(at, "unknown alignment")
	}
	return f.reader.skipLEB(5, "offset")
}

// charge adds to the price of the piece being read. Code that cannot be reached is free.
func (f *function) charge(cost int64) {
	if !f.dead {
		f.cost += cost
	}
}

// move accounts for values that one instruction moves: in fuel, in weight and in the module's total.
func (f *function) move(values uint64) error {
	f.charge(int64(values))
	f.weight += weightValue * values
	return f.account(values)
}

func (f *function) account(values uint64) error {
	if f.moved += values; f.moved > maxMoved {
		return overLimit("values in calls and branches", f.moved, maxMoved)
	}
	return nil
}

// flush copies the body up to an offset into the piece.
func (f *function) flush(to int) {
	f.piece = append(f.piece, f.reader.data[f.copied:to]...)
	f.copied = to
}

// cut ends the piece at the reader's position.
func (f *function) cut() {
	f.flush(f.reader.pos)
	switch {
	case f.first:
		f.entry, f.first = f.cost, false
	case f.cost > 0 && f.checked:
		f.code = f.appendChecked(f.code, f.cost+costChecked)
	case f.cost > 0:
		f.code = f.appendCharge(f.code, f.cost+costPiece)
	}
	f.code = append(f.code, f.piece...)
	f.piece, f.cost, f.checked = f.piece[:0], 0, false
	f.pieces++
}

// local returns the index of a scratch local, which it declares at its first use.
func (f *function) local(which int) uint32 {
	if f.scratch[which] == 0 {
		f.scratch[which] = f.locals + uint32(len(f.added)) + 1
		f.added = append(f.added, scratchType(which))
	}
	return f.scratch[which] - 1
}

func scratchType(which int) ValType {
	switch which {
	case scratchCount:
		return I32
	case scratchF32:
		return F32
	case scratchF64:
		return F64
	default:
		return I64
	}
}
