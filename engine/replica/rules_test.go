package replica_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// Each of these is a rule that other tests pass without.

func TestWatermarkCountsThisReplicaItself(t *testing.T) {
	a := open(1)
	put(t, a, "k", "v")
	a.Witness(actor(2), a.Clock())
	require.Equal(t, 1, a.Collect([]clock.Actor{actor(1), actor(2)}), "nobody tells a replica what it has itself")
}

func TestSumTellsDifferentBytesOfOneMutationApart(t *testing.T) {
	sums := map[[2]uint64]bool{}
	for _, value := range []string{"v", "w", ""} {
		a := open(1)
		receive(t, a, replica.Delta{Base: clock.Context{actor(2): 1}, Objects: []replica.Packed{
			{Key: "k", Object: replica.Object{Versions: []replica.Version{{Dot: dot(2, 1), Value: []byte(value)}}}},
		}})
		sums[a.Sum()] = true
	}
	require.Len(t, sums, 3)
}

func TestTransferOfAnEarlierIncarnationIsNotGoneOnWith(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "v")
	x := begin(a, b, true)
	answer := x.answer(t, 1<<10)
	b.Adopt(actor(3))
	_, _, err := b.Take(x.intake, answer)
	require.ErrorIs(t, err, replica.ErrStale)
	require.Empty(t, b.Get("k"))
}

func TestWhatTheLastIncarnationDidNotSendTravelsWithAllThatIsNotStable(t *testing.T) {
	a, b := open(1), open(2)
	put(t, b, "k", "seen")
	send(t, b, a)
	put(t, a, "k", "pending")
	a.Adopt(actor(3))
	require.Equal(t, []clock.Dot{dot(2, 1)}, drain(t, a).Objects[0].Dots)
}

func TestFullTransferSeesWhatOneKeyOfManyHasLost(t *testing.T) {
	a, b := diverged(t, 500)
	put(t, a, "key7", "x")
	write(t, a, replica.Write{Key: "key7", Value: []byte("y"), Context: clock.Context{}})
	pull(t, a, b, false)
	write(t, a, replica.Write{Key: "key7", Delete: true, Context: clock.Context{actor(1): 501}})
	drain(t, a)
	a.Collect(nil)
	pull(t, a, b, true)
	requireSame(t, a, b)
	require.Equal(t, []string{"y"}, values(b, "key7"))
}

func TestKeyThatIsDeletedBeforeTheWalkReachesItTravelsWithThat(t *testing.T) {
	z, a, b := open(9), open(1), open(2)
	put(t, z, "lost", "v")
	drain(t, z)
	put(t, z, "k", "v")
	send(t, z, a, b)
	x := begin(a, b, true)
	del(t, a, "k")
	drain(t, a)
	x.walk(t)
	require.Empty(t, b.Get("k"))
	require.True(t, b.Clock().Has(dot(1, 1)), "or others would never hear of the delete if the transfer broke off and a were gone")
}

func TestKeyOfAWalkTravelsWithTheDeleteThatHasTakenOneOfItsVersions(t *testing.T) {
	z, a, b := open(9), open(1), open(2)
	put(t, z, "k", "gone")
	send(t, z, a, b)
	for i := range 500 {
		put(t, a, fmt.Sprint("other", i), "v") // so that the walk takes many steps
	}
	write(t, a, replica.Write{Key: "k", Value: []byte("stays"), Context: clock.Context{}})
	drain(t, a)
	a.Collect(nil)
	x := begin(a, b, true)
	write(t, a, replica.Write{Key: "k", Delete: true, Context: clock.Context{actor(9): 1}})
	drain(t, a)
	for !slices.Equal(values(b, "k"), []string{"stays"}) {
		x.take(t, x.answer(t, 1<<10))
	}
	require.Less(t, x.to.Ask(x.intake, 0).Stage, replica.StageCompare, "the walk is under way")
	require.True(t, b.Clock().Has(dot(1, 502)), "or b would have what the delete did, without the delete")
}
