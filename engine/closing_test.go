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

// openClosing returns nodes that agree on dead incarnations after 20 s.
func openClosing(t *testing.T, handler string, names ...string) *enginetest.Cluster {
	t.Helper()
	c := enginetest.NewCluster(t, 1)
	for _, name := range names {
		startClosing(t, c, name)
	}
	create(t, c.Node(names[0]), "carts", handler)
	return c
}

func startClosing(t *testing.T, c *enginetest.Cluster, name string) {
	t.Helper()
	c.Start(name, func(cfg *engine.Config) { cfg.CloseAfter, cfg.ForgetAfter = 20*time.Second, time.Hour })
	require.NoError(t, c.Node(name).AwaitReady(t.Context()))
}

// away cuts a node off from all others.
func away(c *enginetest.Cluster, name string) {
	for _, other := range c.Names() {
		if other != name {
			c.Net().Cut([]string{name}, []string{other})
		}
	}
	c.Pass(2 * time.Second)
}

// incarnations is the greatest number of incarnations that a clock at a node names.
func incarnations(t *testing.T, n *enginetest.Node) int {
	t.Helper()
	s, err := n.Status(t.Context())
	require.NoError(t, err)
	return s.Incarnations
}

func TestClocksForgetIncarnationsThatAreGoneAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openClosing(t, "", "a", "b", "c")
		for range 5 {
			for i := range 50 {
				put(t, c.Node("c"), "carts", strconv.Itoa(i), "v")
			}
			c.Crash("c")
			startClosing(t, c, "c")
		}
		require.Greater(t, incarnations(t, c.Node("a")), 5)
		for i := range 50 {
			put(t, c.Node("b"), "carts", strconv.Itoa(i), "v")
		}
		c.Pass(2 * time.Minute)
		for _, name := range c.Names() {
			require.LessOrEqual(t, incarnations(t, c.Node(name)), 4, name)
		}
		c.Converge()
		everywhere(t, c, "7", "v")
	})
}

func TestIncarnationWhoseValuesStandStaysInTheClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openClosing(t, "", "a", "b", "c")
		put(t, c.Node("c"), "carts", "k", "v")
		c.Crash("c")
		startClosing(t, c, "c")
		c.Pass(2 * time.Minute)
		for _, name := range c.Names() {
			require.GreaterOrEqual(t, incarnations(t, c.Node(name)), 3, name)
		}
		everywhere(t, c, "k", "v")
	})
}

func TestGapThatADeadIncarnationLeftIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openClosing(t, "", "a", "b")
		startClosing(t, c, "c")
		c.Pass(time.Second)
		local := engine.WithAck(engine.AckLocal)
		c.Net().CutLink("c", "a")
		c.Net().CutLink("c", "b")
		put(t, c.Node("c"), "carts", "0", "lost", local)
		c.Pass(engine.TickInterval)
		c.Net().Heal()
		c.Net().CutLink("a", "c") // nobody can ask for what is missing
		c.Net().CutLink("b", "c")
		put(t, c.Node("c"), "carts", "0", "kept", local)
		c.Pass(20 * time.Millisecond)
		c.Crash("c")
		c.Pass(2 * time.Second)
		everywhere(t, c, "0", "kept")
		require.NoError(t, c.Node("a").Forget(t.Context(), "c"))
		c.Pass(time.Minute)
		put(t, c.Node("a"), "carts", "0", "v")
		c.Pass(time.Minute)
		require.Equal(t, 2, incarnations(t, c.Node("a")))
		require.Equal(t, 2, incarnations(t, c.Node("b")))
		everywhere(t, c, "0", "v")
	})
}

