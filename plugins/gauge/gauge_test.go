package gauge_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/fixture"
	"github.com/kvnode/kvnode/plugins/gauge"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

// ticking is a clock that goes on by a step whenever somebody looks at it.
func ticking(step time.Duration) func() time.Time {
	var ticks atomic.Int64
	return func() time.Time { return time.Unix(0, ticks.Add(1)*int64(step)) }
}

func TestMeasureCountsCallsByItsClock(t *testing.T) {
	f, err := gauge.Measure(t.Context(), examples.Newest(), gauge.Config{Time: time.Millisecond, Workers: 1, Now: ticking(10 * time.Microsecond)})
	require.NoError(t, err)
	require.Equal(t, uint64(99), f.Calls, "a look at the clock for each call, one before all, and one before the first")
	require.Equal(t, 1010*time.Microsecond, f.Elapsed)
	require.InDelta(t, 99/0.00101, f.PerSecond, 1)
	require.Equal(t, gauge.Latency{P50: 10_000, P90: 10_000, P99: 10_000, Max: 10_000}, f.Latency)
	require.Equal(t, 10*time.Microsecond, f.Cold)
	require.Equal(t, 10*time.Microsecond, f.Cached)
	require.Equal(t, gauge.Fuel{P50: 9, P99: 9, Max: 9, Limit: 20_000_000}, f.Fuel)
	require.Zero(t, f.Traps)
	require.Equal(t, []int{1, 1}, []int{f.Cases, f.Workers})
	require.Equal(t, uint64(128<<10), f.MemoryBytes)
	require.Equal(t, len(examples.Newest()), f.Size)
	require.Len(t, f.SHA256, 64)
}

func TestMeasureGoesRoundTheCases(t *testing.T) {
	var cases []fixture.Case
	for _, key := range []string{"k", "kk", "L"} { // keep twice, an endless loop
		cases = append(cases, fixture.Case{Key: []byte(key), Versions: []plugins.Version{{Time: 1}, {Time: 2}}})
	}
	c := gauge.Config{Cases: cases, Workers: 2, Time: time.Millisecond, Now: ticking(time.Microsecond), Limits: plugins.Limits{Fuel: 1000}}
	f, err := gauge.Measure(t.Context(), plugintest.Module(t, "verdicts"), c)
	require.NoError(t, err)
	require.Equal(t, []int{3, 2}, []int{f.Cases, f.Workers})
	require.InDelta(t, float64(f.Calls)/3, float64(f.Traps), 2)
	require.Equal(t, uint64(1000), f.Fuel.Limit)
	require.Less(t, f.Fuel.P50, uint64(500))
	require.Equal(t, uint64(1000), f.Fuel.Max)
}

func TestMeasureCallsEachCaseHoweverShortTheTimeIs(t *testing.T) {
	var cases []fixture.Case
	for _, key := range []string{"k", "kk", "L"} {
		cases = append(cases, fixture.Case{Key: []byte(key), Versions: []plugins.Version{{Time: 1}, {Time: 2}}})
	}
	c := gauge.Config{Cases: cases, Workers: 1, Time: 1, Now: ticking(time.Second), Limits: plugins.Limits{Fuel: 1000}}
	f, err := gauge.Measure(t.Context(), plugintest.Module(t, "verdicts"), c)
	require.NoError(t, err)
	require.Equal(t, uint64(3), f.Calls)
	require.Equal(t, uint64(1), f.Traps)
}

func TestMeasureEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	now := func() time.Time {
		if looks++; looks == 100 {
			cancel()
		}
		return time.Unix(0, int64(looks))
	}
	_, err := gauge.Measure(ctx, examples.Newest(), gauge.Config{Workers: 1, Now: now})
	require.ErrorIs(t, err, context.Canceled)
}

func TestMeasureRefusesWhatMakesNoSense(t *testing.T) {
	_, err := gauge.Measure(t.Context(), examples.Newest(), gauge.Config{Time: -1})
	require.ErrorIs(t, err, gauge.ErrConfig)
	_, err = gauge.Measure(t.Context(), examples.Newest(), gauge.Config{Workers: -1})
	require.ErrorIs(t, err, gauge.ErrConfig)
	_, err = gauge.Measure(t.Context(), nil, gauge.Config{})
	require.ErrorIs(t, err, plugins.ErrModule)
	_, err = gauge.Measure(t.Context(), examples.Newest(), gauge.Config{Cases: []fixture.Case{{}}, Time: 1})
	require.ErrorIs(t, err, plugins.ErrInput)
}
