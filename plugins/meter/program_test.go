package meter_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"pgregory.net/rapid"

	"github.com/kvnode/kvnode/plugins/meter"
	"github.com/kvnode/kvnode/plugins/plugintest/wasm"
)

// The value types of generated programs and the locals of each: parameters first, then the function's own, then the
// counters of loops, which only loops touch.
const (
	tI32 = 0x7f
	tI64 = 0x7e
	tF64 = 0x7c

	firstCounter = 7
	maxLoops     = 3
	numFunctions = 4
)

func localsOf(t byte) []int {
	switch t {
	case tI32:
		return []int{0, 3, 4}
	case tI64:
		return []int{1, 5}
	default:
		return []int{2, 6}
	}
}

// program writes a random, valid and finite function (i32 i64 f64) -> i64.
type program struct {
	t      *rapid.T
	index  int    // of the function; it calls lower ones only
	labels []bool // open blocks from the outside; true where a branch carries nothing and leads forward
	loops  int
}

func (p *program) pick(n int) int { return rapid.IntRange(0, n-1).Draw(p.t, "pick") }

func oneOf[T any](p *program, choices ...T) T { return choices[p.pick(len(choices))] }

func leb(v int64) []byte {
	var b []byte
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// within writes something inside a block.
func (p *program) within(forward bool, write func() []byte) []byte {
	p.labels = append(p.labels, forward)
	b := write()
	p.labels = p.labels[:len(p.labels)-1]
	return b
}

func (p *program) expr(t byte, depth int) []byte {
	if depth == 0 || p.pick(4) == 0 {
		return p.leaf(t)
	}
	a := func(t byte) []byte { return p.expr(t, depth-1) }
	switch p.pick(12) {
	case 0:
		return wasm.Cat(a(t), a(t), a(tI32), []byte{0x1b})
	case 1:
		return wasm.Cat(a(tI32), []byte{0x04, t}, p.within(false, func() []byte { return wasm.Cat(a(t), []byte{0x05}, a(t), []byte{0x0b}) }))
	case 2:
		return wasm.Cat([]byte{0x02, t}, p.within(false, func() []byte {
			return wasm.Cat(p.stmt(depth-1), a(t), a(tI32), []byte{0x0d, 0, 0x0b})
		}))
	case 3:
		return wasm.Cat(a(t), []byte{0x22, byte(oneOf(p, localsOf(t)...))})
	}
	switch t {
	case tI32:
		return p.i32(a)
	case tI64:
		return p.i64(a)
	default:
		return p.f64(a)
	}
}

func (p *program) leaf(t byte) []byte {
	if p.pick(2) == 0 {
		return []byte{0x20, byte(oneOf(p, localsOf(t)...))}
	}
	switch t {
	case tI32:
		return wasm.Cat([]byte{0x41}, leb(int64(rapid.Int32().Draw(p.t, "i32"))))
	case tI64:
		return wasm.Cat([]byte{0x42}, leb(rapid.Int64().Draw(p.t, "i64")))
	default:
		return binary.LittleEndian.AppendUint64([]byte{0x44}, math.Float64bits(rapid.Float64().Draw(p.t, "f64")))
	}
}

func (p *program) i32(a func(byte) []byte) []byte {
	switch p.pick(6) {
	case 0:
		return wasm.Cat(a(tF64), a(tF64), []byte{oneOf[byte](p, 0x61, 0x63, 0x66)})
	case 1:
		return wasm.Cat(a(tI64), []byte{oneOf[byte](p, 0x50, 0xa7)})
	case 2:
		return wasm.Cat(a(tI32), []byte{0x41, 0xff, 0x07, 0x71, 0x28, 2, 8}) // a load below 1 KiB
	case 3:
		return wasm.Cat(a(tF64), []byte{0xfc, 2})
	case 4:
		return wasm.Cat(a(tI32), []byte{oneOf[byte](p, 0x45, 0x67, 0x69, 0xc0)})
	default:
		return wasm.Cat(a(tI32), a(tI32), []byte{oneOf[byte](p, 0x6a, 0x6b, 0x6c, 0x6e, 0x71, 0x73, 0x74, 0x48)})
	}
}

func (p *program) i64(a func(byte) []byte) []byte {
	switch choice := p.pick(5); {
	case choice == 0 && p.index > 0:
		return wasm.Cat(a(tI32), a(tI64), a(tF64), []byte{0x10, byte(p.pick(p.index))})
	case choice == 1 && p.index > 0:
		return wasm.Cat(a(tI32), a(tI64), a(tF64), []byte{0x41, byte(p.pick(p.index)), 0x11, 0, 0})
	case choice == 2:
		return wasm.Cat(a(tI32), []byte{0xac})
	case choice == 3:
		return wasm.Cat(a(tF64), []byte{0xfc, 6})
	default:
		return wasm.Cat(a(tI64), a(tI64), []byte{oneOf[byte](p, 0x7c, 0x7d, 0x7e, 0x82, 0x84, 0x87)})
	}
}

func (p *program) f64(a func(byte) []byte) []byte {
	switch p.pick(4) {
	case 0:
		return wasm.Cat(a(tI64), []byte{oneOf[byte](p, 0xb9, 0xbf)})
	case 1:
		return wasm.Cat(a(tF64), []byte{oneOf[byte](p, 0x99, 0x9a, 0x9b, 0x9e, 0x9f)})
	case 2:
		return wasm.Cat(a(tF64), []byte{0xb6, 0x91, 0xbb})
	default:
		return wasm.Cat(a(tF64), a(tF64), []byte{oneOf[byte](p, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5)})
	}
}

func (p *program) stmts(depth int) []byte {
	var b []byte
	for range p.pick(3) + 1 {
		b = append(b, p.stmt(depth)...)
	}
	return b
}

func (p *program) stmt(depth int) []byte {
	if depth <= 0 {
		return p.assign(0)
	}
	inner := func() []byte { return p.stmts(depth - 1) }
	switch p.pick(9) {
	case 0:
		return wasm.Cat(p.expr(tI32, depth-1), []byte{0x04, 0x40}, p.within(true, func() []byte {
			return wasm.Cat(inner(), []byte{0x05}, inner())
		}), []byte{0x0b})
	case 1:
		return wasm.Cat(p.expr(tI32, depth-1), []byte{0x04, 0x40}, p.within(true, func() []byte {
			return wasm.Cat(p.expr(tI64, depth-1), []byte{0x0f})
		}), []byte{0x0b})
	case 2:
		return wasm.Cat([]byte{0x02, 0x40}, p.within(true, inner), []byte{0x0b})
	case 3:
		return p.loop(inner)
	case 4:
		return p.leave(depth)
	case 5:
		return wasm.Cat(p.expr(tI32, depth-1), []byte{0x41, 0xff, 0x07, 0x71}, p.expr(tI64, depth-1), []byte{0x37, 3, 16})
	case 6:
		return wasm.Cat([]byte{0x41, 0x80, 0x08, 0x41, 5}, p.expr(tI32, depth-1), []byte{0x41, 0xff, 0x01, 0x71, 0xfc, 11, 0})
	case 7:
		return wasm.Cat(p.expr(tI64, depth-1), []byte{0x23, 0, 0x7c, 0x24, 0})
	default:
		return p.assign(depth)
	}
}

func (p *program) assign(depth int) []byte {
	t := oneOf[byte](p, tI32, tI64, tF64)
	return wasm.Cat(p.expr(t, max(depth-1, 0)), []byte{0x21, byte(oneOf(p, localsOf(t)...))})
}

// loop runs at most four times.
func (p *program) loop(inner func() []byte) []byte {
	if p.loops == maxLoops {
		return inner()
	}
	c := byte(firstCounter + p.loops)
	p.loops++
	text := p.within(false, inner)
	p.loops--
	return wasm.Cat([]byte{0x41, 4, 0x21, c, 0x03, 0x40}, text, []byte{0x20, c, 0x41, 1, 0x6b, 0x22, c, 0x0d, 0, 0x0b})
}

// leave branches out of enclosing blocks: conditionally, by a table, or for good.
func (p *program) leave(depth int) []byte {
	var forward []byte
	for i, ok := range p.labels {
		if ok {
			forward = append(forward, byte(len(p.labels)-1-i))
		}
	}
	if len(forward) == 0 {
		return p.assign(depth)
	}
	to := oneOf(p, forward...)
	switch p.pick(3) {
	case 0:
		return wasm.Cat(p.expr(tI32, depth-1), []byte{0x0e, 2, oneOf(p, forward...), to, oneOf(p, forward...)})
	case 1:
		return []byte{0x0c, to}
	default:
		return wasm.Cat(p.expr(tI32, depth-1), []byte{0x0d, to})
	}
}

// drawModule draws numFunctions functions, each exported under its number, with a memory, a table and a global.
func drawModule(t *rapid.T) []byte {
	var bodies, exports, types, elements [][]byte
	for i := range numFunctions {
		p := &program{t: t, index: i, labels: nil}
		code := wasm.Cat([]byte{4, 2, tI32, 1, tI64, 1, tF64, maxLoops, tI32}, p.stmts(4), p.expr(tI64, 3), []byte{0x0b})
		bodies = append(bodies, wasm.Cat(wasm.Number(len(code)), code))
		types = append(types, []byte{0})
		elements = append(elements, []byte{byte(i)})
		if i != 1 { // one that only others call
			exports = append(exports, wasm.Cat(wasm.Text(string(rune('0'+i))), []byte{0, byte(i)}))
		}
	}
	exports = append(exports, wasm.Cat(wasm.Text("memory"), []byte{2, 0}))
	return wasm.Module(
		wasm.Section(1, wasm.Vec(wasm.FuncType([]byte{tI32, tI64, tF64}, []byte{tI64}))), wasm.Section(3, wasm.Vec(types...)),
		wasm.Section(4, wasm.Vec([]byte{0x70, 0, numFunctions})), wasm.Section(5, wasm.Vec([]byte{0, 1})),
		wasm.Section(6, wasm.Vec([]byte{tI64, 1, 0x42, 0, 0x0b})), wasm.Section(7, wasm.Vec(exports...)),
		wasm.Section(9, wasm.Vec(wasm.Cat([]byte{0, 0x41, 0, 0x0b}, wasm.Vec(elements...)))), wasm.Section(10, wasm.Vec(bodies...)))
}

func TestGeneratedProgramsDoWhatTheyDid(t *testing.T) {
	r, i := newRuntime(t, compiler()), newRuntime(t, interpreter())
	rapid.Check(t, func(rt *rapid.T) {
		module := drawModule(rt)
		res, err := meter.Rewrite(module, meter.Config{})
		require.NoError(rt, err)
		worlds := []guest{spawn(t, rt, r, module), spawn(t, rt, r, res.Module), spawn(t, rt, i, res.Module)}
		defer func() {
			for _, w := range worlds {
				require.NoError(rt, w.Close(t.Context()))
			}
		}()
		for _, name := range []string{"0", "2", "3"} {
			args := []uint64{
				uint64(rapid.Uint32().Draw(rt, "a")), rapid.Uint64().Draw(rt, "b"),
				math.Float64bits(rapid.Float64().Draw(rt, "c")),
			}
			comparePrograms(t, rt, worlds, name, args)
		}
	})
}

func spawn(t *testing.T, rt *rapid.T, r wazero.Runtime, module []byte) guest {
	t.Helper()
	mod, err := r.InstantiateWithConfig(t.Context(), module, wazero.NewModuleConfig().WithName(""))
	require.NoError(rt, err)
	return guest{mod}
}

// comparePrograms calls the same function raw, metered and interpreted, and looks at all that shows.
func comparePrograms(t *testing.T, rt *rapid.T, worlds []guest, name string, args []uint64) {
	t.Helper()
	want, rawErr := worlds[0].ExportedFunction(name).Call(t.Context(), args...)
	compiled := worlds[1].call(t, plenty, name, args...)
	require.Equal(rt, rawErr != nil, compiled.Trap)
	require.Equal(rt, append([]uint64{}, want...), compiled.Results)
	pause := rapid.Int64Range(0, 2*compiled.Used).Draw(rt, "pause")
	require.Equal(rt, compiled, worlds[2].callSplit(t, pause, plenty-pause, name, args...))
	require.Equal(rt, memoryOf(worlds[0]), memoryOf(worlds[1]))
	require.Equal(rt, memoryOf(worlds[0]), memoryOf(worlds[2]))
	if compiled.Trap {
		return
	}
	require.Equal(rt, int32(meter.DefaultConfig().StackBudget), compiled.Stack)
	short := int64(rapid.Uint32().Draw(rt, "short")) % compiled.Used
	saved := worlds[1].ExportedGlobal("kv_g0").Get()
	starved := worlds[1].call(t, short, name, args...)
	require.Equal(rt, starved.Trap, starved.Used > short, "a call that returns has fuel left")
	require.Equal(rt, starved, worlds[2].callSplit(t, short/2, short-short/2, name, args...))
	require.Equal(rt, memoryOf(worlds[1]), memoryOf(worlds[2]))
	for _, w := range worlds[1:] {
		w.set("kv_g0", saved)
		w.Memory().Write(0, memoryOf(worlds[0]))
	}
}

func memoryOf(m api.Module) []byte {
	b, _ := m.Memory().Read(0, 4096)
	return append([]byte{}, b...)
}
