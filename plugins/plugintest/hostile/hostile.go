package hostile

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/kvnode/kvnode/plugins/abi"
	"github.com/kvnode/kvnode/plugins/plugintest/wasm"
)

// Fate is what a host has to do with a module.
type Fate string

const (
	// Refused is a module that not loaded.
	Refused Fate = "refused"
	// Trapped is one that is loaded, and whose call is a trap.
	Trapped Fate = "trapped"
	// Judged is one that is loaded, and whose call ends with a verdict.
	Judged Fate = "judged"
)

// Module is a module that means harm.
type Module struct {
	Name string
	Want Fate
	Code []byte
}

// Opcodes.
const (
	unreachable = 0x00
	block       = 0x02
	loop        = 0x03
	ifElse      = 0x04
	end         = 0x0b
	br          = 0x0c
	brIf        = 0x0d
	brTable     = 0x0e
	call        = 0x10
	callTable   = 0x11
	drop        = 0x1a
	localGet    = 0x20
	localSet    = 0x21
	localTee    = 0x22
	store32     = 0x36
	memoryGrow  = 0x40
	add32       = 0x6a
	sub32       = 0x6b
	void        = 0x40
	refFunc     = 0xd2
	prefix      = 0xfc
	memoryInit  = 8
	memoryFill  = 11
	tableGrow   = 15
)

// forever repeats code.
func forever(code ...byte) []byte {
	return wasm.Cat([]byte{loop, void}, code, []byte{br, 0, end, unreachable})
}

// Modules returns one module of each kind of harm, with the same bytes every time.
func Modules() []Module {
	return slices.Concat(endless(), hungry(), compilers(), crowds(), liars(), callers())
}

// handling is a recipe with another handler.
func handling(code ...byte) *recipe { return &recipe{handle: wasm.Body(code...)} }

// endless run for ever, at all places where code runs.
func endless() []Module {
	explode := handling(wasm.Cat(wasm.Const(60), []byte{call, numFuncs})...)
	explode.add(typeMap, wasm.Body(wasm.Cat(
		[]byte{localGet, 0, ifElse, wasm.I32}, deeper(), deeper(), []byte{add32, 0x05}, wasm.Const(1), []byte{end})...))
	runaway := handling(wasm.Cat(wasm.Const(0), []byte{call, numFuncs})...)
	runaway.add(typeMap, wasm.Body(deeper()...))
	wide := handling(wasm.Cat(wasm.Const(0), []byte{call, numFuncs})...)
	wide.add(typeMap, wasm.BodyWithLocals(40_000, wasm.I64, deeper()...))
	start := &recipe{start: true}
	start.add(typeNothing, wasm.Body(forever()...))
	initialise := &recipe{initialise: true}
	initialise.add(typeNothing, wasm.Body(forever()...))
	long := &recipe{handle: wasm.BodyWithLocals(1, wasm.I32, wasm.Cat(wasm.Const(1_500_000), []byte{localSet, 1, loop, void, localGet, 1},
		wasm.Const(1), []byte{sub32, localTee, 1, brIf, 0, end}, wasm.Const(0))...)}
	return []Module{
		{"endless loop", Trapped, handling(forever()...).module()},
		{"long loop", Judged, long.module()},
		{"endless loop of bulk operations", Trapped, handling(forever(fill(0, 128<<10)...)...).module()},
		{"exponential recursion", Trapped, explode.module()},
		{"runaway recursion", Trapped, runaway.module()},
		{"runaway recursion with 40,000 locals", Trapped, wide.module()},
		{"endless start function", Refused, start.module()},
		{"endless _initialize", Refused, initialise.module()},
		{"endless kv_alloc", Refused, (&recipe{alloc: wasm.Body(forever()...)}).module()},
	}
}

// deeper calls the recipe's first function with one less than this one's parameter.
func deeper() []byte {
	return wasm.Cat([]byte{localGet, 0}, wasm.Const(1), []byte{sub32, call, numFuncs})
}

// fill writes to n bytes of memory.
func fill(at, n int32) []byte {
	return wasm.Cat(wasm.Const(at), wasm.Const(7), wasm.Const(n), []byte{prefix, memoryFill, 0})
}

