package meter_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins/meter"
	"github.com/kvnode/kvnode/plugins/plugintest/wasm"
)

func TestEveryEndlessModuleTrapsWithItsFuelGone(t *testing.T) {
	for _, c := range []struct {
		name string
		args []uint64
	}{
		{"spin", nil},
		{"spin_if", nil},
		{"spin_table", nil},
		{"explode", []uint64{60}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := start(t, compiler(), "traps")
			got := g.call(t, 10_000_000, c.name, c.args...)
			require.True(t, got.Trap)
			require.Negative(t, g.fuel())
			require.Greater(t, g.fuel(), int64(-1000), "work past the end is bounded")
			require.Equal(t, got, start(t, interpreter(), "traps").call(t, 10_000_000, c.name, c.args...))
		})
	}
}

func TestRunawayRecursionTrapsWithItsStackGone(t *testing.T) {
	for _, name := range []string{"recurse", "around"} {
		g := start(t, compiler(), "traps")
		require.True(t, g.call(t, plenty, name).Trap)
		require.Negative(t, g.stack(), name)
		require.Positive(t, g.fuel(), name)
	}
}

func TestStackBudgetBoundsTheDepth(t *testing.T) {
	depth := func(budget uint32) uint64 {
		res, err := meter.Rewrite(testdata(t, "traps"), meter.Config{StackBudget: budget})
		require.NoError(t, err)
		g := instantiate(t, newRuntime(t, compiler()), res.Module)
		lo, hi := uint64(0), uint64(1<<20)
		for lo < hi {
			mid := (lo + hi + 1) / 2
			g.refill(plenty)
			g.set(meter.StackGlobal, uint64(budget))
			if _, err := g.ExportedFunction("deep").Call(t.Context(), mid); err == nil {
				lo = mid
			} else {
				hi = mid - 1
			}
		}
		return lo
	}
	require.InEpsilon(t, 2*depth(64<<10), depth(128<<10), 0.01)
	require.Greater(t, depth(64<<10), uint64(400))
}

func TestOtherTrapsLeaveBothCountersPositive(t *testing.T) {
	for _, name := range []string{"unreachable", "out_of_bounds"} {
		g := start(t, compiler(), "traps")
		require.True(t, g.call(t, 1000, name).Trap)
		require.Positive(t, g.fuel(), name)
		require.Positive(t, g.stack(), name)
	}
}

func TestACallThatReturnsHasFuelLeft(t *testing.T) {
	g := start(t, compiler(), "traps")
	need := g.call(t, plenty, "deep", 20).Used
	for fuel := range need + 10 {
		got := g.call(t, fuel, "deep", 20)
		require.Equal(t, fuel < need, got.Trap, "%d of %d", fuel, need)
		require.Equal(t, got.Trap, g.fuel() < 0)
	}
	require.Equal(t, []uint64{20}, g.call(t, need, "deep", 20).Results)
}

func TestAModuleWithoutFuelTrapsAtOnceAndForEver(t *testing.T) {
	g := start(t, compiler(), "traps")
	g.refill(-1)
	for range 100 {
		_, err := g.ExportedFunction("nothing").Call(t.Context())
		require.Error(t, err)
		require.Negative(t, g.fuel())
	}
	g.refill(math.MinInt64 / 2)
	_, err := g.ExportedFunction("deep").Call(t.Context(), 1)
	require.Error(t, err)
}

func TestRewrittenBranchesDoWhatTheyDid(t *testing.T) {
	raw, err := newRuntime(t, compiler()).Instantiate(t.Context(), testdata(t, "control"))
	require.NoError(t, err)
	compiled, interpreted := start(t, compiler(), "control"), start(t, interpreter(), "control")
	info, err := meter.Inspect(testdata(t, "control"))
	require.NoError(t, err)
	for _, e := range info.Exports {
		for arg := range uint64(7) {
			args := []uint64{arg, 77}[:len(e.Func.Params)]
			want, err := raw.ExportedFunction(e.Name).Call(t.Context(), args...)
			got := compiled.call(t, 10_000, e.Name, args...)
			require.Equal(t, err != nil, got.Trap, "%s %d", e.Name, arg)
			require.Equal(t, append([]uint64{}, want...), got.Results, "%s %d", e.Name, arg)
			require.Equal(t, got, interpreted.call(t, 10_000, e.Name, args...), "%s %d", e.Name, arg)
			if !got.Trap {
				require.Equal(t, int32(meter.DefaultConfig().StackBudget), got.Stack, "%s %d", e.Name, arg)
			}
		}
	}
}

