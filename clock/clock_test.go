package clock_test

import (
	"math"
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// genDots draws a few dots of a few actors with small counters, so that they collide and touch.
func genDots() *rapid.Generator[[]clock.Dot] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) clock.Dot {
		return clock.Dot{Actor: actor(rapid.ByteRange(1, 3).Draw(t, "actor")), Counter: rapid.Uint64Range(1, 12).Draw(t, "counter")}
	}), 0, 20)
}

func genClock() *rapid.Generator[clock.Clock] {
	return rapid.Map(genDots(), clockOf)
}

func clockOf(dots []clock.Dot) clock.Clock {
	var c clock.Clock
	for _, d := range dots {
		c.Add(d)
	}
	return c
}

// dotsIn returns the set of all dots of c that genDots could have drawn.
func dotsIn(c clock.Clock) map[clock.Dot]bool {
	out := map[clock.Dot]bool{}
	for b := byte(1); b <= 3; b++ {
		for n := uint64(1); n <= 14; n++ {
			if d := (clock.Dot{Actor: actor(b), Counter: n}); c.Has(d) {
				out[d] = true
			}
		}
	}
	return out
}

func join(a, b clock.Clock) clock.Clock {
	out := a.Clone()
	out.Join(b)
	return out
}

func TestClockHasExactlyWhatWasAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dots := genDots().Draw(t, "dots")
		want := map[clock.Dot]bool{}
		for _, d := range dots {
			want[d] = true
		}
		c := clockOf(dots)
		require.Equal(t, want, dotsIn(c))
		requireCanonical(t, c)
		for d := range want {
			require.LessOrEqual(t, d.Counter, c.Entry(d.Actor).Max())
		}
	})
}

// requireCanonical checks the invariant of every entry.
func requireCanonical(t *rapid.T, c clock.Clock) {
	for a, e := range c.All() {
		require.False(t, e.IsEmpty())
		require.Equal(t, len(e.Ext) == 0, c.Contiguous(a))
		below := e.Base
		for _, iv := range e.Ext {
			require.Greater(t, iv.Lo, below+1, "%v", c)
			require.GreaterOrEqual(t, iv.Hi, iv.Lo)
			below = iv.Hi
		}
	}
}

func TestClockAddsRangesAsItsDots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		byRange, byDot := genClock().Draw(t, "clock"), clock.Clock{}
		byDot.Join(byRange)
		lo, hi := rapid.Uint64Range(0, 12).Draw(t, "lo"), rapid.Uint64Range(0, 12).Draw(t, "hi")
		byRange.AddRange(actor(1), lo, hi)
		for n := max(lo, 1); n <= hi; n++ {
			byDot.Add(clock.Dot{Actor: actor(1), Counter: n})
		}
		require.True(t, byRange.Equal(byDot), "%v and %v", byRange, byDot)
		requireCanonical(t, byRange)
	})
}

func TestClockJoinIsALeastUpperBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genClock().Draw(t, "a"), genClock().Draw(t, "b"), genClock().Draw(t, "c")
		ab := join(a, b)
		require.True(t, ab.Equal(join(b, a)), "commutative")
		require.True(t, join(ab, c).Equal(join(a, join(b, c))), "associative")
		require.True(t, join(a, a).Equal(a), "idempotent")
		require.True(t, ab.Covers(a) && ab.Covers(b), "above both")
		want := dotsIn(a)
		for d := range dotsIn(b) {
			want[d] = true
		}
		require.Equal(t, want, dotsIn(ab), "the least")
		requireCanonical(t, ab)
	})
}

func TestMissingIsTheDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genClock().Draw(t, "a"), genClock().Draw(t, "b")
		filled := b.Clone()
		var last clock.Dot
		for x, iv := range a.Missing(b) {
			require.Positive(t, clock.Dot{Actor: x, Counter: iv.Lo}.Compare(last), "in order")
			last = clock.Dot{Actor: x, Counter: iv.Hi}
			for n := iv.Lo; n <= iv.Hi; n++ {
				require.True(t, a.Has(clock.Dot{Actor: x, Counter: n}))
				require.False(t, b.Has(clock.Dot{Actor: x, Counter: n}))
			}
			filled.AddRange(x, iv.Lo, iv.Hi)
		}
		require.True(t, filled.Equal(join(a, b)))
		require.Equal(t, last.IsZero(), b.Covers(a))
	})
}