// hungry want memory, tables, globals and segments without end.
func hungry() []Module {
	grow := func(pages int32) []byte { return wasm.Cat(wasm.Const(pages), []byte{memoryGrow, 0, drop}) }
	all := wasm.Cat(grow(254), fill(0, 256*64<<10), wasm.Const(0)) // of the 16 MiB that are the default
	table := wasm.Cat([]byte{wasm.FuncRef, 0}, wasm.Number(1))
	tables := handling(forever(wasm.Cat([]byte{refFunc, funcVersion}, wasm.Const(60_000), []byte{prefix, tableGrow, 0, drop})...)...)
	tables.tables = [][]byte{table}
	tables.exports = [][]byte{wasm.Cat(wasm.Text("ref"), []byte{0, funcVersion})}
	initialise := &recipe{initialise: true}
	initialise.add(typeNothing, wasm.Body(wasm.Cat(grow(254), fill(0, 256*64<<10))...))
	global := wasm.Cat([]byte{wasm.I64, 1, 0x42, 0, end})
	entries := wasm.Cat([]byte{0}, wasm.Const(0), []byte{end}, wasm.Vec(slices.Repeat([][]byte{{0}}, 1<<20)...))
	passive := wasm.Cat([]byte{1}, wasm.Vec(slices.Repeat([][]byte{{'x'}}, 16)...))
	return []Module{
		{"memory that grows by 4 GiB", Judged, handling(wasm.Cat(grow(65536), wasm.Const(0))...).module()},
		{"memory that grows for ever", Trapped, handling(forever(grow(1)...)...).module()},
		{"all memory, written to", Judged, handling(all...).module()},
		{"all memory, written to for ever", Trapped, handling(wasm.Cat(grow(254), forever(fill(0, 256*64<<10)...))...).module()},
		{"all memory, written to at initialisation", Judged, initialise.module()},
		{"memory of 4 GiB from the start", Refused, (&recipe{memory: wasm.Cat([]byte{0}, wasm.Number(65536))}).module()},
		{"memory of 4 GiB at most", Judged, (&recipe{memory: wasm.Cat([]byte{1, 2}, wasm.Number(65536))}).module()},
		{"table that grows for ever", Trapped, tables.module()},
		{"table of 4 G entries", Refused, (&recipe{tables: [][]byte{wasm.Cat([]byte{wasm.FuncRef, 0}, wasm.Number(1<<32-1))}}).module()},
		{"a hundred tables", Refused, (&recipe{tables: slices.Repeat([][]byte{table}, 100)}).module()},
		{"a million elements behind a table", Judged, (&recipe{tables: [][]byte{table}, elements: [][]byte{entries}}).module()},
		{"4,096 globals", Judged, (&recipe{globals: slices.Repeat([][]byte{global}, 4096)}).module()},
		{"65,536 data segments", Judged, (&recipe{data: slices.Repeat([][]byte{passive}, 1<<16)}).module()},
	}
}

