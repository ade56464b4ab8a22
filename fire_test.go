package kvnode_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/fire"
	"github.com/kvnode/kvnode/plugins/examples"
)

// ignite opens three nodes on real routes, whose handler runs out of fuel on every conflict, and writes to them at all levels.
func ignite(t *testing.T, configure func(*kvnode.Config)) (*kvnode.Lab, *fire.Crew) {
	t.Helper()
	ctx := patient(t)
	names := []string{"a", "b", "c"}
	l, err := kvnode.OpenLab(ctx, names, configure)
	require.NoError(t, err)
	_, err = l.Node("a").CreateTable(ctx, "t", kvnode.TableOptions{})
	require.NoError(t, err)
	_, err = l.Node("a").InstallPlugin(ctx, "t", examples.Loop(), kvnode.Limits{Fuel: 10_000})
	require.NoError(t, err)
	crew := fire.Start(t.Context(), fire.Config{
		Seed: 1, Table: "t", Nodes: names, Levels: []engine.AckLevel{engine.AckLocal, engine.AckOne, engine.AckQuorum, engine.AckAll},
		Rate: 500, Batch: 10, Plain: 300, Forked: 50, ForkEvery: 4, ReadEvery: 2,
		Node: func(name string) fire.Store { return l.Node(name) },
	})
	return l, crew
}

// heldBy is all that a node holds: the values of each key's siblings.
func heldBy(t *testing.T, n *kvnode.Node) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for e, err := range n.Match(patient(t), "t", engine.Pattern{}) {
		require.NoError(t, err)
		for _, v := range e.Siblings {
			out[e.Key] = append(out[e.Key], string(v.Value))
		}
	}
	return out
}

// equal waits until these nodes know the same.
func equal(t *testing.T, nodes ...*kvnode.Node) {
	t.Helper()
	ctx := patient(t)
	require.Eventually(t, func() bool {
		digests := map[string]struct{}{}
		for _, n := range nodes {
			s, err := n.Status(ctx)
			if err != nil || !s.Ready {
				return false
			}
			digests[s.Digest] = struct{}{}
		}
		return len(digests) == 1
	}, patience, 50*time.Millisecond)
}

func TestNodesThatRestartUnderFireLoseNoWriteOverRealRoutes(t *testing.T) {
	var restarts atomic.Int64
	l, crew := ignite(t, func(c *kvnode.Config) {
		c.Events = func(e engine.Event) {
			if e.Kind == engine.EventRestart {
				restarts.Add(1)
			}
		}
	})
	defer func() { require.NoError(t, l.Close(context.WithoutCancel(t.Context()))) }()
	require.Eventually(t, func() bool { return restarts.Load() >= 2 }, patience, 10*time.Millisecond)
	crew.Stop()
	require.NoError(t, l.AwaitWhole(patient(t)))
	nodes := []*kvnode.Node{l.Node("a"), l.Node("b"), l.Node("c")}
	equal(t, nodes...)
	for _, n := range nodes {
		require.Empty(t, crew.Ledger().Verify(heldBy(t, n), true))
	}
	require.Positive(t, crew.Ledger().NumReads())
	require.LessOrEqual(t, restarts.Load(), int64(3))
}

func TestProcessThatExitsUnderFireLeavesAllThatItAcknowledged(t *testing.T) {
	l, crew := ignite(t, func(c *kvnode.Config) { c.OnTrap = kvnode.OnTrapExit })
	exited := make(chan string, 3)
	for _, name := range []string{"a", "b", "c"} {
		go func() {
			if l.Node(name).Wait() != nil {
				exited <- name
			}
		}()
	}
	gone := <-exited
	crew.Stop()
	require.ErrorIs(t, l.Node(gone).Wait(), kvnode.ErrExitOnTrap)
	var left []*kvnode.Node
	for _, name := range []string{"a", "b", "c"} {
		if name != gone {
			left = append(left, l.Node(name))
		}
	}
	equal(t, left...)
	for _, n := range left {
		require.Empty(t, crew.Ledger().Verify(heldBy(t, n), false))
	}
	require.ErrorIs(t, l.Close(patient(t)), kvnode.ErrExitOnTrap)
}
