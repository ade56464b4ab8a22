package clock_test

import (
	"testing"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// at returns the stamp of a time after the epoch.
func at(d time.Duration) clock.Timestamp {
	return clock.TimestampOf(time.UnixMilli(0).Add(d))
}

func TestHybridStampsAreUniqueAndExceedTheirFloor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h clock.Hybrid
		given := map[clock.Timestamp]bool{}
		var near clock.Timestamp
		second := rapid.IntRange(0, 400)
		for range rapid.IntRange(1, 120).Draw(t, "writes") {
			now := at(time.Duration(second.Draw(t, "now")) * time.Second)
			floor := at(time.Duration(second.Draw(t, "floor"))*time.Second) + clock.Timestamp(rapid.IntRange(0, 3).Draw(t, "logical"))
			stamp := h.Next(now, floor)
			require.False(t, given[stamp], "given twice: %v", stamp)
			require.Greater(t, stamp, floor)
			given[stamp] = true
			if isFar := floor > now+at(clock.MaxDrift) && floor > near; !isFar {
				require.Greater(t, stamp, near, "near stamps grow")
				require.GreaterOrEqual(t, stamp, now)
				near = stamp
			}
		}
	})
}

func TestFarFloorDoesNotDragLaterStampsAlong(t *testing.T) {
	var h clock.Hybrid
	now := at(time.Hour)
	far := now + at(24*time.Hour)
	require.Equal(t, far+1, h.Next(now, far))
	require.Equal(t, far+2, h.Next(now, far))
	require.Equal(t, now, h.Next(now, 0))
	require.Equal(t, now+1, h.Next(now, 0))
}

func TestNearStampsJumpOverFarOnesThatWereGiven(t *testing.T) {
	var h clock.Hybrid
	far := at(10 * time.Minute)
	require.Equal(t, far+1, h.Next(0, far))
	require.Equal(t, far+2, h.Next(0, far+1))
	require.Equal(t, far, h.Next(far, 0))
	require.Equal(t, far+3, h.Next(far, 0))
}

func TestFloorWithinTheDriftMovesLaterStampsAlong(t *testing.T) {
	var h clock.Hybrid
	now, floor := at(time.Hour), at(time.Hour+clock.MaxDrift)
	require.Equal(t, floor+1, h.Next(now, floor))
	require.Equal(t, floor+2, h.Next(now, 0))
}

func TestStampsGrowWhenTheClockIsSetBack(t *testing.T) {
	var h clock.Hybrid
	first := h.Next(at(time.Hour), 0)
	require.Equal(t, first+1, h.Next(at(time.Minute), 0))
	require.Equal(t, first+2, h.Next(at(time.Minute), at(30*time.Minute)))
}

func TestManyFarStampsStayUniqueInBoundedMemory(t *testing.T) {
	var h clock.Hybrid
	given := map[clock.Timestamp]bool{}
	for i := range 5000 {
		stamp := h.Next(0, at(time.Hour+time.Duration(i*7919%5000)*time.Second))
		require.False(t, given[stamp])
		given[stamp] = true
	}
	for i := range 6000 {
		stamp := h.Next(at(time.Hour+time.Duration(i)*time.Second), 0)
		require.False(t, given[stamp])
		given[stamp] = true
	}
}

func TestStampsSaturateAtTheEndOfTheScale(t *testing.T) {
	var h clock.Hybrid
	require.Equal(t, clock.MaxTimestamp, h.Next(0, clock.MaxTimestamp))
	require.Equal(t, clock.MaxTimestamp, h.Next(0, clock.MaxTimestamp-1))
	require.Equal(t, at(time.Second), h.Next(at(time.Second), 0))
}

func BenchmarkHybridNext(b *testing.B) {
	var h clock.Hybrid
	b.ReportAllocs()
	for b.Loop() {
		h.Next(1<<40, 0)
	}
}
