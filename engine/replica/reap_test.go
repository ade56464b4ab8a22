package replica_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
)

// bury deletes everything that r knows of the key, visibly.
func bury(t *testing.T, r *replica.Replica, key string) replica.Written {
	t.Helper()
	return write(t, r, replica.Write{Key: key, Delete: true, Visible: true})
}

// shown returns the values of key k in the order of their dots, and x for a delete.
func shown(r *replica.Replica) []string {
	out := []string{}
	for _, v := range r.Get("k") {
		if v.Deleted {
			out = append(out, "x")
		} else {
			out = append(out, string(v.Value))
		}
	}
	return out
}

// meet tells each of the replicas what the others have.
func meet(rs ...*replica.Replica) {
	for _, a := range rs {
		for _, b := range rs {
			a.Witness(b.Self(), b.Clock())
		}
	}
}

func selves(rs ...*replica.Replica) []clock.Actor {
	var out []clock.Actor
	for _, r := range rs {
		out = append(out, r.Self())
	}
	return out
}

// contested returns two replicas, of which one has deleted the value of k that both had, and the other changed it. Neither has heard of the other's.
func contested(t *testing.T) (a, b *replica.Replica) {
	t.Helper()
	a, b = open(1), open(2)
	put(t, a, "k", "v")
	send(t, a, b)
	bury(t, a, "k")
	put(t, b, "k", "w")
	return a, b
}

func TestVisibleDeleteStandsBesideAPutThatItHasNotSeen(t *testing.T) {
	a, b := contested(t)
	fromA, fromB := drain(t, a), drain(t, b)
	require.Equal(t, []string{"k"}, receive(t, b, fromA))
	require.Equal(t, []string{"k"}, receive(t, a, fromB))
	require.Equal(t, []string{"x", "w"}, shown(a))
	requireSame(t, a, b)
	require.Equal(t, []string{"k"}, slices.Collect(a.Conflicts()))
	put(t, b, "k", "after both")
	send(t, b, a)
	require.Equal(t, []string{"after both"}, shown(a))
}

func TestVisibleDeleteTravelsInTransfers(t *testing.T) {
	for _, full := range []bool{false, true} {
		a, b := contested(t)
		c := open(3)
		pull(t, a, b, full)
		pull(t, b, c, full)
		require.Equal(t, []string{"x", "w"}, shown(c))
		requireSame(t, b, c)
	}
}

func TestReadersSeeNothingOfDeletesThatAreAlone(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		a, b := replica.New(actor(1), replica.Options{Ordered: ordered}), open(2)
		put(t, a, "k", "v")
		put(t, a, "other", "v")
		send(t, a, b)
		bury(t, a, "k")
		bury(t, b, "k")
		send(t, b, a)
		require.Equal(t, []string{"x", "x"}, shown(a))
		require.True(t, replica.IsAbsent(a.Get("k")))
		require.Equal(t, []string{"other"}, a.Keys("", 9))
		require.NotContains(t, contents(a), "k")
		require.Equal(t, 1, a.Len())
		require.Equal(t, int64(len("other")+len("v")), a.Bytes())
		require.Zero(t, a.NumConflicts(), "deletes do not contradict each other")
		require.Equal(t, 1, a.NumLone())
	}
}

func TestDeleteOfAnAbsentKeyMakesNoMutation(t *testing.T) {
	a := open(1)
	require.False(t, bury(t, a, "never there").New)
	put(t, a, "k", "v")
	first := bury(t, a, "k")
	for _, w := range []replica.Write{
		{Key: "k", Delete: true, Visible: true}, {Key: "k", Delete: true, Visible: true, Context: clock.Context{}}, {Key: "k", Delete: true},
	} {
		again := write(t, a, w)
		require.False(t, again.New)
		require.Equal(t, first.Dot, again.Dot, "it waits for the delete that is there")
	}
	require.Equal(t, []string{"x"}, shown(a))
}

func TestVisibleDeleteOfWhatHasChangedMeanwhileStandsBesideTheChange(t *testing.T) {
	a := open(1)
	put(t, a, "k", "v")
	read := a.Context("k")
	put(t, a, "k", "w")
	hidden := write(t, a, replica.Write{Key: "k", Delete: true, Context: read})
	require.False(t, hidden.New, "a hidden delete has nothing to remove")
	require.True(t, write(t, a, replica.Write{Key: "k", Delete: true, Visible: true, Context: read}).New)
	require.Equal(t, []string{"w", "x"}, shown(a))
}

func TestPutOfNoBytesIsNotADelete(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "v")
	bury(t, a, "k")
	require.True(t, put(t, a, "k", "").New)
	require.Equal(t, []string{""}, shown(a))
	put(t, b, "k", "v")
	write(t, b, replica.Write{Key: "k", Delete: true, Visible: true})
	_, deleted := b.Fingerprint("k")
	empty := replica.New(actor(2), replica.Options{})
	put(t, empty, "k", "v")
	put(t, empty, "k", "")
	_, put := empty.Fingerprint("k")
	require.Equal(t, b.Get("k")[0].Dot, empty.Get("k")[0].Dot)
	require.NotEqual(t, put, deleted, "the audit tells them apart")
}

