package meter

// special handles the instructions that are more than an opcode and bytes to copy.
func (f *function) special(at int, op byte) error {
	switch op {
	case opUnreachable:
		f.dead = true
		return nil
	case opBlock, opLoop, opIf:
		return f.open(op)
	case opElse:
		return f.orElse(at)
	case opEnd:
		f.closeFrame(at)
		return nil
	case opBr, opBrIf:
		return f.branch(op)
	case opBrTable:
		return f.branchTable()
	case opReturn:
		f.leave(at)
		return nil
	case opCall:
		return f.call()
	case opCallIndirect:
		return f.callIndirect()
	case opPrefix:
		return f.prefixed(at)
	default:
		return f.plain(at, op)
	}
}

// plain handles instructions of which only the immediate is special.
func (f *function) plain(at int, op byte) error {
	r := &f.reader
	var err error
	switch op {
	case opGlobalGet, opGlobalSet:
		return f.m.globalIndex(r)
	case opTableGet:
		_, err = f.m.tableIndex(r)
	case opTableSet:
		f.unrestorable = true
		_, err = f.m.tableIndex(r)
	case opMemorySize:
		return f.m.memoryIndex(r)
	case opMemoryGrow:
		f.chargeLength(at, shiftEntries)
		return f.m.memoryIndex(r)
	case opSelectTyped:
		_, err = r.valTypes("types of select")
	case opRefNull:
		_, err = r.refType("null reference")
	case opRefFunc:
		return f.m.funcReference(r)
	}
	return err
}

func (f *function) open(op byte) error {
	params, results, err := f.blockType()
	if err != nil {
		return err
	}
	if len(f.frames) >= maxNesting {
		return overLimit("nested blocks", uint64(len(f.frames))+1, maxNesting)
	}
	arity := results
	if op == opLoop {
		arity = params
	}
	f.frames = append(f.frames, frame{op: op, arity: arity, dead: f.dead})
	f.blocks++
	if op == opIf {
		f.charge(1)
	}
	f.weight += weightValue * uint64(params+results)
	if op != opBlock {
		f.cut()
	}
	if op == opLoop {
		f.loops++
		f.charge(1)
		f.checked = true
	}
	if f.loops > maxLoopNesting {
		return overLimit("nested loops", uint64(f.loops), maxLoopNesting)
	}
	return f.account(uint64(params + results))
}

// blockType reads the type of a block: empty, one result, or the index of a function type.
func (f *function) blockType() (params, results uint32, err error) {
	r := &f.reader
	at := r.pos
	t, err := r.s33("block type")
	switch {
	case err != nil:
		return 0, 0, err
	case t == -0x40:
		return 0, 0, nil
	case t < 0:
		r.pos = at
		_, err = r.valType("block")
		return 0, 1, err
	case t >= int64(len(f.m.types)):
		return 0, 0, malformed(at, "type does not exist")
	}
	s := &f.m.types[t]
	return uint32(len(s.Params)), uint32(len(s.Results)), nil
}

func (f *function) orElse(at int) error {
	top := &f.frames[len(f.frames)-1]
	if top.op != opIf {
		return malformed(at, "else without if")
	}
	top.op, top.thenEnd = opElse, !f.dead
	f.cut()
	f.dead = top.dead
	return nil
}

// closeFrame handles end. Where paths meet a new piece begins; code behind a block that is left by branches alone, and
// to which none leads, is dead.
func (f *function) closeFrame(at int) {
	top := f.frames[len(f.frames)-1]
	f.frames = f.frames[:len(f.frames)-1]
	if len(f.frames) == 0 {
		f.reader.pos = at
		f.cut()
		f.reader.pos = at + 1
		return
	}
	if top.op == opLoop {
		f.loops--
	}
	meets := top.target || top.op == opIf || top.thenEnd
	switch {
	case top.dead:
		f.dead = true
	case meets:
		f.cut()
		f.dead = false
	}
}

// target marks the block at a depth as branched to and returns how many values go there.
func (f *function) target() (uint32, error) {
	depth, err := f.reader.index("label", len(f.frames))
	if err != nil {
		return 0, err
	}
	to := &f.frames[len(f.frames)-1-int(depth)]
	if !f.dead && to.op != opLoop {
		to.target = true
	}
	return to.arity, nil
}

func (f *function) branch(op byte) error {
	arity, err := f.target()
	if err != nil {
		return err
	}
	f.charge(1)
	if err := f.move(uint64(arity)); err != nil {
		return err
	}
	if op == opBr {
		f.dead = true
		return nil
	}
	f.cut()
	return nil
}

func (f *function) branchTable() error {
	n, err := f.reader.count("labels", maxBodyBytes)
	if err != nil {
		return err
	}
	var arity uint32
	for range n + 1 {
		if arity, err = f.target(); err != nil {
			return err
		}
	}
	f.charge(costPiece + int64(arity))
	f.dead = true
	f.labels += uint64(n) + 1
	// A compiler may make moves for each label, of which one set is carried out.
	return f.account(uint64(arity) * uint64(n))
}

// leave turns return into a branch to the end of the function, where the stack is given back.
func (f *function) leave(at int) {
	f.flush(at)
	f.piece = appendIndexed(f.piece, opBr, uint32(len(f.frames)-1))
	f.copied = f.reader.pos
	f.charge(1 + int64(f.frames[0].arity))
	f.dead = true
}

func (f *function) call() error {
	index, err := f.m.funcIndex(&f.reader)
	if err != nil {
		return err
	}
	f.calls++
	f.called(index < f.m.importedFuncs)
	return f.move(f.m.funcTypeOf(index).values())
}

func (f *function) callIndirect() error {
	r := &f.reader
	index, err := r.index("type", len(f.m.types))
	if err != nil {
		return err
	}
	if _, err := f.m.tableIndex(r); err != nil {
		return err
	}
	f.calls++
	f.charge(costTable)
	f.called(f.m.hostInTables)
	return f.move(f.m.types[index].values())
}

// called charges for a call. The host is not entered once the fuel is gone.
func (f *function) called(host bool) {
	if !host {
		f.charge(costCall)
		return
	}
	f.charge(costHost)
	f.checked = f.checked || !f.dead
}
