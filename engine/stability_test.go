package engine_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

func TestNodeAloneHasNoUnstableMutations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		for i := range 100 {
			put(t, c.Node("a"), "carts", strconv.Itoa(i), "v")
		}
		c.Pass(2 * engine.TickInterval)
		require.Zero(t, info(t, c.Node("a"), "carts").Unstable)
	})
}

func TestMutationsAreStableSoonAfterAllMembersHaveThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		for i := range 100 {
			put(t, c.Node(c.Names()[i%3]), "carts", strconv.Itoa(i), "v")
		}
		took := c.Await("all mutations to be stable everywhere", func() bool { return unstable(t, c) == 0 })
		require.Less(t, took, 2*time.Second)
	})
}

func TestMutationsStayUnstableWhileAKnownMemberIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		isolate(c)
		put(t, c.Node("b"), "carts", "k", "v")
		c.Pass(10 * time.Second)
		require.Equal(t, 1, info(t, c.Node("b"), "carts").Unstable)
		c.Converge()
		c.Await("all mutations to be stable everywhere", func() bool { return unstable(t, c) == 0 })
	})
}

// unstable counts the mutations of carts that are not stable, over all nodes.
func unstable(t *testing.T, c *enginetest.Cluster) int {
	t.Helper()
	n := 0
	for _, name := range c.Names() {
		n += info(t, c.Node(name), "carts").Unstable
	}
	return n
}

// openRare returns two nodes that compare clocks once an hour unless they have a reason, and say hello now and then.
func openRare(t *testing.T, hello time.Duration) *enginetest.Cluster {
	t.Helper()
	c := enginetest.NewCluster(t, 1)
	for _, name := range []string{"a", "b"} {
		c.Start(name, func(cfg *engine.Config) {
			cfg.HelloInterval, cfg.SuspectAfter, cfg.SyncInterval = hello, time.Hour, time.Hour
		})
		require.NoError(t, c.Node(name).AwaitReady(t.Context()))
	}
	create(t, c.Node("a"), "carts", "")
	c.Pass(2 * hello)
	return c
}

func TestGapBetweenFramesIsRepairedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openRare(t, 10*time.Second)
		c.Net().CutLink("a", "b")
		put(t, c.Node("a"), "carts", "lost", "1", engine.WithAck(engine.AckLocal))
		c.Pass(engine.TickInterval)
		c.Net().Heal()
		put(t, c.Node("a"), "carts", "next", "2")
		took := c.Await("the lost write", func() bool { return c.Node("b").Value(t.Context(), "carts", "lost") == "1" })
		require.Less(t, took, 200*time.Millisecond)
	})
}

func TestLostTailIsRepairedAtTheNextHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openRare(t, time.Second)
		c.Net().CutLink("a", "b")
		put(t, c.Node("a"), "carts", "lost", "1", engine.WithAck(engine.AckLocal))
		c.Pass(engine.TickInterval)
		c.Net().Heal()
		took := c.Await("the lost write", func() bool { return c.Node("b").Value(t.Context(), "carts", "lost") == "1" })
		require.Less(t, took, 1200*time.Millisecond)
	})
}

func TestNodeThatHearsOfALossRepairsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openRare(t, 10*time.Second)
		put(t, c.Node("b"), "carts", "known", "1")
		c.Net().CutLink("a", "b")
		put(t, c.Node("a"), "carts", "lost", "1", engine.WithAck(engine.AckLocal))
		c.Pass(engine.TickInterval)
		c.Net().Heal()
		c.Node("b").NetworkLost()
		took := c.Await("the lost write", func() bool { return c.Node("b").Value(t.Context(), "carts", "lost") == "1" })
		require.Less(t, took, 200*time.Millisecond)
	})
}

func TestDeleteWhoseFrameWasLostArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "1")
		c.Await("the write to be stable", func() bool { return unstable(t, c) == 0 })
		isolate(c)
		_, err := c.Node("a").Delete(t.Context(), "carts", []string{"k"})
		require.NoError(t, err)
		c.Converge()
		everywhere(t, c, "k", "(key not found)")
	})
}

func TestPartiallyConnectedNodesKnowEverythingThroughOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		c.Net().CutLink("a", "c")
		c.Net().CutLink("c", "a")
		c.Pass(2 * time.Second)
		put(t, c.Node("a"), "carts", "k", "1")
		c.Await("c to hear of it from b", func() bool { return c.Node("c").Value(t.Context(), "carts", "k") == "1" })
	})
}

func TestSplitHoldsBothSidesWritesAndReadersSeeNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "x")
		put(t, c.Node("a"), "carts", "still", "s")
		stop := keepReading(t, "still", []string{"s"}, c.Node("a"), c.Node("b"), c.Node("c"))
		views := keepReading(t, "k", []string{"x", "x,a", "x,b", "a,b,x"}, c.Node("a"), c.Node("b"), c.Node("c"))
		for range 3 {
			isolate(c)
			put(t, c.Node("a"), "carts", "k", "x,a")
			put(t, c.Node("b"), "carts", "k", "x,b")
			c.Converge()
			everywhere(t, c, "k", "a,b,x")
			put(t, c.Node("c"), "carts", "k", "x", engine.WithContext(token(t, c.Node("c"), "carts", "k")))
		}
		stop()
		views()
	})
}
