package replica_test

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
)

// puts writes values over each other, and lets the others hear of each.
func puts(t *testing.T, r *replica.Replica, name string, n int, others ...*replica.Replica) {
	t.Helper()
	for i := range n {
		put(t, r, "k", name+strconv.Itoa(i+1))
		send(t, r, others...)
	}
}

// forked returns two replicas that have written k, each for itself, after both had the value before1. Neither has heard of the other's.
func forked(t *testing.T) (a, b *replica.Replica) {
	t.Helper()
	a, b = open(1), open(2)
	puts(t, a, "before", 1, b)
	puts(t, a, "a", 1)
	puts(t, b, "b", 1)
	return a, b
}

// requireBase expects the value of the base of k, at all replicas.
func requireBase(t *testing.T, want string, replicas ...*replica.Replica) {
	t.Helper()
	for _, r := range replicas {
		require.Greater(t, len(r.Get("k")), 1, "siblings")
		base := replica.Base(r.Get("k"))
		require.NotNil(t, base)
		require.False(t, base.Lacks)
		require.Equal(t, want, string(base.Value))
	}
}

func requireNoBase(t *testing.T, replicas ...*replica.Replica) {
	t.Helper()
	for _, r := range replicas {
		require.Greater(t, len(r.Get("k")), 1, "siblings")
		require.Nil(t, replica.Base(r.Get("k")))
	}
}

// gather lets replicas take all that they lack of each other.
func gather(t *testing.T, replicas ...*replica.Replica) {
	t.Helper()
	for _, a := range replicas {
		for _, b := range replicas {
			if a != b {
				pull(t, a, b, false)
			}
		}
	}
}

// agree tells all replicas what the others have, and lets them forget what is of no use any more.
func agree(replicas ...*replica.Replica) {
	meet(replicas...)
	for _, r := range replicas {
		r.Collect(selves(replicas...))
		r.CollectPasts(selves(replicas...))
	}
}

func TestBaseOfASplitIsWhatBothSidesHadBefore(t *testing.T) {
	for _, n := range [][2]int{{1, 1}, {1, 20}, {5, 5}, {20, 1}, {8, 9}, {100, 100}} {
		t.Run(fmt.Sprintf("%d and %d writes", n[0], n[1]), func(t *testing.T) {
			a, b, c := open(1), open(2), open(3)
			puts(t, a, "before", 3, b, c)
			agree(a, b, c)
			puts(t, a, "late", 1, b, c)
			puts(t, a, "a", n[0])
			puts(t, b, "b", n[1], c)
			gather(t, a, b, c)
			requireBase(t, "late1", a, b, c)
			requireSame(t, a, c)
		})
	}
}

func TestBaseOfASplitIsWhatBothSidesHadThoughManyWroteBeforeAndAfter(t *testing.T) {
	a, b, c, d := open(1), open(2), open(3), open(4)
	for range 20 {
		puts(t, a, "a", 1, b, c, d)
		puts(t, d, "d", 1, a, b, c)
		agree(a, b, c, d)
	}
	for range 20 {
		puts(t, a, "a", 1, b)
		puts(t, b, "b", 1, a)
		puts(t, c, "c", 1, d)
		puts(t, d, "d'", 1, c)
	}
	gather(t, a, b, c, d)
	requireBase(t, "d1", a, b, c, d)
}

func TestBaseOfALongSplitOutlivesTheLog(t *testing.T) {
	a, b := replica.New(actor(1), replica.Options{MaxDotKeys: 4}), open(2)
	puts(t, a, "before", 1, b)
	agree(a, b)
	for i := range 3 {
		puts(t, a, "a", i+1)
		for j := range 10 {
			put(t, a, "other"+strconv.Itoa(j), strconv.Itoa(i))
		}
		drain(t, a)
		a.Collect(selves(a, b))
	}
	puts(t, b, "b", 1)
	gather(t, a, b)
	requireBase(t, "before1", a, b)
}

func TestForkAmongManyWritesThatNobodyHasConfirmedGivesNoBase(t *testing.T) {
	a, b := open(1), open(2)
	puts(t, a, "a", 10, b)
	puts(t, a, "later", 20)
	puts(t, b, "b", 20)
	gather(t, a, b)
	requireNoBase(t, a, b)
}

