package check_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/check"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/fixture"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

func TestErrorsOfTheHostEndTheCheck(t *testing.T) {
	d := double(func(plugins.Input) (plugins.Verdict, error) { return plugins.Verdict{}, plugins.ErrClosed })
	_, err := check.Examine(t.Context(), subject(d), check.Config{})
	require.ErrorIs(t, err, plugins.ErrClosed)
	s := subject(set(union))
	s.Fresh = func(context.Context) (fixture.Resolver, error) { return nil, errors.New("no room") }
	_, err = check.Examine(t.Context(), s, check.Config{})
	require.ErrorContains(t, err, "no room")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = check.Examine(ctx, subject(set(union)), check.Config{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = check.Examine(t.Context(), subject(set(union)), check.Config{Runs: -1})
	require.ErrorIs(t, err, check.ErrConfig)
}

func TestTheReportFollowsFromTheSeed(t *testing.T) {
	now := func() time.Time { return time.Unix(1, 0) }
	calls := 0
	counted := func() check.Subject {
		return subject(func(in plugins.Input) (plugins.Verdict, error) { calls++; return set(union)(in) })
	}
	first := run(t, counted(), check.Config{Seed: 7, Runs: 20, Now: now})
	require.Equal(t, first, run(t, counted(), check.Config{Seed: 7, Runs: 20, Now: now}))
	require.Equal(t, 2*first.Calls, calls)
	require.Equal(t, time.Unix(1, 0).UTC(), first.Time)
	require.NotEqual(t, first.Calls, run(t, counted(), check.Config{Seed: 7, Runs: 40, Now: now}).Calls)
}

func TestAHandlerThatNeverEndsIsCheckedInBoundedFuel(t *testing.T) {
	fuel := uint64(0)
	d := double(func(plugins.Input) (plugins.Verdict, error) {
		fuel += plugins.DefaultLimits().Fuel
		return plugins.Verdict{}, &plugins.Trap{Reason: "out of fuel", Fuel: plugins.DefaultLimits().Fuel}
	})
	r := run(t, subject(d), check.Config{Runs: 1_000_000})
	require.Equal(t, "fuel scale", broken(r))
	require.Less(t, fuel, uint64(20_000_000_000))
}

func TestRunChecksModules(t *testing.T) {
	for name, c := range map[string]struct {
		module []byte
		fuel   uint64
		broken string
	}{
		"union":  {examples.Union(), 20_000_000, ""},
		"newest": {examples.Newest(), 1000, "commutativity"},
		"loop":   {examples.Loop(), 1000, "fuel scale"},
		"cart":   {examples.Cart(), 20_000_000, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := check.Run(t.Context(), c.module, check.Config{Runs: 10, Limits: plugins.Limits{Fuel: c.fuel}})
			require.NoError(t, err)
			require.Equal(t, c.broken, broken(r), "%+v", r.Laws)
			require.Equal(t, plugins.Rewriter, r.Rewriter)
			require.Len(t, r.SHA256, 64)
			require.Equal(t, check.Limits{MemoryBytes: 16 << 20, Fuel: c.fuel, OutputBytes: 8 << 20, Reset: plugins.ResetStrict}, r.Limits)
		})
	}
}

func TestTheReportOfAModuleFollowsFromTheSeed(t *testing.T) {
	c := check.Config{Runs: 5, Seed: 3, Now: func() time.Time { return time.Unix(1, 0) }}
	first, err := check.Run(t.Context(), examples.Trap(), c)
	require.NoError(t, err)
	again, err := check.Run(t.Context(), examples.Trap(), c)
	require.NoError(t, err)
	require.Equal(t, first, again)
}

func TestRunFindsATrapThatOnlyAFixtureMeets(t *testing.T) {
	fixtures := cases("a", "b")
	fixtures[0].Key = []byte("poison")
	r, err := check.Run(t.Context(), examples.Trap(), check.Config{Runs: 5, Fixtures: fixtures})
	require.NoError(t, err)
	require.Contains(t, broken(r), "traps")
	require.False(t, r.OK())
	require.Equal(t, "poison", string(law(t, r, "traps").Counterexample.Key))
}

func TestRunRefusesWhatIsNoHandler(t *testing.T) {
	_, err := check.Run(t.Context(), plugintest.Module(t, "noalloc"), check.Config{})
	require.ErrorIs(t, err, plugins.ErrExport)
	_, err = check.Run(t.Context(), examples.Newest(), check.Config{Limits: plugins.Limits{Versions: 1}})
	require.ErrorIs(t, err, plugins.ErrConfig)
}
