package replica_test

import (
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
)

// Each of these is a mistake that protocols of this kind have been known for. Package model checks them against random histories too.

func TestActorIsNotReusedAfterAmnesia(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "before")
	send(t, a, b)
	reborn := open(1)
	_, err := reborn.Receive(begin(b, reborn, true).answer(t, 1<<10).Delta)
	require.ErrorIs(t, err, replica.ErrOwnActor)
	require.Zero(t, reborn.Len())
	require.Zero(t, reborn.Clock().Len())
}

func TestMutationsOfThisActorThatItNeverMadeAreRefusedWherever(t *testing.T) {
	forged := dot(1, 1)
	for name, d := range map[string]replica.Delta{
		"base":    {Base: clock.Context{actor(1): 1}},
		"context": {Objects: []replica.Packed{{Key: "k", Object: replica.Object{Context: clock.Context{actor(1): 1}}}}},
		"dots":    {Objects: []replica.Packed{{Key: "k", Dots: []clock.Dot{forged}}}},
		"version": {Objects: []replica.Packed{
			{Key: "first", Dots: []clock.Dot{dot(2, 1)}},
			{Key: "k", Object: replica.Object{Versions: []replica.Version{{Dot: forged}}}},
		}},
	} {
		a := open(1)
		_, err := a.Receive(d)
		require.ErrorIs(t, err, replica.ErrOwnActor, name)
		require.Zero(t, a.Clock().Len(), "%s: nothing was taken", name)
	}
	a := open(1)
	var c0 clock.Clock
	c0.Add(forged)
	_, _, err := a.Take(a.Begin(), &replica.Answer{Stage: replica.StageCompare, Clock: &c0})
	require.ErrorIs(t, err, replica.ErrOwnActor)
	require.Zero(t, a.Clock().Len())
}

func TestRemoteObjectIsFilledWithItsSendersClock(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	put(t, a, "k", "v")
	send(t, a, b, c)
	del(t, a, "k")
	lateDelete := drain(t, a)
	put(t, c, "k2", "v")
	// c has not heard of the delete; what it sends of k says nothing against v, whatever b's clock says.
	write(t, c, replica.Write{Key: "k", Value: []byte("w"), Context: clock.Context{}})
	fromC := drain(t, c)
	receive(t, b, lateDelete)
	receive(t, b, fromC)
	require.Equal(t, []string{"w"}, values(b, "k"))

	// That c does not mention b's own version does not mean that c has seen and removed it.
	put(t, b, "k3", "mine")
	put(t, c, "k3", "theirs")
	receive(t, b, drain(t, c))
	require.Equal(t, []string{"mine", "theirs"}, values(b, "k3"))
}

func TestLocalObjectIsFilledBeforeTheNewDotsAreAdded(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "v")
	send(t, a, b)
	require.Equal(t, []string{"v"}, values(b, "k"), "b has not seen and removed what it is just being told")
}

func TestClockIsAdoptedOnlyAfterTheLastChunk(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k1", "v")
	put(t, a, "k2", "v")
	drain(t, a)
	x := begin(a, b, true)
	x.take(t, x.answer(t, 1))
	require.Len(t, x.keys, 1)
	require.False(t, b.Clock().Has(dot(1, 2)))

	// The transfer breaks off. The next one still finds what is missing.
	pull(t, a, b, false)
	requireSame(t, a, b)
}

func TestDeletesEffectTravelsWithItsDot(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	put(t, a, "k", "v")
	send(t, a, b, c)
	del(t, a, "k")
	drain(t, a)

	x := begin(a, b, false)
	x.take(t, x.answer(t, 1<<10))
	// The transfer breaks off after the chunk, and a is gone. b must know the delete, or c would never hear of it.
	require.Nil(t, b.Get("k"))
	require.True(t, b.Clock().Has(dot(1, 2)))
	pull(t, b, c, false)
	require.Nil(t, c.Get("k"))
	requireSame(t, b, c)
}

func TestUnknownMutationsMeanEverythingNeverNothing(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "v")
	put(t, a, "gone", "v")
	del(t, a, "gone")
	drain(t, a)
	require.Equal(t, 3, a.Collect(nil))
	plan := a.Plan(b.Self(), b.Clock(), false)
	require.True(t, plan.Full)
	require.Equal(t, []string{"k"}, pull(t, a, b, false).keys)
	requireSame(t, a, b)
}

func TestAbsentKeyIsJoinedWithTheClockOfTheBeginning(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "old", "v")
	send(t, a, b)
	del(t, a, "old")
	drain(t, a)
	a.Collect(nil)

	x := begin(a, b, true)
	put(t, a, "new", "written during the transfer")
	put(t, b, "mine", "v")
	put(t, b, "old2", "v")
	send(t, a, b)
	x.walk(t)
	require.Equal(t, []string{"v"}, values(b, "old"), "not before the end")
	require.Equal(t, []string{"old"}, x.end(t, 1<<10))
	require.Nil(t, b.Get("old"), "deleted before the transfer")
	require.Equal(t, []string{"written during the transfer"}, values(b, "new"))
	require.Equal(t, []string{"v"}, values(b, "mine"))
}