func TestIntersectKeepsWhatBothKnow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genClock().Draw(t, "a").Entry(actor(1)), genClock().Draw(t, "b").Entry(actor(1))
		both := a.Intersect(b)
		for n := uint64(1); n <= 14; n++ {
			require.Equal(t, a.Has(n) && b.Has(n), both.Has(n), "%d of %v and %v", n, a, b)
		}
		require.True(t, a.Covers(both) && b.Covers(both))
		require.True(t, both.Equal(b.Intersect(a)))
	})
}

func TestCloneSharesNothing(t *testing.T) {
	c := clockOf([]clock.Dot{{Actor: actor(1), Counter: 1}, {Actor: actor(1), Counter: 5}, {Actor: actor(1), Counter: 9}})
	d := c.Clone()
	d.AddRange(actor(1), 4, 7)
	d.Add(clock.Dot{Actor: actor(2), Counter: 1})
	require.Equal(t, "01010101:1,5,9", c.String())
	require.Equal(t, "01010101:1,4-7,9 02020202:1", d.String())
}

func TestBasesAreWhatIsKnownWithoutGaps(t *testing.T) {
	c := clockOf([]clock.Dot{{Actor: actor(1), Counter: 1}, {Actor: actor(1), Counter: 2}, {Actor: actor(1), Counter: 4}, {Actor: actor(2), Counter: 2}})
	require.Equal(t, clock.Context{actor(1): 2}, c.Bases())
	require.Equal(t, uint64(2), c.Base(actor(1)))
	require.Zero(t, c.Base(actor(2)))
	require.Equal(t, []clock.Actor{actor(1), actor(2)}, c.Actors())
	require.Equal(t, 2, c.Len())
}

func TestSealClosesTheEntry(t *testing.T) {
	c := clockOf([]clock.Dot{{Actor: actor(1), Counter: 1}, {Actor: actor(1), Counter: 4}})
	require.False(t, c.Contiguous(actor(1)))
	c.Seal(actor(1), 4)
	require.Equal(t, clock.Entry{Base: 4}, c.Entry(actor(1)))
	c.Seal(actor(1), 2)
	require.Equal(t, uint64(4), c.Base(actor(1)), "never less")
	c.Seal(actor(2), 0)
	require.Equal(t, 1, c.Len(), "an actor that did nothing leaves no entry")
	c.Drop(actor(1))
	require.Zero(t, c.Len())
}

func TestHashIsThatOfTheContent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genClock().Draw(t, "a"), genClock().Draw(t, "b")
		require.Equal(t, a.Equal(b), a.Hash() == b.Hash())
		require.Equal(t, join(a, b).Hash(), join(b, a).Hash())
	})
}

func TestCountersReachTheEndOfTheScale(t *testing.T) {
	var c clock.Clock
	c.Add(clock.Dot{Actor: actor(1), Counter: math.MaxUint64})
	c.AddRange(actor(1), 3, math.MaxUint64-2)
	require.Equal(t, clock.Entry{Ext: []clock.Interval{{Lo: 3, Hi: math.MaxUint64 - 2}, {Lo: math.MaxUint64, Hi: math.MaxUint64}}}, c.Entry(actor(1)))
	c.AddRange(actor(1), 1, math.MaxUint64)
	require.Equal(t, clock.Entry{Base: math.MaxUint64}, c.Entry(actor(1)))
	c.Add(clock.Dot{Actor: actor(1), Counter: 5})
	require.Equal(t, uint64(math.MaxUint64), c.Base(actor(1)))
}

func BenchmarkClockAdd(b *testing.B) {
	var c clock.Clock
	d := clock.Dot{Actor: actor(1)}
	b.ReportAllocs()
	for b.Loop() {
		d.Counter++
		c.Add(d)
	}
}

func BenchmarkClockHash(b *testing.B) {
	var c clock.Clock
	for i := range byte(10) {
		c.AddRange(actor(i+1), 1, 1_000_000)
	}
	b.ReportAllocs()
	for b.Loop() {
		c.Hash()
	}
}
