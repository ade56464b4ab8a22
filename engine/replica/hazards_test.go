package replica_test

import (
	"fmt"
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
)

// TestVersionThatTheSenderHeardOfInAContextAloneGoes is a delete that the sender knows and has forgotten, of a version that reached the sender only
// after the transfer began: nothing but the context, which goes with it, said before that the sender had removed it.
func TestVersionThatTheSenderHeardOfInAContextAloneGoes(t *testing.T) {
	a, b, c, d := open(1), open(2), open(3), open(4)
	put(t, c, "k", "old")
	late := drain(t, c)
	receive(t, b, late)
	receive(t, d, late)
	del(t, d, "k")
	send(t, d, a)
	a.Collect(nil)
	require.Equal(t, clock.Context{actor(3): 1, actor(4): 1}, a.Context("k"))

	x := begin(a, b, false)
	require.True(t, x.plan.Full)
	receive(t, a, late) // the context of k goes
	x.end(t, 1<<10)
	require.Nil(t, b.Get("k"))
	requireSame(t, a, b)
}

// TestTransferEndsWhileMoreIsUnderWayThanAnAnswerHolds has more mutations between sender and receiver at any time than fit into one answer.
func TestTransferEndsWhileMoreIsUnderWayThanAnAnswerHolds(t *testing.T) {
	a, b := diverged(t, 500)
	for i := range 20 {
		del(t, a, fmt.Sprint("key", i))
	}
	drain(t, a)
	a.Collect(nil)
	const limit = 200
	x := begin(a, b, false)
	require.True(t, x.plan.Full)
	var underWay replica.Delta
	for i := 0; !x.done; i++ {
		require.Less(t, i, 100, "steps")
		for j := range 4 {
			put(t, a, fmt.Sprint("new", i, j), fmt.Sprintf("%0*d", limit/2, i))
		}
		x.take(t, x.answer(t, limit))
		receive(t, b, underWay)
		underWay = drain(t, a)
	}
	receive(t, b, underWay)
	requireSame(t, a, b)
}

func TestTransferDoesNotEndBeforeWhatItsSumsTellOfIsThere(t *testing.T) {
	a, b := diverged(t, 50)
	x := begin(a, b, true)
	for i := range 50 {
		del(t, a, fmt.Sprint("key", i))
	}
	drain(t, a) // lost
	x.end(t, 200)
	require.Greater(t, x.steps, 5)
	requireSame(t, a, b)
}

// TestMutationsThatReachTheReceiverAnotherWayAreNotMissed is a transfer of what is in the log, of which the rest arrives in frames and is collected
// before the transfer gets there.
func TestMutationsThatReachTheReceiverAnotherWayAreNotMissed(t *testing.T) {
	a, b := open(1), open(2)
	for i := range 10 {
		put(t, a, fmt.Sprint("k", i), "some value")
	}
	x := begin(a, b, false)
	x.take(t, x.answer(t, 100))
	require.False(t, x.done)
	receive(t, b, drain(t, a))
	a.Witness(b.Self(), b.Clock())
	require.Equal(t, 10, a.Collect([]clock.Actor{b.Self()}))
	x.end(t, 100)
	require.False(t, x.intake.IsFull(), "the log has told all that was missing")
	require.Less(t, len(x.keys), 10, "and what was there is not sent again")
	requireSame(t, a, b)
}

// TestKeysThatShareAHashEndTheirTransfer has keys of one XXH3 sum, which anybody can make: where its first eight bytes are those of the sum's own
// secret, the eight that follow do not count.
func TestKeysThatShareAHashEndTheirTransfer(t *testing.T) {
	a, b := open(1), open(2)
	const keys = 200
	for i := range keys {
		key := fmt.Sprintf("\xb8\xfe\x6c\x39\x23\xa4\x4b\xbe%08dsixteen letters.", i)
		put(t, a, key, "some value")
	}
	a.Collect(nil)
	x := begin(a, b, true)
	for i := 0; !x.done; i++ {
		require.Less(t, i, 2*keys, "steps")
		x.take(t, x.answer(t, 100))
	}
	requireSame(t, a, b)
}

// TestNewsThatClosesAGapDoesNotStripAllKeysAtOnce bounds how long a frame holds the lock. Ten thousand keys wait for one mutation.
func TestNewsThatClosesAGapDoesNotStripAllKeysAtOnce(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "first", "v")
	gap := drain(t, a)
	for i := range 10_000 {
		put(t, a, fmt.Sprint("key", i), "v")
	}
	for a.Pending() > 0 {
		d, _ := a.Drain(1 << 20)
		receive(t, b, wire(t, d))
	}
	receive(t, b, gap)
	require.True(t, b.Tidy(), "there is more to do")
	for b.Tidy() {
		continue
	}
	requireSame(t, a, b)
}

// TestTransferWhoseSenderOwesForEverIsGivenUp has a sender whose mutations are taken out of its answers on their way.
func TestTransferWhoseSenderOwesForEverIsGivenUp(t *testing.T) {
	a, b := diverged(t, 50)
	x := begin(a, b, true)
	for i := range 50 {
		del(t, a, fmt.Sprint("key", i))
	}
	drain(t, a)
	var err error
	for steps := 0; err == nil; steps++ {
		require.Less(t, steps, 20)
		answer := x.answer(t, 200)
		answer.Delta.Objects = nil
		_, x.done, err = b.Take(x.intake, answer)
		require.False(t, x.done)
	}
	require.ErrorIs(t, err, replica.ErrStale)
}
