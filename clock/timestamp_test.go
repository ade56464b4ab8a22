package clock_test

import (
	"math"
	"testing"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTimestampKeepsTheMillisecond(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_700_000, time.UTC)
	ts := clock.TimestampOf(at)
	require.Equal(t, at.Truncate(time.Millisecond), ts.Time())
	require.Equal(t, "2026-01-02T03:04:05.006Z", ts.String())
	require.Equal(t, "2026-01-02T03:04:05.006Z+7", (ts + 7).String())
	require.Equal(t, ts.Time(), (ts + 7).Time())
}

func TestTimestampStaysOnItsScale(t *testing.T) {
	require.Zero(t, clock.TimestampOf(time.Time{}))
	require.Zero(t, clock.TimestampOf(time.UnixMilli(-1)))
	last := clock.TimestampOf(time.UnixMilli(math.MaxInt64))
	require.Equal(t, clock.MaxTimestamp>>16, last>>16)
}

func TestTimestampsAreOrderedLikeTheirTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64Range(0, 1<<47).Draw(t, "a"), rapid.Int64Range(0, 1<<47).Draw(t, "b")
		require.Equal(t, a < b, clock.TimestampOf(time.UnixMilli(a)) < clock.TimestampOf(time.UnixMilli(b)))
	})
}
