package check_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/check"
	"github.com/kvnode/kvnode/plugins/fixture"
)

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
		"a base, normalised":       {subject(normalThreeWay), nil, ""},
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

// normalThreeWay is threeWay, but ends what it writes with an end of line.
func normalThreeWay(in plugins.Input) (plugins.Verdict, error) {
	v, err := threeWay(in)
	if v.Kind == plugins.Pick {
		return normalThreeWay(plugins.Input{Versions: []plugins.Version{in.Versions[v.Index], in.Versions[v.Index]}})
	}
	if v.Kind == plugins.Set {
		v.Value = append(bytes.TrimRight(v.Value, "\n"), '\n')
	}
	return v, err
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

func TestTheGrowthLawSaysHowLargeMergedValuesAre(t *testing.T) {
	twice := set(func(values []string) string { return strings.Repeat(strings.Join(values, ""), 2) })
	require.Equal(t, "a merged value has at most 2 times the bytes of its versions", law(t, run(t, subject(twice), check.Config{Runs: 1}), "growth").Note)
	require.Empty(t, law(t, run(t, subject(newest), check.Config{Runs: 1}), "growth").Note, "it makes none")
}
