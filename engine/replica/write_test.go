package replica_test

import (
	"testing"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
)

func TestPutWithoutContextReplacesEverythingKnown(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "from a")
	put(t, b, "k", "from b")
	send(t, b, a)
	require.Equal(t, []string{"from a", "from b"}, values(a, "k"))

	done := put(t, a, "k", "settled")
	require.Equal(t, []string{"settled"}, values(a, "k"))
	require.Len(t, done.Previous, 2)
	send(t, a, b)
	require.Equal(t, []string{"settled"}, values(b, "k"))
}

func TestPutWithContextLeavesUnseenVersionsAsSiblings(t *testing.T) {
	a, b := open(1), open(2)
	seen := put(t, a, "k", "seen").Context
	put(t, b, "k", "unseen")
	send(t, b, a)
	done := write(t, a, replica.Write{Key: "k", Value: []byte("new"), Context: seen})
	require.ElementsMatch(t, []string{"unseen", "new"}, values(a, "k"))
	require.Equal(t, 1, a.NumConflicts())
	require.True(t, done.Context.Equal(a.Context("k")))
}

func TestEmptyContextCoversNothing(t *testing.T) {
	a := open(1)
	put(t, a, "k", "one")
	write(t, a, replica.Write{Key: "k", Value: []byte("two"), Context: clock.Context{}})
	require.Equal(t, []string{"one", "two"}, values(a, "k"))
}

func TestContextOfAnotherNodeRemovesWhatHasNotArrivedYet(t *testing.T) {
	a, b := open(1), open(2)
	read := put(t, b, "k", "read at b").Context
	write(t, a, replica.Write{Key: "k", Value: []byte("written at a"), Context: read})
	send(t, b, a)
	require.Equal(t, []string{"written at a"}, values(a, "k"))
	send(t, a, b)
	requireSame(t, a, b)
}

func TestValueThatIsThereAlreadyMakesNoMutation(t *testing.T) {
	a := open(1)
	first := put(t, a, "k", "v")
	again := put(t, a, "k", "v")
	require.False(t, again.New)
	require.Equal(t, first.Dot, again.Dot)
	require.True(t, again.Context.Equal(first.Context))
	require.Equal(t, 1, a.Pending())

	for name, w := range map[string]replica.Write{
		"another value":                  {Key: "k", Value: []byte("w")},
		"a context that has not seen it": {Key: "k", Value: []byte("v"), Context: clock.Context{}},
		"a context that has seen more":   {Key: "k", Value: []byte("v"), Context: clock.Context{actor(1): 1, actor(2): 7}},
	} {
		r := open(1)
		put(t, r, "k", "v")
		require.True(t, write(t, r, w).New, name)
	}
}

func TestDeleteRemovesWhatItCoversAndTravelsByItsDot(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "v")
	send(t, a, b)
	done := del(t, a, "k")
	require.True(t, done.New)
	require.Equal(t, dot(1, 2), done.Dot)
	require.Nil(t, a.Get("k"))
	require.Zero(t, a.Len())
	send(t, a, b)
	require.Nil(t, b.Get("k"))
	require.True(t, b.Clock().Has(done.Dot))
	requireSame(t, a, b)
}

func TestDeleteThatCoversNothingHereMakesNoMutation(t *testing.T) {
	a := open(1)
	require.False(t, del(t, a, "never there").New)
	require.Zero(t, del(t, a, "never there").Dot)

	put(t, a, "k", "v")
	unseen := write(t, a, replica.Write{Key: "k", Delete: true, Context: clock.Context{}})
	require.False(t, unseen.New)
	require.Equal(t, []string{"v"}, values(a, "k"))

	gone := del(t, a, "k")
	again := del(t, a, "k")
	require.False(t, again.New)
	require.Equal(t, gone.Dot, again.Dot, "whoever deletes again waits for the delete that is on its way")
}

func TestDeleteWithNewsMakesAMutationThoughNothingIsHere(t *testing.T) {
	a, b := open(1), open(2)
	read := put(t, b, "k", "read at b").Context
	require.True(t, write(t, a, replica.Write{Key: "k", Delete: true, Context: read}).New)
	send(t, b, a)
	require.Nil(t, a.Get("k"))
	send(t, a, b)
	require.Nil(t, b.Get("k"))
	requireSame(t, a, b)
}