// A member is forgotten while it lives on behind a split. It comes back as another incarnation, with all that only it had.
func TestForgottenMemberComesBackWithWhatOnlyItHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openClosing(t, "union", "a", "b", "c")
		put(t, c.Node("c"), "carts", "k", "x")
		put(t, c.Node("c"), "carts", "gone", "x")
		put(t, c.Node("c"), "carts", "dropped", "x")
		away(c, "c")
		put(t, c.Node("c"), "carts", "k", "c,x")
		put(t, c.Node("c"), "carts", "mine", "c")
		_, err := c.Node("c").Delete(t.Context(), "carts", []string{"dropped"})
		require.NoError(t, err)
		put(t, c.Node("a"), "carts", "k", "a,x")
		_, err = c.Node("b").Delete(t.Context(), "carts", []string{"gone"})
		require.NoError(t, err)
		require.NoError(t, c.Node("a").Forget(t.Context(), "c"))
		c.Pass(2 * time.Minute)
		c.Net().Heal()
		c.Restarted("c")
		require.NoError(t, c.Node("c").AwaitReady(t.Context()))
		c.Converge()
		everywhere(t, c, "k", "a,c,x")
		everywhere(t, c, "mine", "c")
		everywhere(t, c, "gone", "(key not found)")
		everywhere(t, c, "dropped", "(key not found)")
	})
}

// What the others have replaced does not come back with a member that was away so long that nobody names its values' writer any more.
func TestForgottenMemberDoesNotBringBackWhatWasReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openClosing(t, "union", "a", "b", "c", "d")
		put(t, c.Node("d"), "carts", "k", "old")
		put(t, c.Node("d"), "carts", "gone", "old")
		away(c, "c")
		c.Crash("d")
		put(t, c.Node("a"), "carts", "k", "new")
		_, err := c.Node("b").Delete(t.Context(), "carts", []string{"gone"})
		require.NoError(t, err)
		for _, name := range []string{"c", "d"} {
			require.NoError(t, c.Node("a").Forget(t.Context(), name))
		}
		c.Pass(2 * time.Minute)
		require.Equal(t, 2, incarnations(t, c.Node("a")))
		require.Equal(t, "old", c.Node("c").Value(t.Context(), "carts", "k"))
		c.Net().Heal()
		c.Restarted("c")
		require.NoError(t, c.Node("c").AwaitReady(t.Context()))
		require.Equal(t, "new", c.Node("c").Value(t.Context(), "carts", "k"))
		c.Converge()
		everywhere(t, c, "k", "new")
		everywhere(t, c, "gone", "(key not found)")
	})
}

func TestNodeAloneForgetsItsOwnEarlierIncarnations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openClosing(t, "", "a")
		put(t, c.Node("a"), "carts", "k", "v")
		c.Restart("a")
		put(t, c.Node("a"), "carts", "k", "w")
		c.Pass(2 * time.Minute)
		require.Equal(t, 1, incarnations(t, c.Node("a")))
		everywhere(t, c, "k", "w")
	})
}

func TestTokenThatNamesARetiredIncarnationStillCovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openClosing(t, "", "a", "b", "c")
		put(t, c.Node("c"), "carts", "k", "v")
		c.Crash("c")
		startClosing(t, c, "c")
		read := token(t, c.Node("a"), "carts", "k")
		put(t, c.Node("b"), "carts", "k", "w", engine.WithContext(read))
		c.Pass(2 * time.Minute)
		require.LessOrEqual(t, incarnations(t, c.Node("a")), 3)
		put(t, c.Node("a"), "carts", "k", "u", engine.WithContext(read))
		e, err := c.Node("b").Get(t.Context(), "carts", "k")
		require.NoError(t, err)
		require.Len(t, e.Siblings, 2)
		require.LessOrEqual(t, incarnations(t, c.Node("a")), 3)
	})
}

func TestIncarnationIsNotClosedWhileAKnownMemberIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openClosing(t, "", "a", "b", "c")
		put(t, c.Node("c"), "carts", "k", "v")
		c.Crash("c")
		startClosing(t, c, "c")
		away(c, "b")
		c.Pass(2 * time.Minute)
		require.Zero(t, c.Count(engine.EventClosed))
		c.Converge()
		c.Pass(30 * time.Second)
		require.NotZero(t, c.Count(engine.EventClosed))
	})
}