func TestBulkOperationsCostTheirLength(t *testing.T) {
	for name, unitsPer1000 := range map[string]int64{
		"fill": 125, "copy": 125, "table_fill": 1000, "table_copy": 1000, "table_grow": 1000, "grow": 1000,
	} {
		none := start(t, compiler(), "bulk").call(t, plenty, name, 0)
		many := start(t, compiler(), "bulk").call(t, plenty, name, 1000)
		require.Equal(t, unitsPer1000, many.Used-none.Used, name)
	}
	g := start(t, compiler(), "bulk")
	require.Equal(t, int64(4), g.call(t, plenty, "table_init", 4).Used-g.call(t, plenty, "table_init", 0).Used)
	require.Equal(t, int64(4), g.call(t, plenty, "init", 32).Used-g.call(t, plenty, "init", 0).Used)
}

func TestAbsurdLengthsTakeAllFuelAndNeverGiveAny(t *testing.T) {
	for _, name := range []string{"fill", "copy", "init", "table_fill", "table_copy", "table_init", "table_grow", "grow"} {
		g := start(t, compiler(), "bulk")
		for _, length := range []uint64{1 << 31, math.MaxUint32} {
			got := g.call(t, 20_000_000, name, length)
			require.True(t, got.Trap, name)
			require.Negative(t, g.fuel(), name)
			require.Greater(t, got.Used, int64(length>>3), name)
		}
	}
}

func TestTablesGrowToTheClampAndNoFurther(t *testing.T) {
	res, err := meter.Rewrite(testdata(t, "bulk"), meter.Config{MaxTableEntries: 1500})
	require.NoError(t, err)
	g := instantiate(t, newRuntime(t, compiler()), res.Module)
	refused := []uint64{math.MaxUint32}
	require.Equal(t, refused, g.call(t, plenty, "table_grow", 501).Results)
	require.Equal(t, []uint64{1000}, g.call(t, plenty, "table_grow", 500).Results)
	require.Equal(t, refused, g.call(t, plenty, "table_grow", 1).Results)
	require.Equal(t, []uint64{2}, g.call(t, plenty, "small_grow", 1).Results, "a lower maximum stays")
	require.Equal(t, refused, g.call(t, plenty, "small_grow", 1).Results)

	_, err = meter.Rewrite(testdata(t, "bulk"), meter.Config{MaxTableEntries: 999})
	require.ErrorIs(t, err, meter.ErrLimit)
}

func TestMutableGlobalsCanBeSavedAndRestored(t *testing.T) {
	res := rewrite(t, testdata(t, "bulk"))
	require.Equal(t, []string{"kv_g0", "kv_g2", "kv_g3"}, res.Globals)
	g := instantiate(t, newRuntime(t, compiler()), res.Module)
	saved := map[string]uint64{}
	for _, name := range res.Globals {
		saved[name] = g.ExportedGlobal(name).Get()
	}
	require.Equal(t, uint64(1), saved["kv_g0"])
	g.call(t, plenty, "set")
	require.Equal(t, uint64(5), g.ExportedGlobal("kv_g0").Get())
	require.NotZero(t, g.ExportedGlobal("kv_g3").Get())
	for name, v := range saved {
		g.set(name, v)
		require.Equal(t, v, g.ExportedGlobal(name).Get())
	}
}

func TestCodeThatChangesTablesIsReported(t *testing.T) {
	require.True(t, rewrite(t, testdata(t, "bulk")).Unrestorable)
	require.False(t, rewrite(t, testdata(t, "traps")).Unrestorable)
	require.False(t, rewrite(t, testdata(t, "newest")).Unrestorable)
}

func TestCountersStartAtTheConfiguredBudgets(t *testing.T) {
	res, err := meter.Rewrite(testdata(t, "newest"), meter.Config{InitFuel: 12345, StackBudget: 6789})
	require.NoError(t, err)
	g := instantiate(t, newRuntime(t, compiler()), res.Module)
	require.Equal(t, int64(12345), g.fuel())
	require.Equal(t, int32(6789), g.stack())
}

func TestTheHostCallsTheStartFunctionWhichRunsOnTheInitialFuel(t *testing.T) {
	endless := wasm.Module(
		wasm.Section(1, wasm.Vec(wasm.FuncType(nil, nil))), wasm.Section(3, wasm.Vec([]byte{0})), wasm.Section(8, []byte{0}),
		wasm.Section(10, wasm.Vec(wasm.Body(0x03, 0x40, 0x0c, 0, 0x0b))))
	res := rewrite(t, endless)
	require.True(t, res.HasStart)
	g := instantiate(t, newRuntime(t, compiler()), res.Module)
	require.Equal(t, meter.DefaultConfig().InitFuel, g.fuel(), "it has not run")
	_, err := g.ExportedFunction(meter.StartExport).Call(t.Context())
	require.ErrorContains(t, err, "unreachable")
	require.Negative(t, g.fuel())
}

