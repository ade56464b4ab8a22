package check_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/check"
	"github.com/kvnode/kvnode/plugins/fixture"
)

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
	require.Equal(t, "unreachable", againstItsFixture(t, deleted, c).Trap)
}

// againstItsFixture runs the handler on a counterexample that was written to a file.
func againstItsFixture(t *testing.T, d double, c *fixture.Case) fixture.Result {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, fixture.Write(&b, []fixture.Case{*c}))
	again, err := fixture.Read(&b)
	require.NoError(t, err)
	results, err := fixture.Run(t.Context(), d, again)
	require.NoError(t, err)
	return results[0]
}

// TestACounterexampleSaysWhatTheLawWants: as a fixture it fails for the handler that breaks the law, and passes for one that holds it.
func TestACounterexampleSaysWhatTheLawWants(t *testing.T) {
	sum, maximum := number(func(a, b int) int { return a + b }), number(func(a, b int) int { return max(a, b) })
	for _, c := range []struct {
		law          string
		broken, held double
		fixtures     []fixture.Case
	}{
		{"idempotence", sum, maximum, cases("3", "4", "11", "5")},
		{"absorption", sum, maximum, cases("3", "4", "11", "5")},
		{"three-way", baseWins, threeWay, nil},
		{"traps", trapIf(func(plugins.Input) bool { return true }), set(union), nil},
		{"deletes", trapIf(anyVersion(func(v plugins.Version) bool { return v.Deleted })), set(union), nil},
	} {
		l := law(t, run(t, subject(c.broken), check.Config{Fixtures: c.fixtures}), c.law)
		require.Equal(t, c.law, l.Counterexample.Name)
		require.False(t, againstItsFixture(t, c.broken, l.Counterexample).Passed, "%s: %+v", c.law, l)
		result := againstItsFixture(t, c.held, l.Counterexample)
		require.True(t, result.Passed, "%s: %+v", c.law, result)
	}
}

func TestACounterexampleOfALawOfTwoOutcomesNamesBoth(t *testing.T) {
	mean := number(func(a, b int) int { return (a + b) / 2 })
	r := run(t, subject(mean), check.Config{Fixtures: cases("3", "4", "11", "5")})
	for _, name := range []string{"commutativity", "associativity"} {
		l := law(t, r, name)
		require.Nil(t, l.Counterexample.Want)
		require.Equal(t, name == "commutativity", l.Note != "", "the law says where it is right to break it")
		require.Regexp(t, `^.* is "-?\d+", .* is "-?\d+"$`, l.Problem)
	}
	absorption := law(t, r, "absorption")
	require.Equal(t, plugins.Set, absorption.Counterexample.Want.Kind)
	require.Contains(t, absorption.Problem, `x = f(a, b) is "`+string(absorption.Counterexample.Want.Value)+`", `)
}
