package check_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/check"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/fixture"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

// double is a handler written in Go.
type double func(in plugins.Input) (plugins.Verdict, error)

func (d double) Resolve(_ context.Context, in plugins.Input) (plugins.Verdict, error) { return d(in) }

// subject is a double in all ways of running it.
func subject(d double) check.Subject {
	return check.Subject{
		Limits: plugins.DefaultLimits(), Reused: d, Interpreted: d, Unreset: d, Doubt: func() error { return nil },
		Fresh: func(context.Context) (fixture.Resolver, error) { return d, nil },
	}
}

// set answers with a value that f makes of the values of the versions that are no deletes.
func set(f func(values []string) string) double {
	return func(in plugins.Input) (plugins.Verdict, error) {
		var values []string
		for _, v := range in.Versions {
			if !v.Deleted {
				values = append(values, string(v.Value))
			}
		}
		return plugins.Verdict{Kind: plugins.Set, Value: []byte(f(values)), Fuel: 7}, nil
	}
}

// union is the set of all lines: it holds all laws.
func union(values []string) string {
	all := slices.DeleteFunc(strings.Split(strings.Join(values, "\n"), "\n"), func(s string) bool { return s == "" })
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "\n")
}

// number makes a handler of an operation on two numbers; what is no number counts as 0.
func number(op func(a, b int) int) double {
	return set(func(values []string) string {
		n := 0
		for i, v := range values {
			m, err := strconv.Atoi(v)
			if err != nil {
				m = 0
			}
			if i == 0 {
				n = m
				continue
			}
			n = op(n, m)
		}
		return strconv.Itoa(n)
	})
}

// trapIf traps where f says so, and else is union.
func trapIf(f func(in plugins.Input) bool) double {
	return func(in plugins.Input) (plugins.Verdict, error) {
		if f(in) {
			return plugins.Verdict{}, &plugins.Trap{Reason: "unreachable", Fuel: 1}
		}
		return set(union)(in)
	}
}

func anyVersion(f func(v plugins.Version) bool) func(plugins.Input) bool {
	return func(in plugins.Input) bool { return slices.ContainsFunc(in.Versions, f) }
}

func run(t *testing.T, s check.Subject, c check.Config) check.Report {
	t.Helper()
	r, err := check.Examine(t.Context(), s, c)
	require.NoError(t, err)
	return r
}

