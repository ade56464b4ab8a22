package meter_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/kvnode/kvnode/plugins/meter"
)

// buildGo builds the Go guest of testdata as a reactor.
func buildGo(tb testing.TB) []byte {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), "guest.wasm")
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./testdata/goguest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	text, err := cmd.CombinedOutput()
	require.NoError(tb, err, string(text))
	module, err := os.ReadFile(out)
	require.NoError(tb, err)
	return module
}

// addWASI offers what a Go guest imports, answered with fixed values.
func addWASI(tb testing.TB, r wazero.Runtime, module []byte) {
	tb.Helper()
	info, err := meter.Inspect(module)
	require.NoError(tb, err)
	b := r.NewHostModuleBuilder("wasi_snapshot_preview1")
	for _, i := range info.Imports {
		require.Equal(tb, "wasi_snapshot_preview1", i.Module)
		b.NewFunctionBuilder().WithGoModuleFunction(wasiStub(i.Name), apiTypes(i.Func.Params), apiTypes(i.Func.Results)).Export(i.Name)
	}
	_, err = b.Instantiate(tb.Context())
	require.NoError(tb, err)
}

func apiTypes(types []meter.ValType) []api.ValueType {
	out := make([]api.ValueType, len(types))
	for i, t := range types {
		out[i] = api.ValueType(t)
	}
	return out
}

// wasiStub answers a clock that stands still, no arguments, no environment, no files, and zeros for random bytes.
func wasiStub(name string) api.GoModuleFunction {
	const badFile, notSupported = 8, 52
	return api.GoModuleFunc(func(_ context.Context, mod api.Module, stack []uint64) {
		memory, answer := mod.Memory(), uint64(0)
		switch name {
		case "clock_time_get":
			memory.WriteUint64Le(uint32(stack[2]), 1)
		case "args_sizes_get", "environ_sizes_get":
			memory.WriteUint32Le(uint32(stack[0]), 0)
			memory.WriteUint32Le(uint32(stack[1]), 0)
		case "fd_write":
			size, _ := memory.ReadUint32Le(uint32(stack[1]) + 4)
			memory.WriteUint32Le(uint32(stack[3]), size)
		case "random_get", "args_get", "environ_get", "sched_yield":
		case "poll_oneoff":
			answer = notSupported
		case "proc_exit":
			panic("guest exits")
		default:
			answer = badFile
		}
		stack[0] = answer
	})
}

func TestGoGuestsRunAsBefore(t *testing.T) {
	module := buildGo(t)
	r := newRuntime(t, compiler().WithMemoryLimitPages(1024))
	addWASI(t, r, module)
	raw := instantiate(t, r, module)
	metered := instantiate(t, r, rewrite(t, module).Module)
	again := instantiate(t, r, rewrite(t, module).Module)
	_, err := raw.ExportedFunction("_initialize").Call(t.Context())
	require.NoError(t, err)
	init := metered.call(t, plenty, "_initialize")
	require.False(t, init.Trap)
	require.Less(t, init.Used, int64(5_000_000))
	require.Equal(t, init, again.call(t, plenty, "_initialize"))
	for name, arg := range map[string]uint64{"fib": 15, "words": 300, "norm": 1000} {
		want, err := raw.ExportedFunction(name).Call(t.Context(), arg)
		require.NoError(t, err)
		got := metered.call(t, plenty, name, arg)
		require.Equal(t, want, got.Results, name)
		require.Equal(t, int32(meter.DefaultConfig().StackBudget), got.Stack, name)
	}
	require.True(t, metered.call(t, 20_000_000, "spin").Trap)
	require.Negative(t, metered.fuel())
}

func TestGoGuestsUseTheSameFuelEverywhere(t *testing.T) {
	module := buildGo(t)
	metered := rewrite(t, module).Module
	var first []outcome
	for _, c := range []wazero.RuntimeConfig{compiler(), compiler(), interpreter()} {
		r := newRuntime(t, c)
		addWASI(t, r, module)
		g := instantiate(t, r, metered)
		got := []outcome{
			g.call(t, plenty, "_initialize"), g.call(t, plenty, "fib", 12),
			g.call(t, plenty, "words", 100), g.call(t, plenty, "norm", 100),
		}
		if first == nil {
			first = got
		}
		require.Equal(t, first, got)
	}
}
