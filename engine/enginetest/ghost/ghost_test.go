package ghost_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
	"github.com/kvnode/kvnode/engine/replica"
)

func setOf(events ...int) ghost.Set {
	var s ghost.Set
	for _, e := range events {
		s = s.With(e)
	}
	return s
}

func TestSetHoldsWhatWasAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(rapid.IntRange(0, 200)).Draw(t, "a"), rapid.SliceOf(rapid.IntRange(0, 200)).Draw(t, "b")
		one, other := setOf(a...), setOf(b...)
		both := one.And(other)
		for i := range 260 {
			require.Equal(t, one.Has(i) || other.Has(i), both.Has(i), "event %d", i)
		}
		require.Equal(t, both, setOf(both.Events()...))
		require.True(t, both.Covers(one) && both.Covers(other))
		require.Equal(t, len(both.Events()) == len(one.Events()), one.Covers(other))
	})
}

func TestSetIsNotChangedByWhatIsMadeOfIt(t *testing.T) {
	s := setOf(1, 70)
	s.With(2)
	s.And(setOf(3))
	require.Equal(t, []int{1, 70}, s.Events())
}

func dot(n uint64) clock.Dot {
	return clock.Dot{Actor: clock.ActorFrom([clock.ActorSize]byte{1}), Counter: n}
}

func TestStoryShowsTheWritesThatNothingKnownSucceeds(t *testing.T) {
	s := ghost.Histories[string]{}.Story("k")
	milk := s.Add(ghost.Event{Dot: dot(1), Value: "milk"})
	bread := s.Add(ghost.Event{Dot: dot(2), Value: "bread"})
	butter := s.Add(ghost.Event{Dot: dot(3), Value: "butter", Past: setOf(0)})
	s.Add(ghost.Event{Dot: dot(4), Deleted: true, Past: setOf(0, 2)})

	require.Equal(t, []*ghost.Event{milk, bread}, s.Shown(setOf(0, 1)))
	require.Equal(t, []*ghost.Event{bread, butter}, s.Shown(setOf(0, 1, 2)))
	require.Equal(t, []*ghost.Event{bread}, s.Shown(setOf(0, 1, 2, 3)))
	require.True(t, s.ShowsUnseen(setOf(0, 1), setOf(0)))
	require.False(t, s.ShowsUnseen(setOf(0, 1, 2, 3), setOf(1)))
}

func TestCheckSaysWhatIsWrongWithTheVersions(t *testing.T) {
	s := ghost.Histories[string]{}.Story("k")
	s.Add(ghost.Event{Dot: dot(1), Value: "milk"})
	s.Add(ghost.Event{Dot: dot(2), Value: "bread", Past: setOf(0)})
	version := func(counter uint64, value string) replica.Version {
		return replica.Version{Dot: dot(counter), Value: []byte(value)}
	}
	known := setOf(0, 1)

	require.NoError(t, s.Check(known, []replica.Version{version(2, "bread")}))
	require.ErrorContains(t, s.Check(known, nil), "there are 0 versions")
	require.ErrorContains(t, s.Check(known, []replica.Version{version(2, "bread"), version(2, "bread")}), "replaced")
	require.ErrorContains(t, s.Check(known, []replica.Version{version(1, "milk")}), "replaced")
	require.ErrorContains(t, s.Check(known, []replica.Version{version(2, "milk")}), "written was")
	require.ErrorContains(t, s.Check(known, []replica.Version{version(7, "milk")}), "never written")
	require.ErrorContains(t, s.Check(nil, []replica.Version{version(1, "milk")}), "not known here")
}

func TestHistoriesKeepOneStoryForEachKey(t *testing.T) {
	h := ghost.Histories[string]{}
	h.Story("a").Add(ghost.Event{Dot: dot(1)})
	require.Len(t, h.Story("a").Events, 1)
	require.Empty(t, h.Story("b").Events)
}

func TestWithoutLeavesTheSetAsItWas(t *testing.T) {
	s := setOf(1, 70, 130)
	require.Equal(t, []int{1, 130}, s.Without(setOf(70, 5)).Events())
	require.Equal(t, []int{1, 70, 130}, s.Events())
}
