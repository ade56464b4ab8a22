package replica_test

import (
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