func TestConditionalWriteIsRefusedWhenAVersionIsUnseen(t *testing.T) {
	a := open(1)
	seen := put(t, a, "k", "one").Context
	put(t, a, "k", "two")
	before := a.Clock()
	w := replica.Write{Key: "k", Value: []byte("three"), Context: seen, IfCovered: true}
	require.ErrorIs(t, a.Check(w), replica.ErrConflict)
	_, err := a.Write(w)
	require.ErrorIs(t, err, replica.ErrConflict)
	require.Equal(t, []string{"two"}, values(a, "k"))
	require.True(t, a.Clock().Equal(before))

	w.Context = a.Context("k")
	require.NoError(t, a.Check(w))
	write(t, a, w)
	require.Equal(t, []string{"three"}, values(a, "k"))
	write(t, a, replica.Write{Key: "new", Value: []byte("v"), Context: clock.Context{}, IfCovered: true})
	require.Equal(t, []string{"v"}, values(a, "new"), "nothing is unseen of a key without versions")
}

func TestContextThatKnowsMoreOfThisNodeThanItDidIsRefused(t *testing.T) {
	a := open(1)
	put(t, a, "k", "v")
	w := replica.Write{Key: "k", Value: []byte("w"), Context: clock.Context{actor(1): 2}}
	_, err := a.Write(w)
	require.ErrorIs(t, err, replica.ErrContextAhead)
	require.ErrorIs(t, a.Check(w), replica.ErrContextAhead)
	require.Equal(t, []string{"v"}, values(a, "k"))
}

func TestWriteThatOnlyAddsToTooManySiblingsIsRefused(t *testing.T) {
	for name, o := range map[string]replica.Options{"count": {MaxSiblings: 3}, "bytes": {MaxSiblingBytes: 3}} {
		a := replica.New(actor(1), o)
		blind := replica.Write{Key: "k", Value: []byte("v"), Context: clock.Context{}}
		for range 3 {
			write(t, a, blind)
		}
		_, err := a.Write(blind)
		require.ErrorIs(t, err, replica.ErrTooManySiblings, name)
		require.ErrorIs(t, a.Check(blind), replica.ErrTooManySiblings, name)
		require.Len(t, a.Get("k"), 3, name)

		blind.Context = clock.Context{actor(1): 1}
		write(t, a, blind)
		require.Len(t, a.Get("k"), 3, "%s: a write that replaces one may add one", name)

		b := open(2)
		write(t, b, replica.Write{Key: "k", Value: []byte("remote")})
		send(t, b, a)
		require.Len(t, a.Get("k"), 4, "%s: remote state is always taken", name)
		put(t, a, "k", "settled")
		require.Len(t, a.Get("k"), 1, name)
	}
}

func TestStampExceedsThoseOfAllVersionsThatAreHere(t *testing.T) {
	now := clock.TimestampOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	a, b := open(1), open(2)
	ahead := now + clock.TimestampOf(time.UnixMilli(0).Add(24*time.Hour))
	write(t, b, replica.Write{Key: "k", Value: []byte("ahead"), Now: ahead})
	send(t, b, a)
	write(t, a, replica.Write{Key: "k", Value: []byte("later"), Now: now})
	require.Greater(t, a.Get("k")[0].Stamp, ahead)
	write(t, a, replica.Write{Key: "other", Value: []byte("v"), Now: now})
	require.Equal(t, now, a.Get("other")[0].Stamp, "a clock that is ahead does not drag the local one along")
}

func TestVersionsThatWereReadNeverChange(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "one")
	read := a.Get("k")
	put(t, b, "k", "two")
	send(t, b, a)
	both := a.Get("k")
	put(t, a, "k", "three")
	require.Equal(t, "one", string(read[0].Value))
	require.Len(t, read, 1)
	require.Equal(t, []string{"one", "two"}, []string{string(both[0].Value), string(both[1].Value)})
}