// compilers are made to keep a compiler busy.
func compilers() []Module {
	many := func(n int, body []byte) []byte {
		r := &recipe{}
		for range n {
			r.add(typeNothing, body)
		}
		return r.module()
	}
	one := func(code ...byte) []byte { return handling(wasm.Cat(code, wasm.Const(0))...).module() }
	repeat := func(n int, code ...byte) []byte { return bytes.Repeat(code, n) }
	nest := func(n int, opener byte) []byte { return wasm.Cat(repeat(n, opener, void), repeat(n, end)) }
	labels := func(n int) []byte {
		return wasm.Cat([]byte{block, void}, wasm.Const(0), []byte{brTable}, wasm.Number(n), make([]byte, n+1), []byte{end})
	}
	values := &recipe{types: [][]byte{wasm.FuncType(repeat(1000, wasm.I64), repeat(1000, wasm.I64))}}
	values.add(numTypes, wasm.Body(wasm.Cat([]byte{unreachable}, repeat(4000, call, numFuncs))...))
	sum := wasm.Cat(wasm.Const(1), repeat(349_000, 0x41, 1, add32), []byte{drop})
	return []Module{
		{"131,000 functions", Judged, many(131_000, wasm.Body())},
		{"a thousand functions with 8,000 locals", Judged, many(1000, wasm.BodyWithLocals(8000, wasm.I64))},
		{"49,000 locals", Judged, many(1, wasm.BodyWithLocals(49_000, wasm.I64))},
		{"9,999 blocks in each other", Judged, one(nest(9_999, block)...)},
		{"499 loops in each other", Judged, one(nest(499, loop)...)},
		{"100,000 blocks in each other", Refused, one(nest(100_000, block)...)},
		{"a table of 19,000 labels", Judged, one(labels(19_000)...)},
		{"a table of a million labels", Refused, one(labels(1_000_000)...)},
		{"6,500 branches", Judged, one(repeat(6_500, 0x41, 0, ifElse, void, end)...)},
		{"three times 6,500 branches", Refused, many(3, wasm.Body(repeat(6_500, 0x41, 0, ifElse, void, end)...))},
		{"a hundred times 9,999 blocks in each other", Refused, many(100, wasm.Body(nest(9_999, block)...))},
		{"100,000 branches", Refused, one(repeat(100_000, 0x41, 0, ifElse, void, end)...)},
		{"690 branches with a thousand locals", Judged, many(1, wasm.BodyWithLocals(1000, wasm.I64,
			repeat(690, 0x41, 0, ifElse, void, 0x42, 1, localSet, 3, end)...))},
		{"calls that move eight million values", Judged, values.module()},
		{"sixteen sums of 349,000 terms", Judged, many(16, wasm.Body(sum...))},
		{"a body of 1 MiB", Refused, one(repeat(1<<20, 0x01)...)},
	}
}

// crowds declare much, and have a compiler look at all of it again and again.
func crowds() []Module {
	global := []byte{wasm.I64, 1, 0x42, 0, end}
	among := func(globals, functions, calls int) []byte {
		r := &recipe{globals: slices.Repeat([][]byte{global}, globals)}
		for range functions {
			r.add(typeNothing, wasm.Body(bytes.Repeat([]byte{call, funcVersion, drop}, calls)...))
		}
		return r.module()
	}
	wide := &recipe{types: slices.Repeat([][]byte{wasm.FuncType(bytes.Repeat([]byte{wasm.I64}, 1000), bytes.Repeat([]byte{wasm.I64}, 1000))}, 8000)}
	return []Module{
		{"300,000 calls among 4,096 globals", Refused, among(4096, 1, 300_000)},
		{"a hundred times 250 calls among 4,000 globals", Refused, among(4000, 100, 250)},
		{"250 calls among 4,000 globals", Judged, among(4000, 8, 250)},
		{"131,000 functions among 4,000 globals", Refused, among(4000, 131_000, 0)},
		{"sixteen million values in types", Refused, wide.module()},
	}
}

// liars answer with what is not there.
func liars() []Module {
	var all []Module
	wild := []int32{-1, -8, -1 << 31, 128 << 10, 128<<10 - 1, 1}
	for _, field := range []struct {
		name    string
		pointer int32
		status  abi.Status
	}{{"value", abi.OffOut, abi.StatusSet}, {"text", abi.OffReply, abi.StatusError}} {
		for i, p := range wild {
			code := wasm.Cat(put(field.pointer, p), put(field.pointer+4, wild[len(wild)-1-i]|2), wasm.Const(int32(field.status)))
			all = append(all, Module{"wild " + field.name + " " + strconv.Itoa(i), Trapped, handling(code...).module()})
		}
		code := wasm.Cat(put(field.pointer, 64), put(field.pointer+4, -1), wasm.Const(int32(field.status)))
		all = append(all, Module{field.name + " of 4 GiB", Trapped, handling(code...).module()})
	}
	for i, p := range []int32{-1, -1 << 31, 2, 1 << 30} {
		code := wasm.Cat(put(abi.OffAux, p), wasm.Const(int32(abi.StatusPick)))
		all = append(all, Module{"wild pick " + strconv.Itoa(i), Trapped, handling(code...).module()})
	}
	for _, status := range []int32{4, 5, 1 << 30, 1<<31 - 1} {
		all = append(all, Module{"status " + strconv.Itoa(int(status)), Trapped, handling(wasm.Const(status)...).module()})
	}
	for _, p := range []int32{0, -1, -8, 1, frameAt + 1, 128 << 10, frameAt + 8, -1 << 31} {
		all = append(all, Module{"buffer at " + strconv.Itoa(int(p)), Refused, (&recipe{alloc: wasm.Body(wasm.Const(p)...)}).module()})
	}
	const grown = 128 << 10 // the first byte of what the call adds
	growth := wasm.Cat(wasm.Const(1), []byte{memoryGrow, 0, drop}, fill(grown, 64<<10), put(abi.OffOut, grown), put(abi.OffOutLen, 64<<10), wasm.Const(1))
	return append(all,
		Module{"value in memory that the call has added", Judged, handling(growth...).module()},
		Module{"value behind memory that the call has added", Trapped, handling(wasm.Cat(growth[:len(growth)-2], put(abi.OffOutLen, 64<<10+1), wasm.Const(1))...).module()},
		Module{"frame overwritten", Trapped, handling(wasm.Cat(overwriteFrame(), wasm.Const(3))...).module()},
	)
}

