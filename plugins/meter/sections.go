package meter

import "strings"

// funcTypeOf returns the signature of a function by its index, which exists.
func (m *module) funcTypeOf(index uint32) FuncType { return m.types[m.funcs[index]] }

func (m *module) typeEntry(r *reader) error {
	at := r.pos
	form, err := r.byte("type")
	switch {
	case err != nil:
		return err
	case form >= 0x4e && form < 0x60:
		return unsupported(at, featureGC)
	case form != 0x60:
		return malformed(at, "unknown form of type")
	}
	params, err := r.valTypes("parameters")
	if err != nil {
		return err
	}
	results, err := r.valTypes("results")
	if err != nil {
		return err
	}
	t := FuncType{Params: params, Results: results}
	if m.allValues += t.values(); m.allValues > maxTypesValues {
		return overLimit("parameters and results of all types", m.allValues, maxTypesValues)
	}
	m.types = append(m.types, t)
	return nil
}

func (r *reader) valTypes(what string) ([]ValType, error) {
	n, err := r.count(what, maxTypeValues)
	if err != nil || n == 0 {
		return nil, err
	}
	types := make([]ValType, n)
	for i := range types {
		if types[i], err = r.valType(what); err != nil {
			return nil, err
		}
	}
	return types, nil
}

func (m *module) importEntry(r *reader) error {
	var i Import
	var err error
	if i.Module, err = r.name("import's module"); err != nil {
		return err
	}
	if i.Name, err = r.name("import's name"); err != nil {
		return err
	}
	at := r.pos
	kind, err := r.byte("import's kind")
	if err != nil {
		return err
	}
	i.Kind = Kind(kind)
	if err := m.importType(at, &i, r); err != nil {
		return err
	}
	m.Imports = append(m.Imports, i)
	return nil
}

func (m *module) importType(at int, i *Import, r *reader) (err error) {
	switch i.Kind {
	case KindFunc:
		if err = m.functionEntry(r); err == nil {
			i.Func = m.funcTypeOf(m.importedFuncs)
			m.importedFuncs++
		}
	case KindTable:
		// Whoever provides the table may have put its own functions into it.
		m.hostInTables = true
		if err = m.tableLimits(r, true); err == nil {
			i.Table = m.tables[len(m.tables)-1].elem
		}
	case KindMemory:
		return unsupported(at, featureImportMemory)
	case KindGlobal:
		if i.Global, err = r.globalType(); err == nil {
			m.globals = append(m.globals, i.Global)
			m.importedGlobals++
		}
	default:
		return refusedKind(at, byte(i.Kind))
	}
	return err
}

// refusedKind names what an unknown kind of import or export stands for.
func refusedKind(at int, kind byte) error {
	if kind == 4 {
		return unsupported(at, featureExceptions)
	}
	return malformed(at, "unknown kind of import or export")
}

func (m *module) functionEntry(r *reader) error {
	at := r.pos
	t, err := r.u32("type index")
	if err != nil {
		return err
	}
	if uint64(t) >= uint64(len(m.types)) {
		return malformed(at, "type does not exist")
	}
	m.funcs = append(m.funcs, t)
	return nil
}

func (m *module) tableEntry(r *reader) error {
	if r.left() > 0 && r.data[r.pos] == 0x40 {
		return unsupported(r.pos, featureTableInit)
	}
	return m.tableLimits(r, false)
}

func (m *module) tableLimits(r *reader, imported bool) error {
	t := table{imported: imported}
	var err error
	if t.elem, err = r.refType("table"); err != nil {
		return err
	}
	t.limits.from = r.pos
	if t.min, t.max, t.hasMax, err = r.limits("table"); err != nil {
		return err
	}
	t.limits.to = r.pos
	m.tables = append(m.tables, t)
	return nil
}

func (m *module) memoryEntry(r *reader) (err error) {
	if m.HasMemory {
		return unsupported(r.pos, featureMultiMemory)
	}
	m.HasMemory = true
	m.MemoryMin, m.MemoryMax, m.HasMemoryMax, err = r.limits("memory")
	return err
}

