package check_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/check"
	"github.com/kvnode/kvnode/plugins/fixture"
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
func broken(r check.Report) string { return strings.Join(r.Broken(), " ") }

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
