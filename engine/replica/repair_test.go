package replica_test

import (
	"fmt"
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
)

func TestNothingIsPlannedForAPeerThatHasEverything(t *testing.T) {
	a, b := open(1), open(2)
	require.Nil(t, a.Plan(b.Clock(), false))
	put(t, a, "k", "v")
	send(t, a, b)
	put(t, b, "more", "v")
	require.Nil(t, a.Plan(b.Clock(), false), "what the peer has more is its own affair")
	require.NotNil(t, a.Plan(b.Clock(), true))
}

func TestRepairBringsWhatIsMissingAndNoMore(t *testing.T) {
	a, b := open(1), open(2)
	for i := range 10 {
		put(t, a, fmt.Sprint("k", i), "v")
	}
	send(t, a, b)
	put(t, a, "k3", "w")
	del(t, a, "k7")
	drain(t, a)
	x := begin(a, b, false)
	require.False(t, x.plan.Full)
	require.Equal(t, []string{"k3", "k7"}, x.plan.Keys)
	require.Equal(t, map[clock.Dot]string{dot(1, 11): "k3", dot(1, 12): "k7"}, x.plan.Dots)
	x.chunks(t)
	require.Empty(t, x.end(t))
	requireSame(t, a, b)
	require.Nil(t, begin(a, b, false))
}

func TestRepairedReplicaRepairsOthers(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	put(t, a, "k", "v")
	put(t, a, "gone", "v")
	del(t, a, "gone")
	drain(t, a)
	pull(t, a, b, true)
	plan := b.Plan(c.Clock(), false)
	require.False(t, plan.Full, "the log came along")
	pull(t, b, c, false)
	requireSame(t, a, c)
}

func TestMutationsThatLeaveTheLogMakeLaggardsTakeEverything(t *testing.T) {
	a, b := replica.New(actor(1), replica.Options{MaxDotKeys: 3}), open(2)
	for i := range 5 {
		put(t, a, fmt.Sprint("k", i), "v")
	}
	require.Equal(t, 3, a.NumUnstable())
	require.True(t, a.Plan(b.Clock(), false).Full)
	receive(t, b, drain(t, a))
	put(t, a, "k9", "v")
	drain(t, a)
	require.False(t, a.Plan(b.Clock(), false).Full)
}

func TestKeyThatIsDeletedWhileItsChunkIsAwaitedIsDeletedThere(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "v")
	send(t, a, b)
	put(t, a, "k", "w")
	drain(t, a)
	for _, full := range []bool{false, true} {
		x := begin(a, b, full)
		del(t, a, "k")
		drain(t, a)
		x.chunks(t)
		x.end(t)
		require.Nil(t, b.Get("k"))
		require.True(t, b.Clock().Equal(a.Clock()))
		put(t, a, "k", "again")
		send(t, a, b)
		put(t, a, "k", "and again")
		drain(t, a)
	}
}

func TestKeyWithoutVersionsButWithAContextTravelsInFull(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	put(t, b, "lost", "v")
	drain(t, b)
	put(t, b, "k", "v")
	send(t, b, a, c)
	del(t, a, "k")
	drain(t, a)
	require.Equal(t, uint64(2), a.Context("k")[actor(2)], "the dot of the deleted version lies above a gap")
	a.Collect(nil)
	pull(t, a, c, false)
	require.Nil(t, c.Get("k"))
	requireSame(t, a, c)
}

func TestChunksStayWithinTheirBytes(t *testing.T) {
	a := open(1)
	for i := range 100 {
		put(t, a, fmt.Sprint("key", i), "some value")
	}
	plan := a.Plan(clock.Clock{}, true)
	const limit = 500
	for next := 0; next < len(plan.Keys); {
		d, after := a.Chunk(plan, next, limit)
		require.Greater(t, after, next)
		require.Len(t, d.Objects, after-next)
		require.LessOrEqual(t, len(d.AppendBinary(nil)), limit)
		next = after
	}
	d, next := a.Chunk(plan, 0, 1)
	require.Len(t, d.Objects, 1, "at least one")
	require.Equal(t, 1, next)
}

func TestFullTransferIntoDataMergesBothWays(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "both", "from a")
	put(t, a, "a only", "v")
	put(t, b, "both", "from b")
	put(t, b, "b only", "v")
	pull(t, a, b, true)
	require.Equal(t, []string{"from a", "from b"}, values(b, "both"))
	require.Equal(t, []string{"v"}, values(b, "b only"))
	pull(t, b, a, false)
	requireSame(t, a, b)
}

func TestFinishTakesOnlyTheMutationsOfItsClock(t *testing.T) {
	a := open(1)
	var c0 clock.Clock
	c0.Add(dot(2, 1))
	_, err := a.Finish(replica.NewIntake(false), c0, map[clock.Dot]string{dot(2, 1): "k", dot(2, 2): "k"})
	require.NoError(t, err)
	require.Equal(t, 1, a.NumUnstable())
	require.False(t, a.Clock().Has(dot(2, 2)))
}

func TestPendingWriteIsNotLeanAfterATransferBroughtNewsOfItsKey(t *testing.T) {
	a, b := open(1), open(2)
	put(t, b, "k", "v")
	del(t, b, "k")
	drain(t, b)
	put(t, a, "k", "pending")
	pull(t, b, a, false)
	require.Equal(t, []clock.Dot{dot(2, 1), dot(2, 2)}, drain(t, a).Objects[0].Dots)
}