func TestStampOfAVisibleDeleteExceedsWhatItReplaces(t *testing.T) {
	a := open(1)
	write(t, a, replica.Write{Key: "k", Value: []byte("v"), Now: 100})
	write(t, a, replica.Write{Key: "k", Delete: true, Visible: true, Now: 1})
	require.Greater(t, a.Get("k")[0].Stamp, clock.Timestamp(100))
	stamp := a.Get("k")[0].Stamp
	write(t, a, replica.Write{Key: "k", Value: []byte("v"), Now: 1})
	require.Greater(t, a.Get("k")[0].Stamp, stamp)
}

func TestVisibleDeleteIsRefusedWhereSiblingsAreTooMany(t *testing.T) {
	a := replica.New(actor(1), replica.Options{MaxSiblings: 1})
	put(t, a, "k", "v")
	_, err := a.Write(replica.Write{Key: "k", Delete: true, Visible: true, Context: clock.Context{}})
	require.ErrorIs(t, err, replica.ErrTooManySiblings)
	require.True(t, bury(t, a, "k").New, "one that covers what is there is not")
}

func TestDeleteThatIsAloneGoesOnceAllMembersHaveIt(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	members := selves(a, b, c)
	put(t, a, "k", "v")
	send(t, a, b, c)
	bury(t, a, "k")
	send(t, a, b)
	meet(a, b)
	require.Empty(t, a.Reap(members, members), "one member is not known to have it")
	pull(t, b, c, false)
	meet(a, c)
	reaped := a.Reap(members, members)
	require.Len(t, reaped, 1)
	require.Equal(t, "k", reaped[0].Key)
	require.Equal(t, dot(1, 3), reaped[0].Dot)
	require.Equal(t, clock.Context{actor(1): 2}, reaped[0].Context)
	require.Empty(t, a.Get("k"))
	d := drain(t, a)
	require.Empty(t, receive(t, b, d), "readers see no change")
	receive(t, c, d)
	requireSame(t, a, b)
	requireSame(t, a, c)
	meet(a, b, c)
	for _, r := range []*replica.Replica{a, b, c} {
		r.Collect(members)
		require.Zero(t, r.NumUnstable())
		require.Zero(t, r.NumLone())
		require.Equal(t, [2]uint64{}, r.Sum())
	}
}

func TestDeleteBesideAPutStays(t *testing.T) {
	a, b := contested(t)
	members := selves(a, b)
	send(t, a, b)
	send(t, b, a)
	meet(a, b)
	require.Empty(t, a.Reap(members, members))
	require.Empty(t, b.Reap(members, members))
	require.Equal(t, []string{"x", "w"}, shown(b))
}

func TestDeletesOfAKeyGoTogether(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	members := selves(a, b, c)
	put(t, a, "k", "v")
	send(t, a, b, c)
	bury(t, a, "k")
	send(t, a, c)
	bury(t, b, "k")
	send(t, b, a)
	b.Witness(actor(3), c.Clock())
	pull(t, a, b, false)
	meet(a, b)
	meet(a, c)
	require.Equal(t, []string{"x", "x"}, shown(a))
	require.Empty(t, a.Reap(members, members), "c lacks one of them")
	pull(t, a, c, false)
	meet(a, c)
	require.Len(t, a.Reap(members, members), 1)
	require.Empty(t, a.Get("k"))
}

// TestDeleteIsNotOverWhileAValueWrittenBesideItIsUnderWay: that a member has the delete, and says so, is not enough.
func TestDeleteIsNotOverWhileAValueWrittenBesideItIsUnderWay(t *testing.T) {
	a, b := open(1), open(2)
	members := selves(a, b)
	put(t, a, "k", "v")
	send(t, a, b)
	put(t, b, "k", "w")
	late := drain(t, b)
	bury(t, a, "k")
	send(t, a, b)
	a.WitnessDots(actor(2), []clock.Dot{dot(1, 2)})
	require.NotZero(t, a.Collect(members), "the delete is stable")
	require.Empty(t, a.Reap(members, members), "but not causally stable")
	a.Witness(actor(2), b.Clock())
	require.Empty(t, a.Reap(members, members), "a lacks what b wrote")
	receive(t, a, late)
	require.Equal(t, []string{"x", "w"}, shown(a))
	requireSame(t, a, b)
}

func TestReportIsTakenOnceTheReplicaHasCaughtUpWithIt(t *testing.T) {
	a, b := open(1), open(2)
	members := selves(a, b)
	put(t, a, "k", "v")
	send(t, a, b)
	put(t, b, "other", "w")
	late := drain(t, b)
	bury(t, a, "k")
	send(t, a, b)
	a.Witness(actor(2), b.Clock())
	put(t, b, "still another", "w") // there is always something under way
	a.Witness(actor(2), b.Clock())
	require.Empty(t, a.Reap(members, members))
	receive(t, a, late)
	require.Len(t, a.Reap(members, members), 1)
}