// law returns one law of a report.
func law(t *testing.T, r check.Report, name string) check.Law {
	t.Helper()
	i := slices.IndexFunc(r.Laws, func(l check.Law) bool { return l.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return r.Laws[i]
}

// broken are the names of the broken laws.
func broken(r check.Report) string {
	var names []string
	for _, l := range r.Laws {
		if l.State == check.Broken {
			names = append(names, l.Name)
		}
	}
	return strings.Join(names, " ")
}

// cases are fixtures of these values without expectations.
func cases(values ...string) []fixture.Case {
	var out []fixture.Case
	for i := 1; i < len(values); i++ {
		out = append(out, fixture.Case{Key: []byte("k"), Versions: []plugins.Version{
			{Value: []byte(values[i-1]), Time: 1, Origin: 1}, {Value: []byte(values[i]), Time: 2, Origin: 2},
		}})
	}
	return out
}

func TestEveryLawFindsTheHandlerThatBreaksIt(t *testing.T) {
	calls := 0
	numbers := cases("3", "4", "11", "5")
	stateful := set(func([]string) string { calls++; return strconv.Itoa(calls) })
	stale := subject(set(union))
	stale.Fresh = func(context.Context) (fixture.Resolver, error) {
		return set(func([]string) string { return "other" }), nil
	}
	miscompiled := subject(set(union))
	miscompiled.Interpreted = set(func([]string) string { return "other" })
	slower := subject(set(union))
	slower.Interpreted = double(func(in plugins.Input) (plugins.Verdict, error) {
		v, err := set(union)(in)
		v.Fuel++
		return v, err
	})
	for name, c := range map[string]struct {
		subject  check.Subject
		fixtures []fixture.Case
		broken   string
	}{
		"a union holds all":        {subject(set(union)), nil, ""},
		"a state":                  {subject(stateful), nil, "determinism interpreter stamps commutativity associativity idempotence absorption three-way"},
		"a used instance":          {stale, nil, "determinism"},
		"a compiler":               {miscompiled, nil, "interpreter"},
		"the interpreter's fuel":   {slower, nil, "interpreter"},
		"a usual value":            {subject(trapIf(anyVersion(func(v plugins.Version) bool { return bytes.Contains(v.Value, []byte("plum")) }))), nil, "traps hostile"},
		"a delete":                 {subject(trapIf(anyVersion(func(v plugins.Version) bool { return v.Deleted }))), nil, "deletes"},
		"a base that is a delete":  {subject(trapIf(func(in plugins.Input) bool { return in.Base != nil && in.Base.Deleted })), nil, "base"},
		"bytes that are no text":   {subject(trapIf(anyVersion(func(v plugins.Version) bool { return bytes.Contains(v.Value, []byte{0xff}) }))), nil, "hostile"},
		"many versions":            {subject(trapIf(func(in plugins.Input) bool { return len(in.Versions) == 256 })), nil, "hostile"},
		"much fuel":                {subject(exhaust(100)), nil, "fuel scale"},
		"large values":             {subject(trapIf(anyVersion(func(v plugins.Version) bool { return bytes.Count(v.Value, []byte(",")) > 1000 && json.Valid(v.Value) }))), nil, "scale"},
		"the largest origin":       {subject(origin), nil, "stamps commutativity absorption"},
		"the newest":               {subject(newest), nil, "commutativity"},
		"a concatenation":          {subject(set(func(v []string) string { return strings.Join(v, "\n") })), nil, "commutativity idempotence absorption growth"},
		"a mean":                   {subject(number(func(a, b int) int { return (a + b) / 2 })), numbers, "commutativity associativity absorption"},
		"a sum":                    {subject(number(func(a, b int) int { return a + b })), numbers, "idempotence absorption"},
		"a base that wins":         {subject(baseWins), nil, "three-way"},
		"a base that is respected": {subject(threeWay), nil, ""},
		"a base that is refused":   {subject(refuseBase), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, c.subject, check.Config{Fixtures: c.fixtures, Runs: 100, Seed: 1})
			require.Equal(t, c.broken, broken(r), "%+v", r.Laws)
			needed := slices.ContainsFunc(r.Laws, func(l check.Law) bool { return l.Needed && l.State == check.Broken })
			require.Equal(t, !needed, r.OK())
		})
	}
}

// exhaust runs out of fuel on more than so many bytes.
func exhaust(most int) double {
	return func(in plugins.Input) (plugins.Verdict, error) {
		n := 0
		for _, v := range in.Versions {
			n += len(v.Value)
		}
		if n > most {
			return plugins.Verdict{}, &plugins.Trap{Reason: "out of fuel", Fuel: plugins.DefaultLimits().Fuel}
		}
		return set(union)(in)
	}
}

func newest(in plugins.Input) (plugins.Verdict, error) {
	return plugins.Verdict{Kind: plugins.Pick, Index: len(in.Versions) - 1}, nil
}

func origin(in plugins.Input) (plugins.Verdict, error) {
	best := 0
	for i := range in.Versions {
		if in.Versions[i].Origin > in.Versions[best].Origin {
			best = i
		}
	}
	return plugins.Verdict{Kind: plugins.Pick, Index: best}, nil
}

func baseWins(in plugins.Input) (plugins.Verdict, error) {
	if in.Base != nil {
		return plugins.Verdict{Kind: plugins.Set, Value: in.Base.Value}, nil
	}
	return set(union)(in)
}

func refuseBase(in plugins.Input) (plugins.Verdict, error) {
	if in.Base != nil && bytes.Contains(in.Base.Value, []byte("l")) {
		return plugins.Verdict{Kind: plugins.Failed, Message: "what is this: " + string(in.Base.Value)}, nil
	}
	return set(union)(in)
}

func threeWay(in plugins.Input) (plugins.Verdict, error) {
	if in.Base != nil && len(in.Versions) == 2 {
		for i, v := range in.Versions {
			if bytes.Equal(v.Value, in.Base.Value) && !v.Deleted {
				return plugins.Verdict{Kind: plugins.Pick, Index: 1 - i}, nil
			}
		}
		return plugins.Verdict{Kind: plugins.Keep}, nil
	}
	return set(union)(in)
}

