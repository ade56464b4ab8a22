package meter

// rewriter puts a rewritten module together.
type rewriter struct {
	m      *module
	config Config
	f      function

	code     []byte // entries of the code section
	newTypes []byte // appended entries of the type section
	numTypes uint32
	wrappers map[string]uint32 // type without parameters for each list of results
}

func newRewriter(m *module, c Config) *rewriter {
	fuel := uint32(len(m.globals))
	return &rewriter{
		m:      m,
		config: c,
		f: function{
			m: m, ops: newOpTable(), fuelGlobal: fuel, stackGlobal: fuel + 1, pause: uint32(len(m.funcs)),
			mutable: uint64(len(m.mutableGlobals())) + numCounters,
		},
		code:     make([]byte, 0, m.raw[sectionCode].len()*2),
		wrappers: map[string]uint32{},
	}
}

func (w *rewriter) functions() error {
	for i, body := range w.m.bodies {
		index := w.m.importedFuncs + uint32(i)
		if err := w.f.read(body, w.m.funcTypeOf(index)); err != nil {
			return err
		}
		w.code = w.function(w.code, index)
		if len(w.code) > maxModuleBytes {
			return overLimit("bytes of metered code", uint64(len(w.code)), maxModuleBytes)
		}
	}
	return nil
}

// function appends the function that was just read:
//
//	take fuel and stack, pause if either is below zero
//	block: the pieces; return is a branch to its end
//	give the stack back; pause if the host would get control without fuel
//
// A light function that calls nothing takes no stack and needs no block, unless the host calls it.
func (w *rewriter) function(b []byte, index uint32) []byte {
	f := &w.f
	weighed := f.calls > 0 || f.weight > weightLeaf
	escapes := w.m.escaping[index]
	prologue := w.prologue(nil, weighed)
	var epilogue []byte
	if weighed {
		epilogue = w.giveBack(epilogue)
	}
	if escapes {
		epilogue = f.appendPause(appendIndexed(epilogue, opGlobalGet, f.fuelGlobal))
	}
	var open []byte
	if weighed || escapes {
		open = w.blockType([]byte{opBlock})
		epilogue = append([]byte{opEnd}, epilogue...)
	}
	locals := f.localDeclarations()
	size := len(locals) + len(prologue) + len(open) + len(f.code) + len(epilogue) + 1
	b = appendU32(b, uint32(size))
	for _, part := range [][]byte{locals, prologue, open, f.code, epilogue} {
		b = append(b, part...)
	}
	return append(b, opEnd)
}

// localDeclarations returns the function's groups of locals with the scratch locals appended.
func (f *function) localDeclarations() []byte {
	b := appendU32(nil, f.groups+uint32(len(f.added)))
	b = append(b, f.reader.data[f.groupText.from:f.groupText.to]...)
	for _, t := range f.added {
		b = append(b, 1, byte(t))
	}
	return b
}

func (w *rewriter) prologue(b []byte, weighed bool) []byte {
	f := &w.f
	if !weighed {
		return f.appendChecked(b, f.entry)
	}
	fuel, left := f.local(scratchFuel), f.local(scratchCount)
	b = appendIndexed(b, opGlobalGet, f.fuelGlobal)
	b = append(appendConst64(b, f.entry+costFrame), opI64Sub)
	b = appendIndexed(appendIndexed(b, opLocalTee, fuel), opGlobalSet, f.fuelGlobal)
	b = appendIndexed(b, opGlobalGet, f.stackGlobal)
	b = append(appendConst32(b, f.frameWeight()), opI32Sub)
	b = appendIndexed(appendIndexed(b, opLocalTee, left), opGlobalSet, f.stackGlobal)
	// Either is below zero when their union has the sign bit set.
	b = appendIndexed(b, opLocalGet, fuel)
	b = append(appendIndexed(b, opLocalGet, left), opI64ExtendS, opI64Or)
	return f.appendPause(b)
}

func (w *rewriter) giveBack(b []byte) []byte {
	b = appendIndexed(b, opGlobalGet, w.f.stackGlobal)
	b = append(appendConst32(b, w.f.frameWeight()), opI32Add)
	return appendIndexed(b, opGlobalSet, w.f.stackGlobal)
}

// frameWeight is at most weightMax, so that the counter, which was not below zero before, cannot wrap around.
func (f *function) frameWeight() int32 { return int32(min(f.weight, weightMax)) }

// blockType writes the type of a block with the function's results. Several need a type without parameters, which is
// appended unless it was needed before.
func (w *rewriter) blockType(b []byte) []byte {
	results := w.f.signature.Results
	switch len(results) {
	case 0:
		return append(b, emptyBlock)
	case 1:
		return append(b, byte(results[0]))
	}
	return appendS64(b, int64(w.typeOf(results)))
}

// typeOf returns the index of the type without parameters that has the results.
func (w *rewriter) typeOf(results []ValType) uint32 {
	text := typeText(results)
	index, ok := w.wrappers[string(text)]
	if !ok {
		index = uint32(len(w.m.types)) + w.numTypes
		w.wrappers[string(text)] = index
		w.newTypes = append(w.newTypes, text...)
		w.numTypes++
	}
	return index
}