func TestBaseOfANewKeyIsNone(t *testing.T) {
	a, b := open(1), open(2)
	puts(t, a, "a", 1)
	puts(t, b, "b", 1)
	gather(t, a, b)
	requireNoBase(t, a, b)
}

func TestBaseIsNoneWhenBothSidesHaveMergedTheSameSiblings(t *testing.T) {
	a, b := forked(t)
	gather(t, a, b)
	requireBase(t, "before1", a, b)
	puts(t, a, "merged", 1)
	puts(t, b, "merged otherwise", 1)
	gather(t, a, b)
	requireNoBase(t, a, b)
	puts(t, a, "all", 1, b)
	puts(t, a, "a", 1)
	puts(t, b, "b", 1)
	gather(t, a, b)
	requireBase(t, "all1", a, b)
}

func TestBaseOfAConflictWithinASideDoesNotHideThatOfTheSplit(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	puts(t, a, "before", 1, b, c)
	puts(t, a, "a", 1)
	puts(t, b, "b", 1)
	gather(t, a, b)
	puts(t, a, "merged", 15, b)
	puts(t, c, "c", 3)
	gather(t, a, b, c)
	requireBase(t, "before1", a, b, c)
}

func TestWriteWithAnOldContextHasTheBaseThatItsAuthorRead(t *testing.T) {
	a, b := open(1), open(2)
	puts(t, a, "before", 1, b)
	read := a.Context("k")
	puts(t, a, "meanwhile", 1, b)
	write(t, a, replica.Write{Key: "k", Value: []byte("slow"), Context: read})
	requireBase(t, "before1", a)
	send(t, a, b)
	requireBase(t, "before1", b)
}

func TestWriteWithAContextThatIsNotKnownHereHasNoBase(t *testing.T) {
	a, b := open(1), open(2)
	puts(t, a, "before", 1, b)
	puts(t, b, "unheard", 1)
	puts(t, a, "a", 1)
	write(t, a, replica.Write{Key: "k", Value: []byte("from b's reader"), Context: b.Context("k")})
	requireNoBase(t, a)
}

func TestPastGoesOnceNothingConcurrentCanBeUnderWay(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	known := []clock.Actor{actor(1), actor(2), actor(3)}
	puts(t, a, "before", 1, b, c)
	agree(a, b, c)
	puts(t, a, "after", 1, b, c)
	require.Equal(t, 1, a.NumPasts())
	require.Zero(t, a.CollectPasts(known), "nobody is known to have it")
	a.WitnessDots(actor(2), []clock.Dot{dot(1, 2)})
	a.WitnessDots(actor(3), []clock.Dot{dot(1, 2)})
	require.Zero(t, a.CollectPasts(known), "they may have written before they had it")

	put(t, b, "other", "what a has not heard of")
	a.Witness(actor(2), b.Clock())
	a.Witness(actor(3), c.Clock())
	require.Zero(t, a.CollectPasts(known), "b has written what is not known here")
	send(t, b, a)
	require.Equal(t, 1, a.CollectPasts(known))
	require.Zero(t, a.NumPasts())
	require.Equal(t, &replica.Past{}, a.Get("k")[0].Past)
}

func TestPastsOfAConflictStayUntilItIsOver(t *testing.T) {
	a, b := forked(t)
	gather(t, a, b)
	agree(a, b)
	requireBase(t, "before1", a, b)
	puts(t, a, "merged", 1, b)
	agree(a, b)
	require.Zero(t, a.NumPasts()+b.NumPasts())
}

func TestPastOfAForgottenMemberIsNotWaitedFor(t *testing.T) {
	a, b := open(1), open(2)
	puts(t, a, "before", 2, b)
	a.Witness(actor(2), b.Clock())
	a.ForgetMember(actor(2))
	require.Zero(t, a.CollectPasts([]clock.Actor{actor(2)}), "nothing is known of it any more")
	require.Equal(t, 1, a.CollectPasts(nil))
}

func TestManyPastsGoInTurns(t *testing.T) {
	a := open(1)
	for round := range 2 {
		for i := range 3000 {
			put(t, a, strconv.Itoa(i), strconv.Itoa(round))
		}
	}
	turns := 0
	for a.CollectPasts(nil) > 0 {
		turns++
	}
	require.Greater(t, turns, 1)
	require.Zero(t, a.NumPasts())
}

