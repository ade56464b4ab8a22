package replica_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMutationIsCollectedOnceEveryKnownMemberHasIt(t *testing.T) {
	a := open(1)
	members := []clock.Actor{actor(1), actor(2), actor(3)}
	put(t, a, "k", "v")
	put(t, a, "k", "w")
	require.Zero(t, a.Collect(members), "nothing is known of the others")
	a.Witness(actor(2), a.Clock())
	require.Zero(t, a.Collect(members), "nothing is known of one of them")
	a.WitnessDots(actor(3), []clock.Dot{dot(1, 2)})
	require.Equal(t, 1, a.Collect(members))
	require.Equal(t, 1, a.NumUnstable())
	a.WitnessDots(actor(3), []clock.Dot{dot(1, 1)})
	require.Equal(t, 1, a.Collect(members))
	require.Zero(t, a.NumUnstable())
}

func TestAloneEverythingIsStable(t *testing.T) {
	a := open(1)
	put(t, a, "k", "v")
	require.Equal(t, 1, a.Collect([]clock.Actor{actor(1)}))
}

func TestThisReplicaNeedsNoWatermarkOfItself(t *testing.T) {
	a := open(1)
	put(t, a, "k", "v")
	a.Witness(actor(1), clock.Clock{})
	a.WitnessDots(actor(1), []clock.Dot{dot(1, 9)})
	require.True(t, a.Knows(actor(1), dot(1, 1)))
	require.False(t, a.Knows(actor(1), dot(1, 9)))
	require.True(t, a.Knows(actor(7), clock.Dot{}), "everyone has the mutation that is none")
}

// TestLogIsWhatSomeMemberLacks compares the log with its definition, through writes, collections and transfers in any order.
func TestLogIsWhatSomeMemberLacks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := open(1)
		member, written := map[clock.Dot]bool{}, uint64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "write") || written == 0 {
				written++
				_, err := a.Write(replica.Write{Key: keyOf(written), Value: strconv.AppendUint(nil, written, 10)})
				require.NoError(t, err)
				continue
			}
			d := dot(1, rapid.Uint64Range(1, written).Draw(t, "known"))
			member[d] = true
			a.WitnessDots(actor(2), []clock.Dot{d})
			a.Collect([]clock.Actor{actor(2)})
			requireLog(t, a, member, written)
		}
	})
}

func requireLog(t *rapid.T, a *replica.Replica, member map[clock.Dot]bool, written uint64) {
	want := map[clock.Dot]string{}
	for n := uint64(1); n <= written; n++ {
		if !member[dot(1, n)] {
			want[dot(1, n)] = keyOf(n)
		}
	}
	require.Equal(t, len(want), a.NumUnstable())
	all := replica.NewAnswer(replica.Question{})
	_, err := a.Answer(a.Plan(clock.Actor{}, clock.Clock{}, true), replica.Question{}, all, 1<<20)
	require.NoError(t, err)
	for _, p := range all.Delta.Objects {
		dots := slices.Clone(p.Dots)
		for _, v := range p.Object.Versions {
			if !member[v.Dot] {
				dots = append(dots, v.Dot)
			}
		}
		for _, dot := range dots {
			require.Equal(t, p.Key, want[dot], "%v travels with its own key", dot)
			delete(want, dot)
		}
	}
	require.Empty(t, want, "every mutation in the log travels with its key")
}

// keyOf returns the key that the n-th write goes to.
func keyOf(n uint64) string {
	return strconv.FormatUint(n%5, 10)
}

func TestCoversSaysWhetherAMemberIsKnownToHaveAll(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "1")
	drain(t, a)
	had := a.Clock()
	require.True(t, a.Covers(a.Self(), had))
	require.False(t, a.Covers(b.Self(), had), "nothing is known of it")
	require.True(t, a.Covers(b.Self(), clock.Clock{}))
	put(t, a, "k", "2")
	a.WitnessDots(b.Self(), []clock.Dot{dot(1, 1)})
	require.True(t, a.Covers(b.Self(), had))
	require.False(t, a.Covers(b.Self(), a.Clock()))
}
