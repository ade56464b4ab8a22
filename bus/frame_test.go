package bus_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kvnode/kvnode/bus"
)

// TestFramesOnTheWire compares frames with testdata/frames: the format must not change under a version number.
func TestFramesOnTheWire(t *testing.T) {
	datadriven.RunTest(t, "testdata/frames", func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		var from string
		var number uint64
		var size int
		d.ScanArgs(t, "from", &from)
		d.MaybeScanArgs(t, "number", &number)
		payload := []byte(d.Input)
		if d.MaybeScanArgs(t, "size", &size) {
			payload = bytes.Repeat([]byte{0xab}, size)
		}
		var b strings.Builder
		for _, frame := range bus.Frames(from, number, payload) {
			shown := frame[:min(len(frame), 32)]
			fmt.Fprintf(&b, "%s (%d bytes)\n", hex.EncodeToString(shown), len(frame))
		}
		return b.String()
	})
}

// payloads draws payloads of which some are cut.
func payloads() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		size := rapid.SampledFrom([]int{0, 1, 100, bus.FragmentSize, bus.FragmentSize + 1, 3*bus.FragmentSize + 5}).Draw(t, "size")
		return bytes.Repeat([]byte{rapid.Byte().Draw(t, "fill")}, size)
	})
}

func TestFramesInOrderGiveThePayloadsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		assembler := bus.NewAssembler(1, bus.MaxPayload)
		for i, payload := range rapid.SliceOfN(payloads(), 1, 5).Draw(t, "payloads") {
			frames := bus.Frames("a", uint64(i+1), payload)
			for j, frame := range frames {
				from, got, ok := assembler.Take(frame)
				require.Equal(t, j == len(frames)-1, ok)
				if ok {
					require.Equal(t, "a", from)
					require.True(t, bytes.Equal(payload, got))
				}
			}
		}
		require.Zero(t, assembler.Held())
		require.Zero(t, assembler.Dropped())
	})
}

// TestNoFaultMakesAPayloadThatWasNotSent loses, repeats and shuffles the frames of two senders.
func TestNoFaultMakesAPayloadThatWasNotSent(t *testing.T) {
	const budget = 6 * bus.FragmentSize
	rapid.Check(t, func(t *rapid.T) {
		sent := make(map[string]bool)
		var frames [][]byte
		for i := range rapid.IntRange(1, 6).Draw(t, "count") {
			from := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "from")
			payload := bytes.Repeat([]byte{from[0], byte(i)}, rapid.IntRange(1, 2*bus.FragmentSize).Draw(t, "half"))
			sent[string(payload)] = true
			frames = append(frames, bus.Frames(from, uint64(i+1), payload)...)
		}
		assembler := bus.NewAssembler(2, budget)
		for range 2 * len(frames) {
			i := rapid.IntRange(0, len(frames)-1).Draw(t, "frame")
			if from, got, ok := assembler.Take(bytes.Clone(frames[i])); ok {
				require.Equal(t, from, string(got[:1]))
				require.True(t, sent[string(got)], "made up: %d bytes from %s", len(got), from)
			}
			require.LessOrEqual(t, assembler.Held(), budget)
		}
	})
}

func TestLostFragmentLosesItsPayloadAndNoOther(t *testing.T) {
	assembler := bus.NewAssembler(1, bus.MaxPayload)
	first := bus.Frames("a", 1, bytes.Repeat([]byte{1}, 3*bus.FragmentSize))
	second := bus.Frames("a", 2, bytes.Repeat([]byte{2}, 2*bus.FragmentSize))
	for _, frame := range [][]byte{first[0], first[2], second[0]} {
		_, _, ok := assembler.Take(frame)
		require.False(t, ok)
	}
	_, got, ok := assembler.Take(second[1])
	require.True(t, ok)
	require.True(t, bytes.Equal(bytes.Repeat([]byte{2}, 2*bus.FragmentSize), got))
	require.Equal(t, uint64(1), assembler.Dropped())
	require.Zero(t, assembler.Held())
}

func TestUnfinishedPayloadsAreBounded(t *testing.T) {
	const total, budget = 4 * bus.FragmentSize, 10 * bus.FragmentSize
	assembler := bus.NewAssembler(1, budget)
	for i := range 100 {
		frames := bus.Frames(fmt.Sprint("sender", i), 1, make([]byte, total))
		_, _, ok := assembler.Take(frames[0])
		require.False(t, ok)
		require.LessOrEqual(t, assembler.Held(), budget)
	}
	require.Equal(t, uint64(98), assembler.Dropped())
}

func FuzzTakeSurvivesAnyFrame(f *testing.F) {
	for _, payload := range [][]byte{nil, []byte("hello"), make([]byte, bus.FragmentSize+1)} {
		for _, frame := range bus.Frames("a", 1, payload) {
			f.Add(frame)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		assembler := bus.NewAssembler(1, bus.MaxPayload)
		from, payload, ok := assembler.Take(bytes.Clone(raw))
		if !ok {
			require.LessOrEqual(t, assembler.Held(), bus.MaxPayload)
			return
		}
		require.NotEmpty(t, from)
		require.Equal(t, raw, bus.Frames(from, 1, payload)[0])
	})
}

// TestLanesHaveConnectionsOfTheirOwn repeats how the server chooses a route connection for an account.
func TestLanesHaveConnectionsOfTheirOwn(t *testing.T) {
	accounts, connections := bus.AccountRoute()
	taken := make(map[uint32]string)
	for _, account := range accounts {
		hash := fnv.New32a()
		_, err := hash.Write([]byte(account))
		require.NoError(t, err)
		index := hash.Sum32() % uint32(connections)
		require.NotContains(t, taken, index, "shared by %s", account)
		taken[index] = account
	}
}