func TestWatermarkDoesNotOutliveAnIncarnation(t *testing.T) {
	a := open(1)
	put(t, a, "k", "v")
	a.Witness(actor(2), a.Clock())
	require.True(t, a.Knows(actor(2), dot(1, 1)))
	require.False(t, a.Knows(actor(3), dot(1, 1)), "the next incarnation of the same node has nothing yet")
	require.Zero(t, a.Collect([]clock.Actor{actor(1), actor(3)}))
	a.ForgetMember(actor(2))
	require.False(t, a.Knows(actor(2), dot(1, 1)))
}

func TestFramesOfTheDeadAreNotTakenAfterTheirEntryIsClosed(t *testing.T) {
	for name, mutate := range map[string]func(*testing.T, *replica.Replica, string){
		"put":    func(t *testing.T, r *replica.Replica, key string) { t.Helper(); put(t, r, key, "late") },
		"delete": func(t *testing.T, r *replica.Replica, key string) { t.Helper(); del(t, r, key) },
	} {
		a, b := open(1), open(2)
		put(t, a, "k", "v")
		send(t, a, b)
		mutate(t, a, "k")
		late := drain(t, a)
		before := b.Clock()
		seal(t, b, actor(1), before.Entry(actor(1)))
		require.Empty(t, receive(t, b, late), name)
		require.Equal(t, []string{"v"}, values(b, "k"), "%s: what the lost write replaced stands", name)
		require.True(t, b.Clock().Equal(before), name)
	}
}

func TestFramesOfTheDeadAreNotTakenInsideAClosedGap(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "v")
	send(t, a, b)
	del(t, a, "k")
	late := drain(t, a)
	put(t, a, "other", "v")
	send(t, a, b)
	require.False(t, b.Clock().Contiguous(actor(1)))
	seal(t, b, actor(1), b.Clock().Entry(actor(1)))
	require.True(t, b.Clock().Contiguous(actor(1)))
	require.Empty(t, receive(t, b, late))
	require.Equal(t, []string{"v"}, values(b, "k"))
}

func TestEntryIsNotClosedBeforeItsValuesAreHere(t *testing.T) {
	dead, a, joiner := open(1), open(2), open(3)
	put(t, dead, "k", "v")
	send(t, dead, a)
	agreed := a.Clock().Entry(actor(1)).Clone()
	seal(t, a, actor(1), agreed)

	seal(t, joiner, actor(1), agreed)
	require.Zero(t, joiner.Clock().Base(actor(1)))
	pull(t, a, joiner, true)
	require.Equal(t, []string{"v"}, values(joiner, "k"))
	requireSame(t, a, joiner)
}

func TestEntryIsClosedOnceTheClockCoversIt(t *testing.T) {
	dead, a := open(1), open(2)
	put(t, dead, "one", "v")
	first := drain(t, dead)
	put(t, dead, "lost", "v")
	drain(t, dead)
	put(t, dead, "three", "v")
	third := drain(t, dead)
	agreed := clock.Entry{Base: 1, Ext: []clock.Interval{{Lo: 3, Hi: 3}}}

	receive(t, a, third)
	seal(t, a, actor(1), agreed)
	require.Zero(t, a.Clock().Base(actor(1)))
	receive(t, a, first)
	require.Equal(t, clock.Entry{Base: 3}, a.Clock().Entry(actor(1)))
	require.True(t, a.Context("three").Equal(a.Clock().Bases()), "nothing waits for the lost mutation any more")
}

func TestRumoursOfTheDeadAreDropped(t *testing.T) {
	dead, a, b := open(1), open(2), open(3)
	read := put(t, dead, "k", "lost with its node").Context
	write(t, a, replica.Write{Key: "k", Value: []byte("v"), Context: read})
	require.Equal(t, uint64(1), a.Context("k")[actor(1)])
	seal(t, a, actor(1), clock.Entry{})
	require.Zero(t, a.Context("k")[actor(1)])
	write(t, a, replica.Write{Key: "k2", Value: []byte("v"), Context: read})
	require.Zero(t, a.Context("k2")[actor(1)])
	send(t, a, b)
	requireSame(t, a, b)
}

func TestRumourOfTheDeadStillCoversTheirMutationsThatCount(t *testing.T) {
	dead, a, b, joiner := open(1), open(2), open(3), open(4)
	put(t, dead, "k", "v")
	send(t, dead, a, b)
	read := put(t, dead, "k", "lost with its node").Context
	write(t, a, replica.Write{Key: "k", Value: []byte("w"), Context: read})
	require.Equal(t, uint64(2), a.Context("k")[actor(1)])

	// The joiner knows that only the first mutation counts, but has nothing of the actor yet.
	seal(t, joiner, actor(1), clock.Entry{Base: 1})
	receive(t, joiner, drain(t, a))
	pull(t, b, joiner, true)
	require.Equal(t, []string{"w"}, values(joiner, "k"), "w had seen v")
}
