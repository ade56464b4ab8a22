package check_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/check"
)

func TestTheScaleLawSaysHowFarItGoes(t *testing.T) {
	within := func(most int) check.Law {
		r := run(t, subject(trapIf(anyVersion(func(v plugins.Version) bool { return len(v.Value) > most }))), check.Config{Runs: 1})
		return law(t, r, "scale")
	}
	require.Equal(t, check.Held, within(20<<10).State)
	require.Equal(t, "two values of 16 KiB use 0 % of the fuel, with two values of 64 KiB it traps", within(20<<10).Note)
	require.Equal(t, "two values of 1024 KiB use 0 % of the fuel", within(2<<20).Note)
	require.Equal(t, "two values of 16 KiB: unreachable", within(5<<10).Problem)
	require.Equal(t, "two values of 4 KiB use 0 % of the fuel", within(5<<10).Note)
}

// sized is a union whose fuel follows from the bytes of a conflict. It refuses more than so many bytes, and uses fuel for that as well.
func sized(most int, fuel func(bytes float64) float64) double {
	return func(in plugins.Input) (plugins.Verdict, error) {
		bytes := 0
		for _, v := range in.Versions {
			bytes += len(v.Value)
		}
		v, err := set(union)(in)
		if bytes > most {
			v, err = plugins.Verdict{Kind: plugins.Failed, Message: "too large"}, nil
		}
		v.Fuel = uint64(fuel(float64(bytes)))
		return v, err
	}
}

func TestARefusalIsNoAnswerToTheScaleLaw(t *testing.T) {
	linear := func(n float64) float64 { return 100 * n }
	scale := func(most int) check.Law {
		return law(t, run(t, subject(sized(most, linear)), check.Config{Runs: 1}), "scale")
	}
	require.Equal(t, `two values of 4 KiB use 4 % of the fuel, refused from 16 KiB on: "too large"`, scale(10<<10).Note)
	require.Equal(t, 2, scale(10<<10).Count)
	require.Equal(t, `refused from 1 KiB on: "too large"`, scale(100).Note)
	require.Equal(t, check.NotApplicable, scale(100).State)
}

func TestTheScaleLawWantsFuelToGrowAsSortingDoes(t *testing.T) {
	for name, c := range map[string]struct {
		most  int
		fuel  func(n float64) float64
		state check.State
	}{
		"constant":                   {4 << 20, func(float64) float64 { return 50_000 }, check.Held},
		"sorting":                    {4 << 20, func(n float64) float64 { return n * math.Log(n) }, check.Held},
		"a heap that grows once":     {4 << 20, func(n float64) float64 { return n + 20_000*math.Min(1, math.Floor(n/10_000)) }, check.Held},
		"a nested loop":              {4 << 20, func(n float64) float64 { return 50_000 + n*n/100 }, check.Broken},
		"a nested loop over a few":   {10 << 10, func(n float64) float64 { return n * n / 100 }, check.Held},
		"a refusal after a long try": {40 << 10, func(n float64) float64 { return n * math.Max(1, math.Floor(n/50_000)*1000) }, check.Held},
	} {
		l := law(t, run(t, subject(sized(c.most, c.fuel)), check.Config{Runs: 1}), "scale")
		require.Equal(t, c.state, l.State, "%s: %s", name, l.Problem)
		require.Nil(t, l.Counterexample, name)
	}
	quadratic := func(n float64) float64 { return n * n }
	l := law(t, run(t, subject(sized(4<<20, quadratic)), check.Config{Runs: 1}), "scale")
	require.Contains(t, l.Problem, "fuel grows much faster than values: two of 1 KiB take ")
}
