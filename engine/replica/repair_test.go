package replica_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestNothingIsPlannedForAPeerThatHasEverything(t *testing.T) {
	a, b := open(1), open(2)
	require.Nil(t, a.Plan(b.Self(), b.Clock(), false))
	put(t, a, "k", "v")
	send(t, a, b)
	put(t, b, "more", "v")
	require.Nil(t, a.Plan(b.Self(), b.Clock(), false), "what the peer has more is its own affair")
	require.NotNil(t, a.Plan(b.Self(), b.Clock(), true))
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
	require.ElementsMatch(t, []string{"k3", "k7"}, x.end(t, 1<<10))
	require.Equal(t, []string{"k3", "k7"}, x.keys)
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
	plan := b.Plan(c.Self(), c.Clock(), false)
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
	require.True(t, a.Plan(b.Self(), b.Clock(), false).Full)
	receive(t, b, drain(t, a))
	put(t, a, "k9", "v")
	drain(t, a)
	require.False(t, a.Plan(b.Self(), b.Clock(), false).Full)
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
		x.end(t, 64)
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

func TestAnswersStayWithinTheirBytes(t *testing.T) {
	a, b := open(1), open(2)
	for i := range 100 {
		put(t, a, fmt.Sprint("key", i), "some value")
	}
	const limit = 500
	x := begin(a, b, true)
	for !x.done {
		answer := x.answer(t, limit)
		require.LessOrEqual(t, len(answer.Delta.AppendBinary(nil)), limit)
		x.take(t, answer)
	}
	require.Len(t, x.keys, 100)
	requireSame(t, a, b)
	require.Len(t, begin(a, open(3), true).answer(t, 1).Delta.Objects, 1, "at least one")
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

func TestPendingWriteIsNotLeanAfterATransferBroughtNewsOfItsKey(t *testing.T) {
	a, b := open(1), open(2)
	put(t, b, "k", "v")
	del(t, b, "k")
	drain(t, b)
	put(t, a, "k", "pending")
	pull(t, b, a, false)
	require.Equal(t, []clock.Dot{dot(2, 1), dot(2, 2)}, drain(t, a).Objects[0].Dots)
}

// diverged returns two replicas with n equal keys whose logs are empty.
func diverged(tb testing.TB, n int) (a, b *replica.Replica) {
	tb.Helper()
	a, b = open(1), open(2)
	for i := range n {
		_, err := a.Write(replica.Write{Key: fmt.Sprint("key", i), Value: []byte("some value")})
		require.NoError(tb, err)
	}
	pull(tb, a, b, false)
	for _, r := range []*replica.Replica{a, b} {
		for r.Pending() > 0 {
			r.Drain(1 << 20)
		}
		r.Collect(nil)
	}
	return a, b
}

func TestFullTransferBetweenEqualsMovesNoKeys(t *testing.T) {
	a, b := diverged(t, 1000)
	x := pull(t, a, b, true)
	require.Empty(t, x.keys)
	require.Less(t, x.bytes, 150)
	require.Equal(t, 1, x.steps)
}

func TestFullTransferMovesOnlyWhatDiffers(t *testing.T) {
	a, b := diverged(t, 1000)
	put(t, a, "key7", "other")
	put(t, a, "new", "v")
	del(t, a, "key123")
	drain(t, a)
	a.Collect(nil)
	x := begin(a, b, false)
	require.True(t, x.plan.Full)
	require.ElementsMatch(t, []string{"key7", "new", "key123"}, x.end(t, 1<<10))
	require.ElementsMatch(t, []string{"key7", "new"}, x.keys)
	require.Less(t, x.bytes, 1000)
	requireSame(t, a, b)
}

func TestLaggardBeyondTheLogConvergesWhileBothWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := replica.New(actor(1), replica.Options{MaxDotKeys: 8, ListKeys: rapid.IntRange(1, 3).Draw(t, "list")})
		b := replica.New(actor(2), replica.Options{MaxDotKeys: 8, ListKeys: rapid.IntRange(1, 3).Draw(t, "list")})
		change := func(r *replica.Replica) {
			w := replica.Write{Key: strconv.Itoa(rapid.IntRange(0, 30).Draw(t, "key")), Delete: rapid.Bool().Draw(t, "delete")}
			_, err := r.Write(w)
			require.NoError(t, err)
		}
		for range 60 {
			change(a)
		}
		pullBoth(t, a, b, change)
		for range 60 {
			change(a)
			change(b)
		}
		pullBoth(t, a, b, change)
		pullBoth(t, a, b, func(*replica.Replica) {})
		require.True(t, a.Clock().Equal(b.Clock()))
		require.Equal(t, a.Sum(), b.Sum())
	})
}

// pullBoth pulls each way, with a write at each end between the steps.
func pullBoth(t *rapid.T, a, b *replica.Replica, change func(*replica.Replica)) {
	for range 2 {
		for plan := a.Plan(b.Self(), b.Clock(), false); plan != nil; plan = nil {
			in := b.Begin()
			for done := false; !done; {
				q := b.Ask(in, 40)
				answer := replica.NewAnswer(q)
				var err error
				for more := true; more && err == nil; {
					more, err = a.Answer(plan, q, answer, 60)
				}
				if errors.Is(err, replica.ErrStale) {
					break
				}
				require.NoError(t, err)
				if rapid.IntRange(0, 9).Draw(t, "busy") == 0 {
					change(a)
					change(b)
				}
				_, done, err = b.Take(in, answer)
				require.NoError(t, err)
			}
		}
		a, b = b, a
	}
}

