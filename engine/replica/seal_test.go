package replica_test

import (
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// away returns what two members agreed of a dead actor, the members, and one that was away and has two more of its mutations.
func away(t *testing.T) (agreed clock.Entry, a, b, back *replica.Replica, dead *replica.Replica) {
	t.Helper()
	dead, a, b, back = open(1), open(2), open(3), open(4)
	put(t, dead, "k", "v")
	put(t, dead, "old", "v")
	send(t, dead, a, b, back)
	put(t, dead, "k", "seen by one")
	del(t, dead, "old")
	send(t, dead, back)
	agreed = a.Clock().Entry(actor(1)).Clone()
	seal(t, a, actor(1), agreed)
	seal(t, b, actor(1), agreed)
	return agreed, a, b, back, dead
}

func TestWhoHasLostMutationsOfTheDeadMakesThemAgain(t *testing.T) {
	agreed, a, b, back, _ := away(t)
	put(t, a, "k", "written meanwhile")
	send(t, a, b)
	require.Equal(t, []string{"k", "old"}, seal(t, back, actor(1), agreed))
	require.Equal(t, agreed, back.Clock().Entry(actor(1)))
	send(t, back, a, b)
	pull(t, a, back, false)
	for _, r := range []*replica.Replica{a, b, back} {
		require.ElementsMatch(t, []string{"written meanwhile", "seen by one"}, values(r, "k"))
		require.Empty(t, values(r, "old"))
	}
	requireSame(t, a, b)
	requireSame(t, a, back)
}

func TestMutationsAreMadeAgainAlsoWithoutTheirLog(t *testing.T) {
	agreed, a, b, back, _ := away(t)
	back.Witness(actor(1), back.Clock())
	require.NotZero(t, back.Collect([]clock.Actor{actor(1)}))
	require.Equal(t, []string{"k"}, seal(t, back, actor(1), agreed))
	send(t, back, a, b)
	require.Equal(t, []string{"seen by one"}, values(a, "k"))
	require.Equal(t, []string{"seen by one"}, values(b, "k"))
}

func TestMutationInsideAClosedGapIsMadeAgain(t *testing.T) {
	dead, a, back := open(1), open(2), open(3)
	put(t, dead, "gap", "v")
	send(t, dead, back)
	put(t, dead, "k", "v")
	send(t, dead, a, back)
	agreed := a.Clock().Entry(actor(1)).Clone()
	require.NotEmpty(t, agreed.Ext)
	seal(t, a, actor(1), agreed)
	require.Equal(t, []string{"gap"}, seal(t, back, actor(1), agreed))
	send(t, back, a)
	require.Equal(t, []string{"v"}, values(a, "gap"))
	requireSame(t, a, back)
}

func TestMutationOfTheDeadThatTwoHaveMadeAgainIsThereTwiceWithOneValue(t *testing.T) {
	agreed, a, b, back, dead := away(t)
	other := open(5)
	pull(t, dead, other, true)
	seal(t, back, actor(1), agreed)
	seal(t, other, actor(1), agreed)
	fromBack, fromOther := drain(t, back), drain(t, other)
	for _, r := range []*replica.Replica{a, b, back, other} {
		receive(t, r, fromBack)
		receive(t, r, fromOther)
		require.Equal(t, []string{"seen by one", "seen by one"}, values(r, "k"))
		require.Empty(t, values(r, "old"))
		requireSame(t, r, a)
	}
}

func TestTransferFromWhoHasLostMutationsIsNotComplete(t *testing.T) {
	_, a, _, back, _ := away(t)
	put(t, back, "k", "on top of what is lost")
	x := begin(back, a, true)
	answer := x.answer(t, math.MaxInt)
	_, _, err := a.Take(x.intake, answer)
	require.ErrorIs(t, err, replica.ErrStale)
	require.Equal(t, []string{"v"}, values(a, "k"))
	require.Equal(t, uint64(2), a.Clock().Base(actor(1)))
}

func TestSecondSealChangesNothing(t *testing.T) {
	agreed, a, _, _, _ := away(t)
	before := a.Clock()
	require.Empty(t, seal(t, a, actor(1), clock.Entry{Base: 1}))
	require.Empty(t, seal(t, a, actor(1), agreed))
	require.True(t, a.Clock().Equal(before))
}

func TestOwnEntryIsNotClosed(t *testing.T) {
	a := open(1)
	put(t, a, "k", "v")
	_, err := a.Seal(actor(1), clock.Entry{})
	require.ErrorIs(t, err, replica.ErrOwnActor)
	require.Empty(t, a.Retire(actor(1)))
	require.Equal(t, []string{"v"}, values(a, "k"))
}

func TestPeerThatHasNotClosedAGapIsSentNothingForIt(t *testing.T) {
	dead, a, b := open(1), open(2), open(3)
	put(t, dead, "lost", "v")
	drain(t, dead)
	put(t, dead, "k", "v")
	send(t, dead, a, b)
	seal(t, a, actor(1), a.Clock().Entry(actor(1)))
	require.Equal(t, uint64(2), a.Clock().Base(actor(1)))
	x := pull(t, a, b, false)
	require.False(t, x.plan.Full, "b lacks a mutation that nobody has")
	require.Empty(t, x.keys)
	require.Zero(t, b.Clock().Base(actor(1)))
}

func TestActorIsOverWhenItsEntryIsClosedAndNoVersionOfItIsLeft(t *testing.T) {
	dead, a := open(1), open(2)
	put(t, dead, "k", "v")
	put(t, dead, "k2", "v")
	del(t, dead, "k2")
	send(t, dead, a)
	require.Equal(t, 1, a.NumVersions(actor(1)))
	require.False(t, a.IsOver(actor(1)))
	seal(t, a, actor(1), a.Clock().Entry(actor(1)))
	require.False(t, a.IsOver(actor(1)))
	put(t, a, "k", "w")
	require.True(t, a.IsOver(actor(1)))

	joiner := open(3)
	seal(t, joiner, actor(1), a.Clock().Entry(actor(1)))
	require.False(t, joiner.IsOver(actor(1)), "its versions may still arrive")
}

func TestRetiredActorIsNamedNowhere(t *testing.T) {
	_, a, b, _, dead := away(t)
	gone := func(x clock.Actor) bool { return x == actor(1) }
	late := drain(t, dead)
	read := b.Context("k")
	put(t, a, "k", "w")
	put(t, a, "old", "w")
	send(t, a, b)
	for _, r := range []*replica.Replica{a, b} {
		require.True(t, r.IsOver(actor(1)))
		require.Empty(t, r.Retire(actor(1)))
		require.Empty(t, receive(t, r, late.Without(gone)))
		require.NotContains(t, r.Clock().Actors(), actor(1))
		require.NotContains(t, r.Context("k"), actor(1))
	}
	require.Contains(t, read, actor(1))
	requireSame(t, a, b)
	joiner := open(5)
	pull(t, a, joiner, true)
	requireSame(t, a, joiner)
}

func TestStoredContextsForgetARetiredActor(t *testing.T) {
	dead, a, late := open(1), open(2), open(3)
	put(t, dead, "lost", "v")
	drain(t, dead)
	read := put(t, dead, "k", "v").Context
	send(t, dead, a)
	write(t, a, replica.Write{Key: "k", Value: []byte("w"), Context: read})
	send(t, a, late)
	require.NotEmpty(t, late.Context("k")[actor(1)], "the gap keeps it in the context")
	late.Retire(actor(1))
	require.NotContains(t, late.Context("k"), actor(1))
	require.Equal(t, []string{"w"}, values(late, "k"))
}

func TestMemberThatWasAwayLosesTheVersionsOfARetiredActor(t *testing.T) {
	agreed, a, b, back, _ := away(t)
	seal(t, back, actor(1), agreed)
	send(t, back, a, b)
	put(t, a, "k", "w")
	require.Empty(t, values(a, "old"))
	stale := open(8)
	dead := open(1)
	put(t, dead, "k", "v")
	put(t, dead, "old", "v")
	send(t, dead, stale)
	seal(t, stale, actor(1), agreed)
	require.Equal(t, []string{"k", "old"}, stale.Retire(actor(1)))
	a.Retire(actor(1))
	require.Zero(t, stale.Len())
	pull(t, a, stale, false)
	pull(t, stale, a, false)
	requireSame(t, a, stale)
}

func TestRetiringEndsATransferThatIsUnderWay(t *testing.T) {
	_, a, b, _, _ := away(t)
	x := begin(a, b, true)
	answer := x.answer(t, math.MaxInt)
	b.Retire(actor(1))
	_, _, err := b.Take(x.intake, answer)
	require.ErrorIs(t, err, replica.ErrStale)
}

func TestDeltaWithoutNobodyIsTheDeltaItself(t *testing.T) {
	a := open(1)
	put(t, a, "k", "v")
	d := drain(t, a)
	require.Equal(t, d, d.Without(func(clock.Actor) bool { return false }))
	none := d.Without(func(x clock.Actor) bool { return x == actor(1) })
	require.Empty(t, none.Base)
	require.Empty(t, none.Objects[0].Object.Versions)
	require.Len(t, d.Objects[0].Object.Versions, 1, "d is as it was")
}

// Whatever a node wrote before it died, and whoever had it: once its entry is closed, and all have met, all hold the same, and no value is lost that
// nobody replaced.
func TestNothingIsLostWhenTheDeadAreClosedInTheAbsenceOfAMember(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dead, a, b, back := open(1), open(2), open(3), open(4)
		all := []*replica.Replica{a, b, back}
		want := map[string]string{}
		for i := range rapid.IntRange(1, 12).Draw(rt, "writes") {
			key := strconv.Itoa(rapid.IntRange(0, 3).Draw(rt, "key"))
			if rapid.Bool().Draw(rt, "delete") {
				del(t, dead, key)
				delete(want, key)
			} else {
				want[key] = strconv.Itoa(i)
				put(t, dead, key, want[key])
			}
			d := drain(t, dead)
			receive(t, back, d)
			if rapid.Bool().Draw(rt, "a and b have it too") {
				receive(t, a, d)
				receive(t, b, d)
			}
		}
		agreed := a.Clock().Entry(actor(1)).Clone()
		for _, i := range rapid.Permutation([]int{0, 1, 2}).Draw(rt, "order") {
			seal(t, all[i], actor(1), agreed)
			if rapid.Bool().Draw(rt, "they meet") {
				pull(t, all[i], all[(i+1)%3], false)
			}
		}
		for range 3 {
			for i, r := range all {
				pull(t, r, all[(i+1)%3], false)
				pull(t, r, all[(i+2)%3], false)
			}
		}
		for _, r := range all {
			requireSame(t, r, a)
			for key := range 4 {
				value, there := want[strconv.Itoa(key)]
				require.Equal(t, there, slices.Contains(values(r, strconv.Itoa(key)), value))
				require.LessOrEqual(t, len(values(r, strconv.Itoa(key))), 1)
			}
		}
	})
}