func TestValuesThatTheReceiversHaveStayAtHome(t *testing.T) {
	a, b := open(1), open(2)
	large := bytes.Repeat([]byte("x"), 1000)
	write(t, a, replica.Write{Key: "k", Value: large})
	send(t, a, b)
	put(t, a, "k", "small")
	d, _ := a.Drain(1 << 20)
	require.Less(t, len(d.AppendBinary(nil)), 200)
	receive(t, b, wire(t, d))
	put(t, a, "k", "smaller")
	x := begin(a, b, false)
	require.Less(t, len(x.answer(t, 1<<20).AppendBinary(nil)), 200)
	write(t, b, replica.Write{Key: "k", Value: []byte("concurrent")})
	pull(t, a, b, false)
	require.Equal(t, []byte("small"), replica.Base(b.Get("k")).Value)
}

func TestWritersThatTakeTurnsSendNoOldValuesWhileAMemberIsAway(t *testing.T) {
	a, b, c, away := open(1), open(2), open(3), open(4)
	present := []*replica.Replica{a, b, c}
	puts(t, a, "before", 1, b, c, away)
	agree(a, b, c, away)
	const rounds, large = 50, 1000
	sent := 0
	for i := range rounds {
		r := present[i%2]
		write(t, r, replica.Write{Key: "k", Value: bytes.Repeat([]byte{byte(i)}, large)})
		d, _ := r.Drain(1 << 20)
		sent += len(d.AppendBinary(nil))
		for _, other := range present {
			if other != r {
				receive(t, other, wire(t, d))
			}
		}
		if i%10 == 0 {
			meet(present...)
		}
		r.Collect(selves(a, b, c, away))
	}
	t.Logf("%d bytes for each of %d", sent/rounds, large)
	require.Less(t, sent, rounds*(large+300))
	puts(t, away, "away", 1)
	gather(t, a, b, c, away)
	requireBase(t, "before1", a, b, c, away)
}

func TestWhoWasAwayGetsTheValuesOfBasesByRepair(t *testing.T) {
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprintf("full %v", full), func(t *testing.T) {
			a, b, away := open(1), open(2), open(3)
			if full {
				a = replica.New(actor(1), replica.Options{MaxDotKeys: 4})
			}
			for i := range 10 {
				puts(t, a, "a"+strconv.Itoa(i), 1, b)
				puts(t, b, "b"+strconv.Itoa(i), 1, a)
			}
			read := b.Context("k")
			puts(t, a, "last", 1, away)
			for i := range 5 { // a short log has no room for k any more
				put(t, a, "of a"+strconv.Itoa(i), "v")
				put(t, b, "of b"+strconv.Itoa(i), "v")
				send(t, b, a)
			}
			write(t, away, replica.Write{Key: "k", Value: []byte("slow"), Context: read})
			require.True(t, replica.Base(away.Get("k")).Lacks)
			require.Equal(t, full, pull(t, a, away, false).plan.Full)
			requireBase(t, "b91", away)
		})
	}
}

func TestMutationThatMakesOthersKnownBringsTheirValues(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	put(t, b, "k", "before")
	first := drain(t, b)
	receive(t, a, first)
	read := a.Context("k")
	put(t, a, "k", "after")
	receive(t, a, first)
	send(t, a, c)
	require.True(t, c.Knows(actor(3), dot(2, 1)), "it will not come by repair")
	write(t, c, replica.Write{Key: "k", Value: []byte("slow"), Context: read})
	requireBase(t, "before", c)
}

func TestFrameOfSeveralWritesBringsTheValuesOfThoseThatItMakesKnown(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	puts(t, b, "before", 1, a, c)
	put(t, b, "k", "pulled")
	pull(t, b, a, false)
	put(t, b, "k", "after")
	receive(t, c, drain(t, b)) // a does not get it
	require.True(t, c.Knows(actor(3), dot(2, 2)), "it will not come by repair")
	put(t, a, "k", "other")
	gather(t, a, b, c)
	requireBase(t, "pulled", a, b, c)
}

func TestValueOfABaseThatIsLackingComesWithTheObject(t *testing.T) {
	a, b, late := open(1), open(2), open(3)
	puts(t, a, "before", 1, b)
	puts(t, a, "a", 1, late)
	puts(t, b, "b", 1, late)
	pull(t, a, b, false)
	base := replica.Base(late.Get("k"))
	require.NotNil(t, base)
	require.Equal(t, dot(1, 1), base.Dot)
	require.True(t, base.Lacks)
	receive(t, late, wire(t, b.Pack([]string{"k"}, 1<<20)))
	requireBase(t, "before1", late)
}

