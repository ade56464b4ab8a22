package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
)

// pastOfTen has one version each of ten stamps, of which those at the given places stood beside others.
func pastOfTen(size int, beside ...int) Past {
	var p Past
	for i := range 10 {
		v := Version{Dot: clock.Dot{Actor: clock.ActorFrom([clock.ActorSize]byte{1}), Counter: uint64(i + 1)}, Stamp: clock.Timestamp(i + 1), Value: make([]byte, size)}
		p.elders = append(p.elders, elder{&Ancestor{Version: v}, true})
	}
	for _, i := range beside {
		p.elders[i].sole = false
	}
	return p
}

func TestPastIsCutWhereOneVersionStoodAlone(t *testing.T) {
	p := pastOfTen(1, 3, 4)
	p.limit()
	require.Len(t, p.elders, maxPast)
	require.Equal(t, 3, p.gap)
	require.True(t, p.elders[p.gap-1].sole)
	require.Equal(t, uint64(6), p.elders[p.gap].Dot.Counter, "what follows the gap is the newest that there is room for")
}

func TestPastKeepsNoMoreBytesThanAMessageHasRoomFor(t *testing.T) {
	for size, want := range map[int][]uint64{
		maxPastBytes / 8:   {1, 2, 3, 4, 5, 8, 9, 10},
		maxPastBytes / 2:   {1, 2},
		maxPastBytes:       {1},
		maxPastBytes*2 - 1: nil,
	} {
		p := pastOfTen(size)
		p.limit()
		var kept []uint64
		for _, e := range p.elders {
			kept = append(kept, e.Dot.Counter)
		}
		require.LessOrEqual(t, p.size(), maxPastBytes)
		require.LessOrEqual(t, p.gap, len(p.elders))
		require.Equal(t, want, kept, size)
	}
}
