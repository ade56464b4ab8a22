package replica_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
)

func TestHotKeyTravelsOnceWithAllItsMutations(t *testing.T) {
	a, b := open(1), open(2)
	for i := range 5 {
		put(t, a, "hot", strconv.Itoa(i))
	}
	require.Equal(t, 1, a.Pending())
	d, own := a.Drain(1 << 20)
	require.Equal(t, []clock.Dot{dot(1, 1), dot(1, 2), dot(1, 3), dot(1, 4), dot(1, 5)}, own)
	require.Len(t, d.Objects, 1)
	require.Equal(t, own[:4], d.Objects[0].Dots, "the last is the version's")
	receive(t, b, wire(t, d))
	requireSame(t, a, b)
}

func TestCoveringWriteTravelsWithoutTheDotsThatItSucceeds(t *testing.T) {
	a, b := open(1), open(2)
	for i := range 5 {
		put(t, b, "k", strconv.Itoa(i))
	}
	send(t, b, a)
	require.Equal(t, 5, a.NumUnstable())

	put(t, a, "k", "blind")
	require.Empty(t, drain(t, a).Objects[0].Dots)
	write(t, a, replica.Write{Key: "k", Value: []byte("read before"), Context: a.Context("k")})
	require.Empty(t, drain(t, a).Objects[0].Dots)
}

func TestReadBeforeWriteCoversThoughOtherKeysHaveMovedOn(t *testing.T) {
	a := open(1)
	read := put(t, a, "k", "v").Context
	put(t, a, "other", "v")
	drain(t, a)
	write(t, a, replica.Write{Key: "k", Value: []byte("w"), Context: read})
	require.Empty(t, drain(t, a).Objects[0].Dots)
}

func TestWriteThatLeavesMutationsUncoveredTravelsWithThem(t *testing.T) {
	a, b := open(1), open(2)
	put(t, b, "k", "v")
	del(t, b, "k")
	send(t, b, a)
	write(t, a, replica.Write{Key: "k", Value: []byte("new"), Context: clock.Context{}})
	require.Equal(t, []clock.Dot{dot(2, 1), dot(2, 2)}, drain(t, a).Objects[0].Dots)
}

func TestPendingKeyThatAPeerChangedTravelsWithAllThatIsNotStable(t *testing.T) {
	a, b := open(1), open(2)
	put(t, b, "k", "v")
	del(t, b, "k")
	put(t, a, "k", "pending")
	send(t, b, a)
	require.Equal(t, []clock.Dot{dot(2, 1), dot(2, 2)}, drain(t, a).Objects[0].Dots)
}

func TestLaterCoveringWriteMakesAPendingKeyLeanAgain(t *testing.T) {
	a, b := open(1), open(2)
	put(t, b, "k", "v")
	put(t, a, "k", "pending")
	send(t, b, a)
	put(t, a, "k", "covers both")
	require.Equal(t, []clock.Dot{dot(1, 1)}, drain(t, a).Objects[0].Dots, "own mutations travel in any case")
}

func TestDrainTakesKeysInTheOrderOfTheirFirstWrite(t *testing.T) {
	a := open(1)
	for i := range 20 {
		put(t, a, fmt.Sprint("k", i%10), strings.Repeat("v", i))
	}
	var keys []string
	for a.Pending() > 0 {
		d, own := a.Drain(1)
		require.Len(t, d.Objects, 1, "at least one object")
		require.Len(t, own, 2)
		keys = append(keys, d.Objects[0].Key)
	}
	require.Equal(t, []string{"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"}, keys)
	d, own := a.Drain(1 << 20)
	require.Empty(t, d.Objects)
	require.Empty(t, own)
}

func TestDrainStaysWithinItsBytes(t *testing.T) {
	a := open(1)
	for i := range 200 {
		put(t, a, fmt.Sprint("key", i), strings.Repeat("v", i))
	}
	const limit = 2000
	frames := 0
	for ; a.Pending() > 0; frames++ {
		d, _ := a.Drain(limit)
		require.LessOrEqual(t, len(d.AppendBinary(nil)), limit)
	}
	require.Less(t, frames, 25, "frames are filled")
}

func TestWhatTheLastIncarnationDidNotSendTravelsUnderTheNext(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "one")
	del(t, a, "k")
	put(t, a, "kept", "two")
	a.Adopt(actor(3))
	require.Equal(t, actor(3), a.Self())
	done := put(t, a, "new", "three")
	require.Equal(t, dot(3, 1), done.Dot)
	send(t, a, b)
	requireSame(t, a, b)
	require.Equal(t, []string{"two"}, values(b, "kept"))
	require.True(t, b.Clock().Has(dot(1, 2)))
}