// differing begins a full transfer to b, which has a key of its own: that has to be asked about after the walk.
func differing(t *testing.T, a, b *replica.Replica) *transfer {
	t.Helper()
	put(t, b, "own", "v")
	return begin(a, b, true)
}

// requireSameAfter checks that to lacks nothing but what from has.
func requireSameAfter(t *testing.T, from, to *replica.Replica) {
	t.Helper()
	pull(t, from, to, false)
	requireSame(t, from, to)
}

func TestKeysThatChangeAfterTheirComparisonAreComparedAsTheyWere(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	put(t, c, "k", "old")
	late := drain(t, c)
	receive(t, a, late)
	del(t, a, "k")
	drain(t, a)
	a.Collect(nil)

	x := differing(t, a, b)
	x.walk(t)
	answer := x.answer(t, 1<<10)
	receive(t, b, late)
	require.Equal(t, []string{"old"}, values(b, "k"), "b cannot know better yet")
	require.Equal(t, []string{"k"}, x.take(t, answer))
	require.Nil(t, b.Get("k"), "a has seen and removed it")
	requireSameAfter(t, b, a)
}

func TestKeysThatChangeDuringATransferTravelWithTheirMutations(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	put(t, a, "k", "v")
	send(t, a, c)
	a.Collect(nil)
	x := begin(a, b, true)
	del(t, a, "k")
	drain(t, a)
	x.end(t, 1<<10)
	require.Equal(t, []string{"k"}, x.keys)
	require.True(t, b.Clock().Has(dot(1, 2)), "or c would keep k if a were lost now")
	pull(t, b, c, false)
	requireSame(t, b, c)
}

func TestTransferWhoseSenderForgotWhatChangedIsBegunAgain(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "v")
	drain(t, a)
	x := differing(t, a, b)
	x.walk(t)
	del(t, a, "k")
	drain(t, a)
	a.Collect(nil)
	q := b.Ask(x.intake, 1<<10)
	_, err := a.Answer(x.plan, q, replica.NewAnswer(q), 1<<10)
	require.ErrorIs(t, err, replica.ErrStale)
	b.Abandon(x.intake)
	_, _, err = b.Take(x.intake, replica.NewAnswer(q))
	require.ErrorIs(t, err, replica.ErrStale)
	pull(t, a, b, false)
	requireSameAfter(t, b, a)
}

func TestContextThatIsStrippedDuringATransferIsNotMissed(t *testing.T) {
	a, b, c := open(1), open(2), open(3)
	put(t, c, "gap", "v")
	gap := drain(t, c)
	put(t, c, "k", "old")
	late := drain(t, c)
	receive(t, a, late)
	del(t, a, "k")
	drain(t, a)
	a.Collect(nil)
	x := differing(t, a, b)
	receive(t, a, gap) // the context of k at a goes
	x.walk(t)
	last := x.answer(t, 1<<10)
	receive(t, b, late)
	x.take(t, last)
	require.True(t, x.done)
	require.Nil(t, b.Get("k"))
	receive(t, b, late)
	require.Nil(t, b.Get("k"))
	requireSameAfter(t, b, a)
}

func TestAnswersThatDoNotFitTheirQuestionAreRefused(t *testing.T) {
	a, b := diverged(t, 100)
	var c0 clock.Clock
	for name, answer := range map[string]*replica.Answer{
		"stage that is not there":   {Stage: replica.StageDone + 1},
		"comparison without clock":  {Stage: replica.StageCompare},
		"clock before a comparison": {Stage: replica.StageWalk, Clock: &c0},
	} {
		_, _, err := b.Take(b.Begin(), answer)
		require.ErrorIs(t, err, replica.ErrMalformed, name)
	}
	x := differing(t, a, b)
	x.walk(t)
	answer := x.answer(t, 1<<10)
	for name, wrong := range map[string]*replica.Answer{
		"stage that is over":  {Stage: replica.StageWalk},
		"end of another kind": {Stage: replica.StageDone},
		"another clock":       {Stage: replica.StageCompare, Clock: &c0, Gone: answer.Gone},
		"too few verdicts":    {Stage: replica.StageCompare},
		"sums, not asked for": {Stage: replica.StageCompare, Sums: []uint64{1}, Gone: answer.Gone},
	} {
		_, _, err := b.Take(x.intake, wrong)
		require.ErrorIs(t, err, replica.ErrMalformed, name)
	}
	x.take(t, answer)
	require.True(t, x.done)
}

func TestEmptyNodeSharesWhatItsKeysWaitFor(t *testing.T) {
	const keys, actors = 2000, 20
	from := open(1)
	heard := replica.Packed{Key: "heard"}
	for b := byte(100); b < 100+actors; b++ {
		heard.Dots = append(heard.Dots, dot(b, 1))
	}
	receive(t, from, replica.Delta{Objects: []replica.Packed{heard}})
	for i := range keys {
		put(t, from, fmt.Sprint("key", i), "v")
	}
	drained := from.Pending()
	for from.Pending() > 0 {
		from.Drain(1 << 20)
	}
	require.Equal(t, keys, drained)
	from.Collect(nil)
	x := begin(from, open(2), true)
	answer := x.answer(t, 1<<20)
	answer.Stage, answer.Clock, answer.Sums = replica.StageWalk, nil, nil
	perKey := testing.AllocsPerRun(1, func() {
		to := open(3)
		_, _, err := to.Take(to.Begin(), answer)
		require.NoError(t, err)
		require.Equal(t, keys, to.Len())
		require.Len(t, to.Context("key7"), actors+1)
	}) / keys
	require.Less(t, perKey, 8.0, "a context of its own for each key would cost more")
}
