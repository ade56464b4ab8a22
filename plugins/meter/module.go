package meter

import (
	"bytes"
	"fmt"
)

// Section ids of the binary format.
const (
	sectionCustom = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount
	sectionTag
	numSections
)

// module is a parsed module: what the rewriter has to know, and where in data the rest lies.
type module struct {
	data []byte
	Info

	types     []FuncType
	funcs     []uint32 // type index of every function, imported ones first
	tables    []table  // imported ones first
	globals   []GlobalType
	bodies    []span
	elements  uint32 // element segments
	segments  uint32 // data segments
	dataCount uint32 // what the data count section claims
	allElems  uint64
	allValues uint64 // parameters and results of all function types
	names     []byte // content of a well-formed name section, nil without one

	importedFuncs   uint32
	importedGlobals uint32
	// hostInTables says that an imported function may be called indirectly.
	hostInTables bool
	seen         [numSections]bool
	raw          [numSections]span // contents of the sections, for vectors without their count
	counts       [numSections]uint32
	start        uint32          // the index of the start function, with HasStart
	escaping     map[uint32]bool // functions that the host enters: exported, or the start function
}

// table is a table's limits and where they lie.
type table struct {
	limits   span
	elem     ValType
	min      uint32
	max      uint32
	hasMax   bool
	imported bool
}

// parse reads every section but leaves the functions' bodies closed.
func parse(data []byte) (*module, error) {
	if err := checkHeader(data); err != nil {
		return nil, err
	}
	m := &module{data: data, escaping: map[uint32]bool{}}
	r := &reader{data: data, pos: 8, end: len(data)}
	last := 0
	for r.left() > 0 {
		at := r.pos
		id, err := r.byte("section")
		if err != nil {
			return nil, err
		}
		size, err := r.u32("section size")
		if err != nil {
			return nil, err
		}
		content, err := r.sub(size, "section")
		if err != nil {
			return nil, err
		}
		if id != sectionCustom {
			if last, err = nextRank(at, id, last); err != nil {
				return nil, err
			}
		}
		if err := m.section(int(id), content); err != nil {
			return nil, err
		}
	}
	return m, m.checkWhole()
}

// checkHeader tells core modules from components and from everything else.
func checkHeader(data []byte) error {
	switch {
	case !bytes.HasPrefix(data, []byte("\x00asm")):
		return fmt.Errorf("%w; the file begins with %q", ErrNotWasm, data[:min(len(data), 8)])
	case len(data) < 8:
		return malformed(len(data), "version is cut short")
	case data[6] == 1 && data[7] == 0:
		return ErrComponent
	case !bytes.Equal(data[4:8], []byte{1, 0, 0, 0}):
		return malformed(4, "unknown version")
	default:
		return nil
	}
}

// nextRank enforces the order of sections, in which tags follow memories and the data count precedes the code.
func nextRank(at int, id byte, last int) (int, error) {
	if id >= numSections {
		return 0, malformed(at, "unknown section")
	}
	rank := int(id) * 2
	switch id {
	case sectionTag:
		rank = sectionMemory*2 + 1
	case sectionDataCount:
		rank = sectionElement*2 + 1
	}
	if rank <= last {
		return 0, malformed(at, "section out of order")
	}
	return rank, nil
}

// section reads one section and insists that nothing of it is left over.
func (m *module) section(id int, r reader) error {
	if id == sectionCustom {
		return m.custom(&r)
	}
	m.seen[id] = true
	m.raw[id] = span{r.pos, r.end}
	if err := m.content(id, &r); err != nil {
		return err
	}
	if r.left() != 0 {
		return malformed(r.pos, "section is longer than its content")
	}
	return nil
}

func (m *module) content(id int, r *reader) error {
	switch id {
	case sectionType:
		return m.vector(id, r, "types", maxTypes, m.typeEntry)
	case sectionImport:
		return m.vector(id, r, "imports", maxImports, m.importEntry)
	case sectionFunction:
		return m.vector(id, r, "functions", maxFunctions, m.functionEntry)
	case sectionTable:
		return m.vector(id, r, "tables", maxTables, m.tableEntry)
	case sectionMemory:
		return m.vector(id, r, "memories", maxTables, m.memoryEntry)
	case sectionGlobal:
		return m.vector(id, r, "globals", maxGlobals, m.globalEntry)
	case sectionExport:
		return m.vector(id, r, "exports", maxExports, m.exportEntry)
	case sectionElement:
		return m.vector(id, r, "element segments", maxSegments, m.elementEntry)
	case sectionCode:
		return m.vector(id, r, "function bodies", maxFunctions, m.codeEntry)
	case sectionData:
		return m.vector(id, r, "data segments", maxSegments, m.dataEntry)
	case sectionTag:
		return unsupported(r.pos, featureExceptions)
	default:
		return m.number(id, r)
	}
}

// vector reads a section that is a vector; raw then holds its entries without the count.
func (m *module) vector(id int, r *reader, what string, limit uint32, entry func(*reader) error) error {
	n, err := r.count(what, limit)
	if err != nil {
		return err
	}
	m.counts[id] = n
	m.raw[id].from = r.pos
	for range n {
		if err := entry(r); err != nil {
			return err
		}
	}
	return nil
}

// number reads the sections that are one number: start and data count.
func (m *module) number(id int, r *reader) error {
	at := r.pos
	n, err := r.u32("index")
	if err != nil {
		return err
	}
	if id == sectionDataCount {
		m.dataCount = n
		return nil
	}
	if uint64(n) >= uint64(len(m.funcs)) {
		return malformed(at, "start function does not exist")
	}
	if t := m.types[m.funcs[n]]; len(t.Params)+len(t.Results) > 0 {
		return malformed(at, "start function has parameters or results")
	}
	m.HasStart, m.start = true, n
	m.escaping[n] = true
	return nil
}

// custom keeps the first name section that is well-formed, and drops every other custom section, debug data above all.
func (m *module) custom(r *reader) error {
	name, err := r.name("custom section's name")
	if err != nil {
		return err
	}
	if content := r.data[r.pos:r.end]; name == "name" && m.names == nil && checkNames(content) == nil {
		m.names = content
	}
	return nil
}

// checkWhole holds sections against each other.
func (m *module) checkWhole() error {
	end := len(m.data)
	switch {
	case m.counts[sectionFunction] != m.counts[sectionCode]:
		return malformed(end, "number of functions and of bodies differ")
	case m.seen[sectionDataCount] && m.dataCount != m.counts[sectionData]:
		return malformed(end, "data count and number of data segments differ")
	}
	if n := uint64(len(m.bodies)) * uint64(len(m.globals)); n > maxDeclared {
		return overLimit("functions times globals", n, maxDeclared)
	}
	m.Functions = len(m.bodies)
	return nil
}