func TestTheThreeWayLawIsAboutHandlersThatLookAtTheBase(t *testing.T) {
	require.Equal(t, check.NotApplicable, law(t, run(t, subject(set(union)), check.Config{}), "three-way").State)
	l := law(t, run(t, subject(threeWay), check.Config{}), "three-way")
	require.Equal(t, check.Held, l.State)
	require.Positive(t, l.Count)
}

func TestTheHandbookExplainsEveryLaw(t *testing.T) {
	raw, err := os.ReadFile(filepath.FromSlash("../../docs/HANDLERS.md"))
	require.NoError(t, err)
	all := check.Config{Runs: 1, Limits: plugins.Limits{Reset: plugins.ResetNone}}
	for _, l := range run(t, subject(set(union)), all).Laws {
		kind := "good"
		if l.Needed {
			kind = "needed"
		}
		require.Contains(t, string(raw), "\n| "+l.Name+" | "+kind+" | ")
	}
}

func TestPurityIsALawWhereCallsAreNotReset(t *testing.T) {
	unreset := check.Config{Runs: 1, Limits: plugins.Limits{Reset: plugins.ResetNone}}
	impure, doubted := subject(set(union)), subject(set(union))
	impure.Unreset = set(func([]string) string { return "left over" })
	doubted.Doubt = func() error { return plugins.ErrImpure }
	require.Empty(t, broken(run(t, subject(set(union)), unreset)))
	for name, s := range map[string]check.Subject{"what calls leave": impure, "what the host noticed": doubted} {
		r := run(t, s, unreset)
		require.Equal(t, "purity", broken(r), name)
		require.False(t, r.OK())
		require.Empty(t, broken(run(t, s, check.Config{Runs: 1})), "%s does not matter to a handler that is reset", name)
	}
}

func TestModulesThatKeepSomethingAreNotPure(t *testing.T) {
	for module, state := range map[string]check.State{"counter": check.Broken, "verdicts": check.Held} {
		r, err := check.Run(t.Context(), plugintest.Module(t, module), check.Config{Runs: 1, Limits: plugins.Limits{Reset: plugins.ResetNone}})
		require.NoError(t, err)
		require.Equal(t, state, law(t, r, "purity").State, "%s: %s", module, law(t, r, "purity").Problem)
		require.Equal(t, check.Held, law(t, r, "determinism").State)
		require.Equal(t, plugins.ResetNone, r.Limits.Reset)
	}
}

func TestTheScaleLawSaysHowFarItGoes(t *testing.T) {
	within := func(most int) check.Law {
		r := run(t, subject(trapIf(anyVersion(func(v plugins.Version) bool { return len(v.Value) > most }))), check.Config{Runs: 1})
		return law(t, r, "scale")
	}
	require.Equal(t, check.Held, within(20<<10).State)
	require.Equal(t, "two values of 16 KiB use 0 % of the fuel, with two values of 64 KiB it traps", within(20<<10).Note)
	require.Equal(t, "two values of 1024 KiB use 0 % of the fuel", within(2<<20).Note)
	require.Equal(t, "two values of 16 KiB: unreachable", within(1<<10).Problem)
	require.Empty(t, within(1<<10).Note)
}

func TestTheGrowthLawSaysHowLargeMergedValuesAre(t *testing.T) {
	twice := set(func(values []string) string { return strings.Repeat(strings.Join(values, ""), 2) })
	require.Equal(t, "a merged value has at most 2 times the bytes of its versions", law(t, run(t, subject(twice), check.Config{Runs: 1}), "growth").Note)
	require.Empty(t, law(t, run(t, subject(newest), check.Config{Runs: 1}), "growth").Note, "it makes none")
}

func TestACounterexampleIsSmall(t *testing.T) {
	plum := trapIf(anyVersion(func(v plugins.Version) bool { return bytes.Contains(v.Value, []byte("plum")) }))
	r := run(t, subject(plum), check.Config{})
	want := fixture.Case{Name: "traps", Key: []byte{}, Versions: []plugins.Version{
		{Value: []byte{}, Time: 1, Origin: 1}, {Value: []byte("plum"), Time: 2, Origin: 2},
	}}
	got := law(t, r, "traps").Counterexample
	slices.SortFunc(got.Versions, func(a, b plugins.Version) int { return len(a.Value) - len(b.Value) })
	got.Versions[0].Time, got.Versions[0].Origin, got.Versions[1].Time, got.Versions[1].Origin = 1, 1, 2, 2
	require.Equal(t, want, *got)

	l := law(t, run(t, subject(newest), check.Config{}), "commutativity")
	require.Equal(t, `the value is "a", in the opposite order it is ""`, l.Problem)
	require.Len(t, l.Counterexample.Versions, 2)
}

