package clock_test

import (
	"encoding/hex"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/kvnode/kvnode/clock"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestClockSurvivesItsEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genClock().Draw(t, "clock")
		tail := rapid.SliceOf(rapid.Byte()).Draw(t, "tail")
		parsed, rest, err := clock.ParseClock(append(c.AppendBinary(nil), tail...))
		require.NoError(t, err)
		require.True(t, c.Equal(parsed), "%v became %v", c, parsed)
		require.Len(t, rest, len(tail))
	})
}

// TestEncodingOfAClockStaysAsItIs holds the encoding against testdata/encoding; -rewrite writes it anew. A line of the input is the byte that all
// of an actor are, and the intervals that the clock has of it.
func TestEncodingOfAClockStaysAsItIs(t *testing.T) {
	datadriven.RunTest(t, "testdata/encoding", func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		var c clock.Clock
		for line := range strings.Lines(d.Input) {
			fields := strings.Fields(line)
			id, err := strconv.ParseUint(fields[0], 16, 8)
			require.NoError(t, err)
			for _, field := range fields[1:] {
				addInterval(t, &c, actor(byte(id)), field)
			}
		}
		return hex.Dump(c.AppendBinary(nil))
	})
}

// addInterval adds "3-5", or "3" for "3-3".
func addInterval(t *testing.T, c *clock.Clock, a clock.Actor, text string) {
	t.Helper()
	from, to, found := strings.Cut(text, "-")
	if !found {
		to = from
	}
	lo, err := strconv.ParseUint(from, 10, 64)
	require.NoError(t, err)
	hi, err := strconv.ParseUint(to, 10, 64)
	require.NoError(t, err)
	c.AddRange(a, lo, hi)
}

func TestEncodingsThatAreNotCanonicalAreRefused(t *testing.T) {
	a := func(b byte) []byte { id := actor(b).Bytes(); return id[:] }
	concat := func(parts ...[]byte) (out []byte) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	for name, b := range map[string][]byte{
		"nothing":                    {},
		"fewer entries than it says": {1},
		"too many entries":           {0xff, 0xff, 0xff, 0xff, 0x0f},
		"an entry without anything":  concat([]byte{1}, a(1), []byte{0, 0}),
		"the zero actor":             concat([]byte{1}, a(0), []byte{1, 0}),
		"the same actor twice":       concat([]byte{2}, a(1), []byte{1, 0}, a(1), []byte{1, 0}),
		"actors out of order":        concat([]byte{2}, a(2), []byte{1, 0}, a(1), []byte{1, 0}),
		"a number that is too long":  concat([]byte{1}, a(1), []byte{0x81, 0x00, 0}),
		"more intervals than bytes":  concat([]byte{1}, a(1), []byte{1, 5, 0, 0}),
		"a counter off the scale":    concat([]byte{1}, a(1), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1, 0, 0}),
	} {
		_, _, err := clock.ParseClock(b)
		require.ErrorIs(t, err, clock.ErrBadClock, name)
	}
}

func FuzzParseClock(f *testing.F) {
	c := clockOf([]clock.Dot{{Actor: actor(1), Counter: 3}, {Actor: actor(1), Counter: 9}, {Actor: actor(2), Counter: 1}})
	f.Add(c.AppendBinary(nil))
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, rest, err := clock.ParseClock(b)
		if err != nil {
			require.ErrorIs(t, err, clock.ErrBadClock)
			return
		}
		require.Equal(t, b[:len(b)-len(rest)], parsed.AppendBinary(nil), "one clock has one encoding")
	})
}