// Such a transfer has not asked for everything, and would let the replica take for known what it has yet to make again.
func TestTransferThatBeganBeforeLostDeletesBecameKnownIsStale(t *testing.T) {
	agreed, a, _, back, _ := away(t)
	back.Witness(actor(1), back.Clock())
	require.NotZero(t, back.Collect([]clock.Actor{actor(1)}))
	put(t, a, "new", "value")
	x := begin(a, back, true)
	x.walk(t)
	last := x.answer(t, 1<<10)
	seal(t, back, actor(1), agreed)
	require.True(t, back.IsVague())
	_, _, err := back.Take(x.intake, last)
	require.ErrorIs(t, err, replica.ErrStale)
}

// A member that knew of no other has forgotten the keys of what it deleted. It finds them when it sees the values again.
func TestLostDeletesWhoseKeysAreForgottenAreMadeAgainFromWhatAPeerHas(t *testing.T) {
	agreed, a, b, back, _ := away(t)
	back.Witness(actor(1), back.Clock())
	require.NotZero(t, back.Collect([]clock.Actor{actor(1)}))
	seal(t, back, actor(1), agreed)
	require.True(t, back.IsVague())
	drain(t, back)
	in := back.Begin()
	x := &transfer{from: a, to: back, plan: a.Plan(actor(4), clock.Clock{}, true), intake: in}
	x.end(t, 1<<10)
	require.False(t, back.IsVague())
	again := in.MadeAgain()
	require.True(t, slices.ContainsFunc(again, func(m replica.Again) bool { return m.Key == "old" && len(m.Dots) == 1 }), "%v", again)
	require.Empty(t, in.MadeAgain())
	pull(t, back, a, false)
	pull(t, back, b, false)
	require.Empty(t, values(a, "old"))
	require.Equal(t, []string{"seen by one"}, values(a, "k"))
	requireSame(t, a, back)
}