func TestACounterexampleInJSONKeepsItsShape(t *testing.T) {
	type line struct{ SKU string }
	bad := func(v plugins.Version) bool {
		var cart struct{ Lines []line }
		return json.Unmarshal(v.Value, &cart) == nil && slices.Contains(cart.Lines, line{"plum"})
	}
	fixtures := cases(`{"owner":"anna","lines":[{"sku":"apple","qty":3},{"sku":"plum","qty":1}]}`, `{"lines":[{"sku":"plum"}]}`)
	got := law(t, run(t, subject(trapIf(anyVersion(bad))), check.Config{Fixtures: fixtures}), "traps").Counterexample
	longest := slices.MaxFunc(got.Versions, func(a, b plugins.Version) int { return len(a.Value) - len(b.Value) })
	require.JSONEq(t, `{"lines":[{"sku":"plum"}]}`, string(longest.Value))
}

func TestACounterexampleBreaksTheLawAgainAsAFixture(t *testing.T) {
	deleted := trapIf(anyVersion(func(v plugins.Version) bool { return v.Deleted }))
	c := law(t, run(t, subject(deleted), check.Config{}), "deletes").Counterexample
	var b bytes.Buffer
	require.NoError(t, fixture.Write(&b, []fixture.Case{*c}))
	again, err := fixture.Read(&b)
	require.NoError(t, err)
	results, err := fixture.Run(t.Context(), deleted, again)
	require.NoError(t, err)
	require.Equal(t, "unreachable", results[0].Trap)
}

func TestRecordedConflictsAreTried(t *testing.T) {
	odd := trapIf(func(in plugins.Input) bool { return string(in.Key) == "poison" && len(in.Versions) == 3 })
	recorded := fixture.Case{Key: []byte("poison"), Versions: []plugins.Version{{Time: 1}, {Value: []byte("x"), Time: 2}, {Time: 3}}}
	require.Equal(t, check.Held, law(t, run(t, subject(odd), check.Config{Runs: 10}), "traps").State)
	r := run(t, subject(odd), check.Config{Runs: 10, Recorded: []fixture.Case{recorded}})
	require.Equal(t, 1, r.Recorded)
	require.Equal(t, check.Broken, law(t, r, "traps").State)
}

func TestTheFixturesLawNamesTheCase(t *testing.T) {
	fixtures := cases("a", "b", "c")
	fixtures[0].Want = &fixture.Want{Kind: plugins.Set, Value: []byte("a\nb")}
	fixtures[1].Name, fixtures[1].Want = "second", &fixture.Want{Kind: plugins.Keep}
	r := run(t, subject(set(union)), check.Config{Fixtures: fixtures})
	l := law(t, r, "fixtures")
	require.Equal(t, check.Broken, l.State)
	require.Equal(t, `second: another verdict: want keep, got set "b\nc"`, l.Problem)
	require.True(t, r.OK(), "a fixture is what its author wants, no node relies on it")
	require.Equal(t, check.NotApplicable, law(t, run(t, subject(set(union)), check.Config{Fixtures: cases("a", "b")}), "fixtures").State)
}

func TestTrapsOfMergedValuesBreakTheLawOfTraps(t *testing.T) {
	const mark = "merged:"
	d := func(in plugins.Input) (plugins.Verdict, error) {
		if anyVersion(func(v plugins.Version) bool { return bytes.HasPrefix(v.Value, []byte(mark)) })(in) {
			return plugins.Verdict{}, &plugins.Trap{Reason: "own value", Fuel: 1}
		}
		return plugins.Verdict{Kind: plugins.Set, Value: []byte(mark)}, nil
	}
	l := law(t, run(t, subject(d), check.Config{}), "traps")
	require.Equal(t, check.Broken, l.State)
	require.Equal(t, "own value", l.Problem)
	require.Contains(t, []string{mark, ""}, string(l.Counterexample.Versions[0].Value))
}

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