func TestConflictWhosePastOneReplicaHasForgottenIsJudgedAlike(t *testing.T) {
	a, b := open(1), open(2)
	puts(t, a, "before", 1, b)
	read := b.Context("k")
	puts(t, a, "after", 1, b)
	a.Witness(actor(2), b.Clock())
	require.Equal(t, 1, a.CollectPasts([]clock.Actor{actor(2)}))
	write(t, b, replica.Write{Key: "k", Value: []byte("slow"), Context: read})
	send(t, b, a)
	requireBase(t, "before1", a, b)
}

// reunited returns two replicas that have written k, each for itself, after both had the value before1 and took each other for gone: they have forgotten
// what their versions have overwritten, and are, like the replicas that are with one of them and have not, about to hear of the other's version.
func reunited(t *testing.T, withA, withB *replica.Replica) (a, b *replica.Replica) {
	t.Helper()
	a, b = open(1), open(2)
	puts(t, a, "before", 1, b, withA, withB)
	puts(t, a, "a", 1, withA)
	puts(t, b, "b", 1, withB)
	for _, r := range []*replica.Replica{a, b} {
		require.Equal(t, 1, r.CollectPasts(nil))
	}
	return a, b
}

func TestWhoHasForgottenAPastGetsTheBaseFromWhoHasNot(t *testing.T) {
	withA, withB := open(3), open(4)
	a, b := reunited(t, withA, withB)
	gather(t, a, b)
	for _, r := range []*replica.Replica{a, b} {
		require.Equal(t, &replica.Ancestor{Lacks: true}, replica.Base(r.Get("k")))
	}
	receive(t, a, wire(t, withA.Pack([]string{"k"}, 1<<20)))
	require.Equal(t, &replica.Ancestor{Lacks: true}, replica.Base(a.Get("k")), "it needs both pasts")
	receive(t, b, wire(t, withB.Pack([]string{"k"}, 1<<20)))
	receive(t, a, wire(t, b.Pack([]string{"k"}, 1<<20)))
	receive(t, b, wire(t, a.Pack([]string{"k"}, 1<<20)))
	requireBase(t, "before1", a, b)
}

func TestWhoHearsOfAForgottenPastDoesNotTakeItForNone(t *testing.T) {
	withA, withB, late := open(3), open(4), open(5)
	a, b := reunited(t, withA, withB)
	for _, r := range []*replica.Replica{a, b} {
		receive(t, late, wire(t, r.Pack([]string{"k"}, 1<<20)))
	}
	require.Equal(t, &replica.Ancestor{Lacks: true}, replica.Base(late.Get("k")))
	require.Zero(t, late.NumPasts())
}

func TestAVersionThatHasOverwrittenNothingHasNoBaseToAskFor(t *testing.T) {
	a, b := open(1), open(2)
	puts(t, a, "before", 1)
	puts(t, a, "a", 1)
	require.Equal(t, 1, a.CollectPasts(nil))
	puts(t, b, "b", 1)
	gather(t, a, b)
	requireNoBase(t, a, b)
}

func TestMutationsThatAreMadeAgainHaveNoPast(t *testing.T) {
	a := open(1)
	puts(t, a, "v", 2)
	a.Adopt(actor(2))
	require.Equal(t, []string{"k"}, seal(t, a, actor(1), clock.Entry{}))
	require.Nil(t, a.Get("k")[0].Past)
	require.Zero(t, a.NumPasts())
}

func TestPastsSurviveTheirEncoding(t *testing.T) {
	a, b := open(1), open(2)
	puts(t, a, "before", 3, b)
	puts(t, a, "a", 20)
	puts(t, b, "b", 2)
	gather(t, a, b)
	d := wire(t, a.Pack([]string{"k"}, 1<<20))
	require.Equal(t, d, wire(t, d))
	require.Equal(t, replica.Base(a.Get("k")), replica.Base(d.Objects[0].Object.Versions))
	encoded := d.AppendBinary(nil)
	for n := range encoded {
		_, err := replica.ParseDelta(encoded[:n])
		require.ErrorIs(t, err, replica.ErrMalformed, "%d bytes", n)
	}
}
