package clock_test

import (
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func genContext() *rapid.Generator[clock.Context] {
	return rapid.Custom(func(t *rapid.T) clock.Context {
		c := clock.Context{}
		for b := byte(1); b <= 3; b++ {
			if n := rapid.Uint64Range(0, 4).Draw(t, "counter"); n > 0 {
				c[actor(b)] = n
			}
		}
		return c
	})
}

func joined(a, b clock.Context) clock.Context {
	out := a.Clone()
	out.Join(b)
	return out
}

func TestContextJoinIsALeastUpperBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genContext().Draw(t, "a"), genContext().Draw(t, "b"), genContext().Draw(t, "c")
		ab := joined(a, b)
		require.True(t, ab.Equal(joined(b, a)), "commutative")
		require.True(t, joined(ab, c).Equal(joined(a, joined(b, c))), "associative")
		require.True(t, joined(a, a).Equal(a), "idempotent")
		require.True(t, ab.CoversAll(a) && ab.CoversAll(b), "above both")
		if c.CoversAll(a) && c.CoversAll(b) {
			require.True(t, c.CoversAll(ab), "the least")
		}
	})
}

func TestContextCoversWhatItCounts(t *testing.T) {
	c := clock.Context{actor(1): 3}
	require.True(t, c.Covers(clock.Dot{Actor: actor(1), Counter: 3}))
	require.False(t, c.Covers(clock.Dot{Actor: actor(1), Counter: 4}))
	require.False(t, c.Covers(clock.Dot{Actor: actor(2), Counter: 1}))
}

func TestNilContextKnowsNothing(t *testing.T) {
	var c clock.Context
	require.False(t, c.Covers(clock.Dot{Actor: actor(1), Counter: 1}))
	require.Nil(t, c.Clone())
	require.True(t, c.Equal(clock.Context{actor(1): 0}), "a counter of zero says nothing")
	require.False(t, c.Equal(clock.Context{actor(1): 1}))
}

func TestContextCloneSharesNothing(t *testing.T) {
	c := clock.Context{actor(1): 3}
	d := c.Clone()
	d[actor(1)] = 9
	require.Equal(t, uint64(3), c[actor(1)])
}
