package meter_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"github.com/kvnode/kvnode/plugins/meter"
)

// BenchmarkTimePerUnit shows how evenly fuel stands for time.
func BenchmarkTimePerUnit(b *testing.B) {
	module := testdata(b, "weights")
	info, err := meter.Inspect(module)
	require.NoError(b, err)
	r := newRuntime(b, compiler())
	_, err = r.NewHostModuleBuilder("host").NewFunctionBuilder().WithGoFunction(api.GoFunc(func(context.Context, []uint64) {}), nil, nil).Export("nothing").Instantiate(b.Context())
	require.NoError(b, err)
	g := instantiate(b, r, rewrite(b, module).Module)
	for _, e := range info.Exports {
		b.Run(e.Name, func(b *testing.B) {
			const rounds = 1000
			used := g.call(b, plenty, e.Name, rounds).Used
			f := g.ExportedFunction(e.Name)
			stack := make([]uint64, 1)
			b.ReportAllocs()
			for b.Loop() {
				g.refill(plenty)
				stack[0] = rounds
				if err := f.CallWithStack(b.Context(), stack); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(used), "ns/unit")
			b.ReportMetric(float64(used)/rounds, "units/round")
		})
	}
}

// BenchmarkRewrite rewrites a Go guest of some 3 MB.
func BenchmarkRewrite(b *testing.B) {
	module := buildGo(b)
	b.SetBytes(int64(len(module)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := meter.Rewrite(module, meter.Config{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGuest compares a Go guest raw and metered: calls, JSON with maps and strings, floating point. The two take
// turns and the best times count, so that other load on the machine does not.
func BenchmarkGuest(b *testing.B) {
	module := buildGo(b)
	r := newRuntime(b, compiler().WithMemoryLimitPages(1024))
	addWASI(b, r, module)
	raw, metered := instantiate(b, r, module), instantiate(b, r, rewrite(b, module).Module)
	metered.refill(plenty)
	for _, g := range []guest{raw, metered} {
		_, err := g.ExportedFunction("_initialize").Call(b.Context())
		require.NoError(b, err)
	}
	for name, arg := range map[string]uint64{"fib": 20, "words": 200, "norm": 1000} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			bestRaw, bestMetered := time.Hour, time.Hour
			for b.Loop() {
				bestRaw = min(bestRaw, timed(b, raw, name, arg))
				metered.refill(plenty)
				bestMetered = min(bestMetered, timed(b, metered, name, arg))
			}
			b.ReportMetric(float64(bestMetered)/float64(bestRaw), "metered/raw")
		})
	}
}

func timed(b *testing.B, g guest, name string, arg uint64) time.Duration {
	b.Helper()
	from := time.Now()
	if _, err := g.ExportedFunction(name).Call(b.Context(), arg); err != nil {
		b.Fatal(err)
	}
	return time.Since(from)
}
