package meter

// elementEntry reads an element segment. Its flags are three bits: passive or declarative, explicit table or type,
// expressions instead of function indices.
func (m *module) elementEntry(r *reader) error {
	at := r.pos
	flags, err := r.u32("element segment")
	if err != nil {
		return err
	}
	if flags > 7 {
		return malformed(at, "unknown kind of element segment")
	}
	active, explicit, exprs := flags&1 == 0, flags&2 != 0, flags&4 != 0
	if active {
		if err := m.elementOffset(r, explicit); err != nil {
			return err
		}
	}
	if !active || explicit {
		if err := elementType(r, exprs); err != nil {
			return err
		}
	}
	m.elements++
	return m.elementInit(r, exprs)
}

func (m *module) elementOffset(r *reader, explicit bool) error {
	if explicit {
		if _, err := m.tableIndex(r); err != nil {
			return err
		}
	}
	return m.constExpr(r)
}

func elementType(r *reader, exprs bool) error {
	if exprs {
		_, err := r.refType("element segment")
		return err
	}
	at := r.pos
	kind, err := r.byte("element segment")
	if err == nil && kind != 0 {
		return malformed(at, "unknown kind of elements")
	}
	return err
}

func (m *module) elementInit(r *reader, exprs bool) error {
	n, err := r.count("elements", maxElements)
	if err != nil {
		return err
	}
	if m.allElems += uint64(n); m.allElems > maxElements {
		return overLimit("elements", m.allElems, maxElements)
	}
	for range n {
		if exprs {
			err = m.constExpr(r)
		} else {
			err = m.funcReference(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// funcReference reads the index of a function whose reference is taken.
func (m *module) funcReference(r *reader) error {
	index, err := m.funcIndex(r)
	if err == nil {
		m.reference(index)
	}
	return err
}

func (m *module) dataEntry(r *reader) error {
	at := r.pos
	kind, err := r.u32("data segment")
	if err != nil {
		return err
	}
	if kind > 2 {
		return malformed(at, "unknown kind of data segment")
	}
	if kind == 2 {
		if err := m.memoryIndex(r); err != nil {
			return err
		}
	}
	if kind != 1 {
		if err := m.constExpr(r); err != nil {
			return err
		}
	}
	n, err := r.u32("size of a data segment")
	if err != nil {
		return err
	}
	m.segments++
	_, err = r.sub(n, "data segment")
	return err
}

// constExpr reads a constant expression up to its end.
func (m *module) constExpr(r *reader) error {
	for {
		at := r.pos
		op, err := r.byte("constant expression")
		if err != nil {
			return err
		}
		if op == opEnd {
			return nil
		}
		if err := m.constOp(at, op, r); err != nil {
			return err
		}
	}
}

func (m *module) constOp(at int, op byte, r *reader) error {
	switch op {
	case opI32Const:
		return r.skipLEB(5, "constant")
	case opI64Const:
		return r.skipLEB(10, "constant")
	case opF32Const:
		return r.skip(4, "constant")
	case opF64Const:
		return r.skip(8, "constant")
	case opGlobalGet:
		return m.globalIndex(r)
	case opRefNull:
		_, err := r.refType("null reference")
		return err
	case opRefFunc:
		return m.funcReference(r)
	case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e:
		return unsupported(at, featureExtendedConst)
	default:
		return refusedOp(at, op)
	}
}

// Indices are checked against what the module itself declares, so that none can mean what the rewriter appends.

func (m *module) funcIndex(r *reader) (uint32, error) {
	return r.index("function", len(m.funcs))
}

func (m *module) tableIndex(r *reader) (uint32, error) {
	return r.index("table", len(m.tables))
}

func (m *module) globalIndex(r *reader) error {
	_, err := r.index("global", len(m.globals))
	return err
}

func (m *module) memoryIndex(r *reader) error {
	at := r.pos
	index, err := r.u32("memory index")
	if err == nil && index != 0 {
		return unsupported(at, featureMultiMemory)
	}
	return err
}

// index reads an index below n.
func (r *reader) index(what string, n int) (uint32, error) {
	at := r.pos
	index, err := r.u32(what + " index")
	if err != nil {
		return 0, err
	}
	if uint64(index) >= uint64(n) {
		return 0, malformed(at, what+" does not exist")
	}
	return index, nil
}