func typeText(results []ValType) []byte {
	b := appendU32([]byte{0x60, 0}, uint32(len(results)))
	for _, t := range results {
		b = append(b, byte(t))
	}
	return b
}

// assemble writes the sections in their order.
func (w *rewriter) assemble() ([]byte, error) {
	entries, numAdded := w.pauseFunction()
	start, numStarts := w.startFunction()
	entries, numAdded = append(entries, start...), numAdded+numStarts
	out := make([]byte, 0, len(w.m.data)+len(w.code)+len(w.code)/8)
	out = append(out, w.m.data[:8]...)
	out = w.extended(out, sectionType, w.newTypes, w.numTypes)
	var err error
	if out, err = w.clamped(out, sectionImport); err != nil {
		return nil, err
	}
	out = w.extended(out, sectionFunction, entries, numAdded)
	if out, err = w.clamped(out, sectionTable); err != nil {
		return nil, err
	}
	out = w.verbatim(out, sectionMemory)
	out = w.extended(out, sectionGlobal, w.newGlobals(), numCounters)
	exports, n := w.newExports(numAdded)
	out = w.extended(out, sectionExport, exports, n)
	for _, id := range []int{sectionElement, sectionDataCount} {
		out = w.verbatim(out, id)
	}
	if w.m.seen[sectionCode] || numAdded > 0 {
		out = appendSection(out, sectionCode, appendU32(nil, w.m.counts[sectionCode]+numAdded), w.code)
	}
	out = w.verbatim(out, sectionData)
	if w.m.names != nil {
		out = appendSection(out, sectionCustom, appendName(nil, "name"), w.m.names)
	}
	return out, nil
}

// verbatim copies a section that needs no change.
func (w *rewriter) verbatim(out []byte, id int) []byte {
	if !w.m.seen[id] {
		return out
	}
	return w.extended(out, id, nil, 0)
}

// extended copies a section with further entries appended.
func (w *rewriter) extended(out []byte, id int, entries []byte, n uint32) []byte {
	m := w.m
	if !m.seen[id] && n == 0 {
		return out
	}
	raw := m.data[m.raw[id].from:m.raw[id].to]
	if id == sectionDataCount {
		return appendSection(out, byte(id), raw)
	}
	return appendSection(out, byte(id), appendU32(nil, m.counts[id]+n), raw, entries)
}

// clamped copies the import or table section with the limits of its tables lowered.
func (w *rewriter) clamped(out []byte, id int) ([]byte, error) {
	m := w.m
	if !m.seen[id] {
		return out, nil
	}
	content := appendU32(nil, m.counts[id])
	from := m.raw[id].from
	for i := range m.tables {
		t := &m.tables[i]
		if t.imported != (id == sectionImport) {
			continue
		}
		if t.min > w.config.MaxTableEntries {
			return nil, overLimit("table entries", uint64(t.min), uint64(w.config.MaxTableEntries))
		}
		content = append(content, m.data[from:t.limits.from]...)
		content = w.tableLimits(content, t)
		from = t.limits.to
	}
	content = append(content, m.data[from:m.raw[id].to]...)
	return appendSection(out, byte(id), content), nil
}

// tableLimits writes a table's limits. A maximum below the minimum stays as it is, for the runtime to refuse.
func (w *rewriter) tableLimits(b []byte, t *table) []byte {
	hi := w.config.MaxTableEntries
	if t.hasMax {
		hi = min(hi, t.max)
	}
	return appendU32(appendU32(append(b, 1), t.min), hi)
}

func (w *rewriter) newGlobals() []byte {
	slice := min(w.config.InitFuel, Slice)
	b := []byte{byte(I64), 1}
	b = append(appendConst64(b, slice), opEnd)
	b = append(b, byte(I32), 1)
	b = append(appendConst32(b, int32(w.config.StackBudget)), opEnd)
	b = append(b, byte(I64), 1)
	return append(appendConst64(b, w.config.InitFuel-slice), opEnd)
}

// newExports exports the globals and, of the functions that were added, the last if it is the start.
func (w *rewriter) newExports(numAdded uint32) (b []byte, n uint32) {
	export := func(name string, index uint32) {
		b = appendU32(append(appendName(b, name), byte(KindGlobal)), index)
		n++
	}
	export(FuelGlobal, w.f.fuelGlobal)
	export(StackGlobal, w.f.stackGlobal)
	export(RestGlobal, w.f.restGlobal())
	for _, index := range w.m.mutableGlobals() {
		export(globalName(index), index)
	}
	if w.m.HasStart {
		b = appendU32(append(appendName(b, StartExport), byte(KindFunc)), uint32(len(w.m.funcs))+numAdded-1)
		n++
	}
	return b, n
}

func (w *rewriter) globalNames() []string {
	names := []string{}
	for _, index := range w.m.mutableGlobals() {
		names = append(names, globalName(index))
	}
	return names
}
