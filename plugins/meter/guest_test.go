package meter_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/kvnode/kvnode/plugins/meter"
)

// features are what a host has to switch on, and no more.
const features = api.CoreFeaturesV2 &^ api.CoreFeatureSIMD

// plenty is more fuel than any test uses.
const plenty = math.MaxInt64 / 2

// compiler and interpreter are the two engines that must agree.
func compiler() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfig().WithCoreFeatures(features).WithMemoryLimitPages(256)
}

func interpreter() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features).WithMemoryLimitPages(256)
}

func newRuntime(tb testing.TB, c wazero.RuntimeConfig) wazero.Runtime {
	tb.Helper()
	r := wazero.NewRuntimeWithConfig(tb.Context(), c)
	tb.Cleanup(func() { require.NoError(tb, r.Close(context.WithoutCancel(tb.Context()))) })
	return r
}

func testdata(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	require.NoError(tb, err)
	return b
}

func rewrite(tb testing.TB, module []byte) *meter.Result {
	tb.Helper()
	res, err := meter.Rewrite(module, meter.Config{})
	require.NoError(tb, err)
	return res
}

// guest is an instance of a rewritten module.
type guest struct {
	api.Module
}

// start rewrites and instantiates a module of testdata.
func start(tb testing.TB, c wazero.RuntimeConfig, name string) guest {
	tb.Helper()
	return instantiate(tb, newRuntime(tb, c), rewrite(tb, testdata(tb, name)).Module)
}

func instantiate(tb testing.TB, r wazero.Runtime, module []byte) guest {
	tb.Helper()
	mod, err := r.InstantiateWithConfig(tb.Context(), module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	require.NoError(tb, err)
	return guest{mod}
}

func (g guest) fuel() int64 {
	return int64(g.ExportedGlobal(meter.FuelGlobal).Get() + g.ExportedGlobal(meter.RestGlobal).Get())
}
func (g guest) stack() int32 { return int32(g.ExportedGlobal(meter.StackGlobal).Get()) }

func (g guest) refill(fuel int64) { g.refillSplit(fuel, 0) }

// refillSplit gives fuel of which the rest comes at the first pause.
func (g guest) refillSplit(first, rest int64) {
	g.set(meter.FuelGlobal, uint64(first))
	g.set(meter.RestGlobal, uint64(rest))
	g.set(meter.StackGlobal, uint64(meter.DefaultConfig().StackBudget))
}

func (g guest) set(global string, v uint64) {
	g.ExportedGlobal(global).(api.MutableGlobal).Set(v)
}

// outcome is all that a call shows.
type outcome struct {
	Results []uint64
	Trap    bool
	Used    int64 // fuel
	Stack   int32 // left
}

// call runs an export with an amount of fuel.
func (g guest) call(tb testing.TB, fuel int64, name string, args ...uint64) outcome {
	tb.Helper()
	return g.callSplit(tb, fuel, 0, name, args...)
}

// callSplit runs an export with an amount of fuel of which the rest comes at the first pause.
func (g guest) callSplit(tb testing.TB, first, rest int64, name string, args ...uint64) outcome {
	tb.Helper()
	f := g.ExportedFunction(name)
	require.NotNil(tb, f, name)
	g.refillSplit(first, rest)
	results, err := f.Call(tb.Context(), args...)
	return outcome{Results: append([]uint64{}, results...), Trap: err != nil, Used: first + rest - g.fuel(), Stack: g.stack()}
}
