package plugins_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

// carts is a conflict of two small carts.
func carts() plugins.Input {
	return plugins.Input{Key: []byte("cart:42"), Versions: []plugins.Version{
		{Value: []byte(`{"lines":[{"sku":"apple","qty":1},{"sku":"pear","qty":2}]}`), Time: 1, Origin: 1},
		{Value: []byte(`{"lines":[{"sku":"apple","qty":3},{"sku":"plum","qty":2}]}`), Time: 2, Origin: 2},
	}}
}

func BenchmarkResolve(b *testing.B) {
	for name, module := range map[string][]byte{
		"wat newest": examples.Newest(), "c union": examples.Union(), "go cart": examples.Cart(),
		"go newest": plugintest.BuildGo(b, "testdata/modules/gonewest"),
	} {
		b.Run(name, func(b *testing.B) {
			m := load(b, module, plugins.Limits{})
			in := carts()
			b.ReportAllocs()
			for b.Loop() {
				_, err := m.Resolve(b.Context(), in)
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkPick is the smallest call: one of two values of 64 bytes.
func BenchmarkPick(b *testing.B) {
	in := conflict("cart:42", strings.Repeat("a", 64), strings.Repeat("b", 64))
	for _, reset := range []plugins.Reset{plugins.ResetNone, plugins.ResetStrict} {
		b.Run(string(reset), func(b *testing.B) {
			m := load(b, examples.Newest(), plugins.Limits{Reset: reset})
			b.ReportAllocs()
			for b.Loop() {
				_, err := m.Resolve(b.Context(), in)
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStop stops all threads, as a collection does when it begins and when it ends, while handlers run for ever.
func BenchmarkStop(b *testing.B) {
	for name, module := range map[string][]byte{
		"alone": nil, "beside endless loops": examples.Loop(), "beside fills of 16 MiB": hostileModule(b, "all memory, written to for ever"),
	} {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			var calls sync.WaitGroup
			if module != nil {
				m, in := load(b, module, plugins.Limits{}), carts()
				calls.Go(func() {
					for ctx.Err() == nil {
						_, err := m.Resolve(ctx, in)
						if err == nil {
							b.Error("the loop has ended")
						}
					}
				})
			}
			var took []time.Duration
			var stats runtime.MemStats
			tick := time.NewTicker(2 * time.Millisecond) // within which a call begins
			defer tick.Stop()
			for b.Loop() {
				<-tick.C
				from := time.Now()
				runtime.ReadMemStats(&stats)
				took = append(took, time.Since(from))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*9/10].Microseconds()), "p90-µs")
			cancel()
			calls.Wait()
		})
	}
}

// BenchmarkTrap is the longest that a handler can take with the default fuel.
func BenchmarkTrap(b *testing.B) {
	m := load(b, examples.Loop(), plugins.Limits{})
	in := carts()
	for b.Loop() {
		_, err := m.Resolve(b.Context(), in)
		require.Error(b, err)
	}
}

func BenchmarkLoadGoModule(b *testing.B) {
	module := plugintest.BuildGo(b, "testdata/modules/gonewest")
	for name, dir := range map[string]string{"cold": "", "cached": b.TempDir()} {
		b.Run(name, func(b *testing.B) {
			h, err := plugins.NewHost(plugins.Config{CacheDir: dir})
			require.NoError(b, err)
			_, err = h.Check(b.Context(), module, plugins.Limits{})
			require.NoError(b, err)
			for b.Loop() {
				_, err := h.Check(b.Context(), module, plugins.Limits{})
				require.NoError(b, err)
			}
		})
	}
}