// limits reads the limits of a table or memory.
func (r *reader) limits(what string) (lo, hi uint32, hasMax bool, err error) {
	at := r.pos
	flags, err := r.byte(what)
	switch {
	case err != nil:
		return 0, 0, false, err
	case flags > 7:
		return 0, 0, false, malformed(at, "unknown limits of a "+what)
	case flags&4 != 0:
		return 0, 0, false, unsupported(at, featureMemory64)
	case flags&2 != 0:
		return 0, 0, false, unsupported(at, featureThreads)
	}
	if lo, err = r.u32("minimum of a " + what); err != nil || flags == 0 {
		return lo, 0, false, err
	}
	hi, err = r.u32("maximum of a " + what)
	return lo, hi, true, err
}

func (r *reader) globalType() (GlobalType, error) {
	t, err := r.valType("global")
	if err != nil {
		return GlobalType{}, err
	}
	at := r.pos
	mutable, err := r.byte("global's mutability")
	if err != nil {
		return GlobalType{}, err
	}
	switch {
	case mutable > 1 && mutable < 4:
		return GlobalType{}, unsupported(at, featureThreads)
	case mutable > 1:
		return GlobalType{}, malformed(at, "unknown mutability")
	}
	return GlobalType{Type: t, Mutable: mutable == 1}, nil
}

func (m *module) globalEntry(r *reader) error {
	t, err := r.globalType()
	if err != nil {
		return err
	}
	if err := m.constExpr(r); err != nil {
		return err
	}
	m.globals = append(m.globals, t)
	return nil
}

func (m *module) exportEntry(r *reader) error {
	at := r.pos
	var e Export
	var err error
	if e.Name, err = r.name("export's name"); err != nil {
		return err
	}
	if isReserved(e.Name) {
		return reserved(e.Name)
	}
	kind, err := r.byte("export's kind")
	if err != nil {
		return err
	}
	e.Kind = Kind(kind)
	index, err := r.u32("export's index")
	if err != nil {
		return err
	}
	if err := m.exportType(at, &e, index); err != nil {
		return err
	}
	m.Exports = append(m.Exports, e)
	return nil
}

func isReserved(name string) bool {
	return strings.HasPrefix(name, FuelGlobal) || strings.HasPrefix(name, StackGlobal) || strings.HasPrefix(name, globalPrefix)
}

// exportType finds what is exported. A function that is exported may be taken by reference and put into a table.
func (m *module) exportType(at int, e *Export, index uint32) error {
	n := uint64(index)
	switch {
	case e.Kind > KindGlobal:
		return refusedKind(at, byte(e.Kind))
	case e.Kind == KindFunc && n < uint64(len(m.funcs)):
		e.Func = m.funcTypeOf(index)
		m.escaping[index] = true
		m.reference(index)
	case e.Kind == KindGlobal && n < uint64(len(m.globals)):
		e.Global = m.globals[index]
	case e.Kind == KindTable && n < uint64(len(m.tables)):
		e.Table = m.tables[index].elem
	case e.Kind == KindMemory && n == 0 && m.HasMemory:
	default:
		return malformed(at, "exported "+e.Kind.String()+" does not exist")
	}
	return nil
}

// reference notes that a function's reference exists, so that an imported one may be called through a table.
func (m *module) reference(index uint32) {
	if index < m.importedFuncs {
		m.hostInTables = true
	}
}

func (m *module) codeEntry(r *reader) error {
	size, err := r.u32("size of a function body")
	if err != nil {
		return err
	}
	body, err := r.sub(size, "function body")
	if err != nil {
		return err
	}
	if size > maxBodyBytes {
		return overLimit("bytes in one function body", uint64(size), maxBodyBytes)
	}
	m.bodies = append(m.bodies, span{body.pos, body.end})
	return nil
}