// put stores a number in the frame.
func put(field, v int32) []byte {
	return wasm.Cat([]byte{localGet, 0}, wasm.Const(v), []byte{store32, 2}, wasm.Number(int(field)))
}

// overwriteFrame fills the memory from the frame on.
func overwriteFrame() []byte {
	return wasm.Cat([]byte{localGet, 0}, wasm.Const(-1), wasm.Const(frameAt), []byte{prefix, memoryFill, 0})
}

// callers use imports and exports as nobody should.
func callers() []Module {
	log := wasm.FuncType([]byte{wasm.I32, wasm.I32, wasm.I32}, nil)
	imported := func(module, name string, of int) []byte {
		return wasm.Cat(wasm.Text(module), wasm.Text(name), []byte{0}, wasm.Number(of))
	}
	logger := func(code ...byte) *recipe {
		r := handling(code...)
		r.types, r.imports = [][]byte{log}, [][]byte{imported(abi.ImportLog, "log", numTypes)}
		return r
	}
	say := func(at, n int32) []byte {
		return wasm.Cat(wasm.Const(1), wasm.Const(at), wasm.Const(n), []byte{call, 0})
	}
	talker := logger(wasm.Cat(say(0, 5), forever())...)
	talker.data = [][]byte{wasm.Cat([]byte{0}, wasm.Const(0), []byte{end}, wasm.Text("hello"))}
	repeated := logger(wasm.Const(0)...)
	repeated.imports = slices.Repeat(repeated.imports, 4096)
	long := logger(wasm.Const(0)...)
	long.imports = append(long.imports, imported(string(bytes.Repeat([]byte{'m'}, 1<<20)), "f", typeNothing))
	names := &recipe{}
	for i := range 65_000 {
		names.exports = append(names.exports, wasm.Cat(wasm.Text("e"+strconv.Itoa(i)), []byte{0, funcVersion}))
	}
	indirect := handling(wasm.Cat(wasm.Const(0), wasm.Const(0), []byte{callTable, typeMap, 0})...)
	indirect.tables = [][]byte{{wasm.FuncRef, 0, 1}}
	modules := []Module{
		{"a log line of 4 GiB", Trapped, logger(wasm.Cat(say(64<<10, -1), say(-8, 1<<20), wasm.Const(0))...).module()},
		{"a log line behind the memory", Trapped, logger(wasm.Cat(say(128<<10, 1), wasm.Const(0))...).module()},
		{"a log line, and an endless loop", Trapped, talker.module()},
		{"log lines for ever", Trapped, logger(forever(say(0, 1024)...)...).module()},
		{"the same import 4,096 times", Judged, repeated.module()},
		{"an import of a name of 1 MiB", Refused, long.module()},
		{"65,000 exports", Judged, names.module()},
		{"a call of a null function", Trapped, indirect.module()},
	}
	for _, f := range [][2]string{
		{abi.ImportWASI, "path_open"},
		{abi.ImportWASI, "sock_accept"},
		{abi.ImportWASI, "proc_raise"},
		{"env", "memory_grow"},
		{"wasi_unstable", "fd_write"},
		{"", ""},
		{"kvnode", "put"},
		{"go", "debug"},
	} {
		r := &recipe{imports: [][]byte{imported(f[0], f[1], typeNothing)}}
		modules = append(modules, Module{"import of " + f[0] + "." + f[1], Refused, r.module()})
	}
	return modules
}