func TestRewritingIsAFunctionOfItsInput(t *testing.T) {
	for _, name := range []string{"bulk", "control", "nan", "traps"} {
		first, second := rewrite(t, testdata(t, name)), rewrite(t, testdata(t, name))
		require.Equal(t, first, second)
	}
}

func TestNamesStayAndOtherCustomSectionsGo(t *testing.T) {
	named := testdata(t, "newest")
	debug := wasm.Section(0, wasm.Text(".debug_info"), bytes.Repeat([]byte("dwarf"), 100))
	with := append(bytes.Clone(named), debug...)
	got := rewrite(t, with).Module
	require.Contains(t, string(got), "version")
	require.NotContains(t, string(got), "dwarf")
	require.Equal(t, rewrite(t, named).Module, got)

	compiled, err := newRuntime(t, compiler()).CompileModule(t.Context(), got)
	require.NoError(t, err)
	require.Equal(t, "alloc", compiled.ExportedFunctions()["kv_alloc"].Name())
}

func TestNamesThatLieAreDropped(t *testing.T) {
	for _, content := range [][]byte{
		{1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f},             // 4 G function names
		{2, 7, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f},       // 4 G local names
		{0, 3, 1, 'a', 'b'},                              // longer than its content
		{0, 2, 1, 0xff},                                  // not UTF-8
		{1, 200, 1},                                      // cut short
		append([]byte{1, 6, 0xff, 0xff, 0x03}, "abc"...), // more names than bytes
	} {
		m := wasm.Module(wasm.Section(0, wasm.Text("name"), content))
		require.NotContains(t, string(rewrite(t, m).Module), "name", "%x", content)
	}
}

func TestInspectTellsWhatTheHostHasToCheck(t *testing.T) {
	info, err := meter.Inspect(testdata(t, "weights"))
	require.NoError(t, err)
	require.Equal(t, []meter.Import{{Module: "host", Name: "nothing"}}, info.Imports)
	require.True(t, info.HasMemory)
	require.Equal(t, uint32(32), info.MemoryMin)
	require.False(t, info.HasMemoryMax)
	require.False(t, info.HasStart)
	require.Equal(t, len(info.Exports)+1, info.Functions)

	info, err = meter.Inspect(testdata(t, "bulk"))
	require.NoError(t, err)
	require.True(t, info.HasMemoryMax)
	require.Equal(t, uint32(100), info.MemoryMax)
	memory, ok := info.Export("memory")
	require.True(t, ok)
	require.Equal(t, meter.KindMemory, memory.Kind)
	grow, ok := info.Export("grow")
	require.True(t, ok)
	require.Equal(t, "(i32) -> (i32)", grow.Func.String())
	b, ok := info.Export("b")
	require.True(t, ok)
	require.Equal(t, meter.GlobalType{Type: meter.F64, Mutable: true}, b.Global)
	table, ok := info.Export("table")
	require.True(t, ok)
	require.Equal(t, meter.FuncRef, table.Table)
	_, ok = info.Export("kv_fuel")
	require.False(t, ok)
}

func TestTheHostIsNotCalledWithoutFuel(t *testing.T) {
	// A piece behind a branch only subtracts, unless it calls the host.
	code := wasm.Body(0x20, 0, 0x04, 0x40, 0x10, 0, 0x0b)
	m := wasm.Module(
		wasm.Section(1, wasm.Vec(wasm.FuncType(nil, nil), wasm.FuncType([]byte{0x7f}, nil))),
		wasm.Section(2, wasm.Vec(wasm.Cat(wasm.Text("h"), wasm.Text("f"), []byte{0, 0}))),
		wasm.Section(3, wasm.Vec([]byte{1})), wasm.Section(7, wasm.Vec(wasm.Cat(wasm.Text("run"), []byte{0, 1}))), wasm.Section(10, wasm.Vec(code)))
	r := newRuntime(t, compiler())
	calls := 0
	_, err := r.NewHostModuleBuilder("h").NewFunctionBuilder().WithFunc(func() { calls++ }).Export("f").Instantiate(t.Context())
	require.NoError(t, err)
	g := instantiate(t, r, rewrite(t, m).Module)
	need := g.call(t, plenty, "run", 1).Used
	require.Greater(t, need, int64(50))
	for fuel := range int64(50) {
		g.call(t, fuel, "run", 1)
	}
	require.Equal(t, 1, calls)
}

func TestConfigIsValidated(t *testing.T) {
	require.NoError(t, meter.DefaultConfig().Validate())
	for field, c := range map[string]meter.Config{
		"MaxTableEntries": {MaxTableEntries: 10_000_001},
		"StackBudget":     {StackBudget: 1<<30 + 1},
		"InitFuel":        {InitFuel: -1},
	} {
		_, err := meter.Rewrite(testdata(t, "newest"), c)
		require.ErrorIs(t, err, meter.ErrConfig)
		require.ErrorContains(t, err, field)
	}
}
