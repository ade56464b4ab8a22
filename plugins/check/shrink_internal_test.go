package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/fixture"
)

func genInput(t *rapid.T) plugins.Input {
	blob := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 30), rapid.SampledFrom([][]byte{
		[]byte(`{"a":[1,2,{"b":"x"}],"c":null}`), []byte(`[[["deep"]]]`), []byte("one\ntwo\nthree"),
	}))
	in := plugins.Input{Key: blob.Draw(t, "key")}
	for i := range rapid.IntRange(2, 6).Draw(t, "versions") {
		in.Versions = append(in.Versions, plugins.Version{Value: blob.Draw(t, "value"), Time: uint64(10 * i), Origin: rapid.Uint64().Draw(t, "origin")})
	}
	if rapid.Bool().Draw(t, "base") {
		in.Base = &plugins.Version{Value: blob.Draw(t, "base value")}
	}
	return in
}

func weight(in plugins.Input) int {
	n := len(in.Key) + total(in.Versions) + len(in.Versions)
	if in.Base != nil {
		n += 1 + len(in.Base.Value)
	}
	return n
}

// TestShrinkEndsInAConflictThatFailsAndHasNoSmallerNeighbour: whatever the property, the result is a local minimum.
func TestShrinkEndsInAConflictThatFailsAndHasNoSmallerNeighbour(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		needle := rapid.SampledFrom([]byte("abx1\x00")).Draw(t, "needle")
		contains := func(in plugins.Input) (bool, error) {
			n := 0
			for _, v := range in.Versions {
				n += bytes.Count(v.Value, []byte{needle})
			}
			return n > 0, nil
		}
		if bad, _ := contains(in); !bad {
			return
		}
		small, err := shrink(in, 2, contains)
		require.NoError(t, err)
		bad, _ := contains(small)
		require.True(t, bad)
		require.Equal(t, 3, weight(small), "two versions, and the needle")
	})
}

func TestShrinkKeepsAsManyVersionsAsTheLawNeeds(t *testing.T) {
	in := plugins.Input{Key: []byte("k"), Versions: make([]plugins.Version, 256)}
	for i := range in.Versions {
		in.Versions[i].Time = uint64(i)
	}
	small, err := shrink(in, 3, func(plugins.Input) (bool, error) { return true, nil })
	require.NoError(t, err)
	require.Len(t, small.Versions, 3)
}

func TestShrinkLeavesItsArgumentAlone(t *testing.T) {
	in := plugins.Input{Key: []byte("key"), Versions: []plugins.Version{{Value: []byte(`{"a":1}`), Time: 5}, {Value: []byte("zz"), Time: 9}}}
	_, err := shrink(in, 2, func(plugins.Input) (bool, error) { return true, nil })
	require.NoError(t, err)
	require.Equal(t, plugins.Input{Key: []byte("key"), Versions: []plugins.Version{{Value: []byte(`{"a":1}`), Time: 5}, {Value: []byte("zz"), Time: 9}}}, in)
}

func TestShrinkEndsWithAnError(t *testing.T) {
	in := plugins.Input{Versions: make([]plugins.Version, 3)}
	bad := errors.New("host")
	_, err := shrink(in, 2, func(plugins.Input) (bool, error) { return false, bad })
	require.ErrorIs(t, err, bad)
}

func TestGeneratedConflictsAreConflicts(t *testing.T) {
	for _, l := range laws(plugins.Limits{}) {
		k := &checker{corpus: newCorpus(nil, nil, 1), subject: Subject{Limits: plugins.DefaultLimits()}}
		n := 0
		for in := range l.inputs(k, newGenerator(k, l.name, 50)) {
			n++
			require.GreaterOrEqual(t, len(in.Versions), 2, l.name)
			for i, v := range in.Versions {
				require.True(t, i == 0 || in.Versions[i-1].Time < v.Time, l.name)
				require.True(t, !v.Deleted || v.Value == nil, l.name)
			}
		}
		require.Equal(t, l.name == "fixtures", n == 0, "%s has %d", l.name, n)
	}
}

func TestUsualValuesKeepTheShapeOfTheFixtures(t *testing.T) {
	c := newCorpus(nil, nil, 1)
	c.values, c.known, c.parts = nil, map[string]struct{}{}, map[string][]any{}
	c.learn([]byte(`{"lines":[{"sku":"apple","qty":3},{"sku":"plum","qty":1}],"open":true}`))
	g := newGenerator(&checker{corpus: c}, "x", 1)
	distinct := map[string]bool{}
	for range 500 {
		value := g.value()
		distinct[string(value)] = true
		var cart struct {
			Lines []struct {
				SKU *string
				Qty *int
			}
			Open *bool
		}
		require.NoError(t, json.Unmarshal(value, &cart), "%s", value)
	}
	require.Greater(t, len(distinct), 100)
}

func TestLargeValuesHaveTheirSizeAndParse(t *testing.T) {
	for _, value := range []string{`{"n":1,"lines":[{"sku":"apple","qty":3}]}`, `{"title":"x","n":3}`, "one,two", "word", "7"} {
		c := newCorpus(nil, nil, 1)
		c.values, c.known, c.words, c.parts = nil, map[string]struct{}{}, map[byte][]string{}, map[string][]any{}
		c.learn([]byte(value))
		g := newGenerator(&checker{corpus: c}, "x", 1)
		a, b := g.grown(10_000, 0), g.grown(10_000, 1)
		require.InDelta(t, 10_000, len(a), 200)
		require.InDelta(t, 10_000, len(b), 200)
		require.NotEqual(t, a, b)
		require.Equal(t, value[0] == '{', json.Valid(a))
	}
}

func TestGivenConflictsAreTakenFromAllOverWhenThereAreMany(t *testing.T) {
	recorded := make([]fixture.Case, 1000)
	for i := range recorded {
		recorded[i] = fixture.Case{Key: []byte{byte(i)}, Versions: []plugins.Version{{Time: uint64(i)}, {Time: uint64(i + 1)}}}
	}
	c := newCorpus(nil, recorded, 10)
	require.Len(t, c.conflicts, 1000)
	require.Len(t, c.some, 10)
	require.Equal(t, uint64(900), c.some[9].Versions[0].Time)
	require.Len(t, newCorpus(nil, recorded, 5000).some, 1000)
}