// TestReportOfMutationsThatCountNoMoreHoldsNothingUp: a member has named mutations of the dead that all agreed to give up.
func TestReportOfMutationsThatCountNoMoreHoldsNothingUp(t *testing.T) {
	a, b := open(1), open(2)
	members := selves(a, b)
	put(t, a, "k", "v")
	bury(t, a, "k")
	send(t, a, b)
	rumour := b.Clock()
	rumour.Add(dot(9, 1))
	a.Witness(actor(2), rumour)
	seal(t, a, actor(9), clock.Entry{})
	put(t, b, "other", "w")
	a.Witness(actor(2), b.Clock())
	require.Empty(t, a.Reap(members, members))
	send(t, b, a)
	require.Len(t, a.Reap(members, members), 1)
}

func TestWriteOfOneWhoHasNotSeenADeleteThatIsOverStandsAlone(t *testing.T) {
	a, b := open(1), open(2)
	members := selves(a, b)
	put(t, a, "k", "v")
	send(t, a, b)
	read := b.Context("k")
	bury(t, a, "k")
	send(t, a, b)
	meet(a, b)
	require.Len(t, a.Reap(members, members), 1)
	write(t, b, replica.Write{Key: "k", Value: []byte("w"), Context: read})
	require.Equal(t, []string{"x", "w"}, shown(b), "b has not heard that the delete is over")
	send(t, b, a)
	require.Equal(t, []string{"w"}, shown(a))
	send(t, a, b)
	requireSame(t, a, b)
}

func TestWhoDeletedEndsTheDelete(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	members := selves(a, b, c)
	put(t, b, "k", "v")
	bury(t, b, "k")
	send(t, b, a, c)
	meet(a, b, c)
	require.Empty(t, a.Reap(members, members))
	require.Empty(t, c.Reap(members, []clock.Actor{actor(1)}), "the least does it where who deleted is away")
	require.Len(t, b.Reap(members, members), 1)
	require.Len(t, a.Reap(members, []clock.Actor{actor(3)}), 1)
	send(t, a, b, c)
	send(t, b, a, c)
	requireSame(t, a, b)
	requireSame(t, a, c)
	require.Empty(t, c.Get("k"))
}

func TestManyDeletesGoSomeThousandAtATime(t *testing.T) {
	a := open(1)
	for i := range 3000 {
		put(t, a, strconv.Itoa(i), "v")
		bury(t, a, strconv.Itoa(i))
	}
	turns := 0
	for a.NumLone() > 0 {
		require.NotEmpty(t, a.Reap(nil, nil))
		turns++
	}
	require.Equal(t, 3, turns)
}

func TestLostDeleteOfTheDeadIsMadeAgainAsADelete(t *testing.T) {
	dead, a, back := open(1), open(2), open(3)
	put(t, dead, "k", "v")
	send(t, dead, a, back)
	agreed := a.Clock().Entry(actor(1)).Clone()
	bury(t, dead, "k")
	send(t, dead, back)
	seal(t, a, actor(1), agreed)
	put(t, a, "k", "w")
	require.Equal(t, []string{"k"}, seal(t, back, actor(1), agreed))
	require.Equal(t, []string{"x"}, shown(back))
	send(t, back, a)
	send(t, a, back)
	require.Equal(t, []string{"w", "x"}, shown(a))
	requireSame(t, a, back)
}

func TestDeleteThatIsAloneHoldsItsDeadAuthor(t *testing.T) {
	dead, a := open(1), open(2)
	put(t, dead, "k", "v")
	bury(t, dead, "k")
	send(t, dead, a)
	seal(t, a, actor(1), a.Clock().Entry(actor(1)).Clone())
	require.False(t, a.IsOver(actor(1)))
	require.Len(t, a.Reap(nil, nil), 1)
	require.True(t, a.IsOver(actor(1)))
}

func TestAuditMendsADeleteAsADelete(t *testing.T) {
	a, b := contested(t)
	send(t, a, b)
	right := b.Get("k")
	wrong := slices.Clone(right)
	wrong[0].Deleted, wrong[0].Value = false, []byte("not deleted")
	require.True(t, b.Correct("k", wrong))
	require.Equal(t, []string{"not deleted", "w"}, shown(b))
	require.True(t, b.Correct("k", right))
	require.Equal(t, []string{"x", "w"}, shown(b))
	b.Reissue("k", right, 1)
	require.Equal(t, []string{"x", "w"}, shown(b))
}

func TestNextIncarnationEndsDeletes(t *testing.T) {
	a := open(1)
	put(t, a, "k", "v")
	bury(t, a, "k")
	a.Adopt(actor(2))
	require.Equal(t, []string{"x"}, shown(a))
	require.Equal(t, dot(2, 1), a.Reap(nil, nil)[0].Dot)
	require.Empty(t, a.Get("k"))
}
