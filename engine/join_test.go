package engine_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// members lists the members as a node sees them.
func members(t *testing.T, n *enginetest.Node) []engine.Member {
	t.Helper()
	all, err := n.Members(t.Context())
	require.NoError(t, err)
	return all
}

// member finds a member by name as a node sees it.
func member(t *testing.T, n *enginetest.Node, name string) engine.Member {
	t.Helper()
	all := members(t, n)
	i := slices.IndexFunc(all, func(m engine.Member) bool { return m.Name == name })
	require.GreaterOrEqual(t, i, 0, "%s knows no %s", n.Name, name)
	return all[i]
}

// actor is a node's incarnation.
func actor(t *testing.T, n *enginetest.Node) clock.Actor {
	t.Helper()
	s, err := n.Status(t.Context())
	require.NoError(t, err)
	return s.Actor
}

func TestLateJoinerHasEverythingWhenItIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union "+strings.Repeat("x", 300<<10), "a", "b")
		_, err := c.Node("a").CreateTable(t.Context(), "sorted", engine.TableOptions{Type: engine.OrderedSet})
		require.NoError(t, err)
		for i := range 500 {
			put(t, c.Node("a"), "sorted", fmt.Sprintf("k%03d", i), "v")
		}
		fork(t, c.Node("a"), "k", "1", "2")
		_, err = c.Node("b").Delete(t.Context(), "sorted", []string{"k007"})
		require.NoError(t, err)
		c.Net().SetFaults(bus.Faults{Delay: 5 * time.Millisecond})
		late := c.Start("late")
		require.NoError(t, late.AwaitReady(t.Context()))
		require.Equal(t, "1,2", late.Value(t.Context(), "carts", "k"))
		require.Len(t, matched(t, late, "sorted", engine.Pattern{}), 499)
		plugins, err := late.Plugins(t.Context())
		require.NoError(t, err)
		require.Len(t, plugins, 1)
		require.True(t, plugins[0].Here)
		require.Equal(t, []string{"carts"}, plugins[0].Tables)
		require.Equal(t, plugins[0].SHA256, info(t, late, "carts").Active.SHA256)
	})
}

// TestJoinerJudgesWhenItIsReadyWhateverPieceOfTheModuleCameLast joins when the catalogue travels in the order of its places: then the record of the
// plugin comes before some of its bytes, and the joiner prepares its handlers in between.
func TestJoinerJudgesWhenItIsReadyWhateverPieceOfTheModuleCameLast(t *testing.T) {
	for _, size := range []int{300, 600, 1000} {
		t.Run(fmt.Sprint(size, " KiB"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, "union "+strings.Repeat("x", size<<10), "a", "b")
				fork(t, c.Node("a"), "k", "1", "2")
				c.Await("nothing to be left in the logs", func() bool { return engine.Unstable(c.Node("a").Engine) == 0 })
				late := c.Start("late")
				require.NoError(t, late.AwaitReady(t.Context()))
				e := get(t, late, "k")
				require.Equal(t, engine.Resolved, e.State, e.Reason)
				require.Equal(t, "1,2", string(e.Value))
			})
		})
	}
}

func TestJoinerOnWhichManyWritesRainIsCompleteWhenItIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		for i := range 200 {
			put(t, c.Node("a"), "carts", fmt.Sprint("old", i), "v")
		}
		late := c.Start("late")
		for i := 0; !late.Ready(); i++ {
			put(t, c.Node("b"), "carts", fmt.Sprint("old", i%200), fmt.Sprint("new", i))
		}
		for i := range 200 {
			key := fmt.Sprint("old", i)
			require.Equal(t, c.Node("a").Value(t.Context(), "carts", key), late.Value(t.Context(), "carts", key))
		}
	})
}

func TestCrashWithAmnesiaComesBackFullAndDeletesDoNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		for i := range 50 {
			put(t, c.Node("a"), "carts", strconv.Itoa(i), "v")
		}
		stop := keepReading(t, "3", []string{"v"}, c.Node("b"), c.Node("c"))
		c.Crash("a")
		_, err := c.Node("b").Delete(t.Context(), "carts", []string{"7"})
		require.NoError(t, err)
		put(t, c.Node("b"), "carts", "8", "w")
		a := c.Start("a")
		require.NoError(t, a.AwaitReady(t.Context()))
		c.Converge()
		stop()
		everywhere(t, c, "7", "(key not found)")
		everywhere(t, c, "8", "w")
		require.Equal(t, 49, info(t, a, "carts").Keys)
		put(t, a, "carts", "7", "again")
		everywhere(t, c, "7", "again")
	})
}

func TestWriteThatOnlyTheCrashedNodeHadIsGoneAndItsKeyGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		isolate(c)
		put(t, c.Node("a"), "carts", "k", "lost")
		c.Crash("a")
		c.Net().Heal()
		require.NoError(t, c.Start("a").AwaitReady(t.Context()))
		everywhere(t, c, "k", "(key not found)")
		put(t, c.Node("a"), "carts", "k", "new")
		everywhere(t, c, "k", "new")
	})
}

func TestAllNodesCrashOneAfterTheOtherAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "v")
		fork(t, c.Node("b"), "f", "1", "2")
		for _, name := range c.Names() {
			c.Crash(name)
			c.Start(name)
			require.NoError(t, c.Node(name).AwaitReady(t.Context()))
		}
		everywhere(t, c, "k", "v")
		everywhere(t, c, "f", "1,2")
	})
}

func TestNodeThatWaitsForPeersServesAloneAfterReadyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		begin := time.Now()
		n := c.Start("a", func(cfg *engine.Config) { cfg.ExpectPeers = true })
		require.False(t, n.Ready())
		require.NoError(t, n.AwaitReady(t.Context()))
		require.InDelta(t, 3, time.Since(begin).Seconds(), 0.1)
	})
}

func TestNodeThatWaitsForNobodyIsReadyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		begin := time.Now()
		require.NoError(t, c.Start("a").AwaitReady(t.Context()))
		require.Less(t, time.Since(begin), 100*time.Millisecond)
	})
}

func TestOfAllUnreadyNodesTheSmallestActorGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		names := []string{"a", "b", "c"}
		for _, name := range names {
			c.Start(name, func(cfg *engine.Config) { cfg.ExpectPeers, cfg.ReadyWait = true, time.Hour })
		}
		begin := time.Now()
		for _, name := range names {
			require.NoError(t, c.Node(name).AwaitReady(t.Context()))
		}
		require.Less(t, time.Since(begin), 3*time.Second)
		first := slices.MinFunc(names, func(a, b string) int {
			return actor(t, c.Node(a)).Compare(actor(t, c.Node(b)))
		})
		ready := eventsOf(c, "", engine.EventReady)
		require.Len(t, ready, 3)
		require.Equal(t, first, ready[0].Node)
		for _, e := range ready[1:] {
			require.Equal(t, "repaired from "+first, e.Attrs[0].Value.String())
		}
	})
}

func TestUnreadyNodeAnswersErrNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		n := c.Start("a", func(cfg *engine.Config) { cfg.ExpectPeers, cfg.ReadyWait = true, time.Hour })
		begin := time.Now()
		_, err := n.Get(t.Context(), "carts", "k")
		require.ErrorIs(t, err, engine.ErrNotReady)
		require.InDelta(t, 5, time.Since(begin).Seconds(), 0.1)
		_, err = n.CreateTable(t.Context(), "carts", engine.TableOptions{})
		require.ErrorIs(t, err, engine.ErrNotReady)
		_, err = n.Put(t.Context(), "carts", []engine.KV{{Key: "k"}})
		require.ErrorIs(t, err, engine.ErrNotReady)
		s, err := n.Status(t.Context())
		require.NoError(t, err)
		require.False(t, s.Ready)
	})
}

func TestUnreadyNodeNamesAReadyPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.Start("a", func(cfg *engine.Config) { cfg.HTTP = "127.0.0.1:7070" })
		require.NoError(t, c.Node("a").AwaitReady(t.Context()))
		n := c.Start("b")
		_, found := n.ReadyPeer()
		require.False(t, found)
		require.NoError(t, n.AwaitReady(t.Context()))
		addr, found := n.ReadyPeer()
		require.True(t, found)
		require.Equal(t, "127.0.0.1:7070", addr)
	})
}

func TestSecondLiveNodeOfANameIsRefusedAndAllOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "1")
		c.Pass(time.Second)
		elder := actor(t, c.Node("a"))
		younger := c.Start("impostor", func(cfg *engine.Config) { cfg.Name = "a" })
		why := <-younger.Ended()
		require.ErrorIs(t, why.Err, engine.ErrNameTaken)
		require.False(t, why.Restart)
		require.NotEmpty(t, eventsOf(c, "impostor", engine.EventNameTaken))
		require.False(t, younger.Ready())
		c.Crash("impostor")
		c.Pass(2 * time.Second)
		require.Empty(t, c.Node("a").Ended())
		for _, name := range []string{"b", "c"} {
			m := member(t, c.Node(name), "a")
			require.True(t, m.Connected, name)
			require.Equal(t, elder, m.Incarnation, name)
			w, err := c.Node(name).Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte(name)}})
			require.NoError(t, err)
			require.Equal(t, 3, w.Acked, name)
		}
		everywhere(t, c, "k", "c")
		c.Await("the writes to be stable", func() bool { return info(t, c.Node("b"), "carts").Unstable == 0 })
	})
}

func TestRefusedNodeThatIsClosedLateDoesNotTakeTheNameOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		c.Pass(time.Second)
		elder := actor(t, c.Node("a"))
		younger := c.Start("impostor", func(cfg *engine.Config) { cfg.Name = "a" })
		<-younger.Ended()
		c.Pass(5 * time.Second)
		require.False(t, younger.Ready())
		require.Equal(t, elder, member(t, c.Node("b"), "a").Incarnation)
		require.True(t, member(t, c.Node("b"), "a").Connected)
		c.Crash("impostor")
		c.Pass(2 * time.Second)
		put(t, c.Node("b"), "carts", "k", "1")
		c.Await("the write to be stable", func() bool { return info(t, c.Node("b"), "carts").Unstable == 0 })
	})
}

func TestNewIncarnationReplacesTheOldOneAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		old := actor(t, c.Node("a"))
		c.Crash("a")
		a := c.Start("a")
		took := c.Await("b to see the new incarnation", func() bool {
			m := member(t, c.Node("b"), "a")
			return m.Connected && m.Incarnation == actor(t, a)
		})
		require.NotEqual(t, old, actor(t, a))
		require.Less(t, took, time.Second)
		require.NoError(t, a.AwaitReady(t.Context()))
		require.Len(t, members(t, c.Node("b")), 3)
		put(t, c.Node("b"), "carts", "k", "1")
		c.Await("nobody to wait for the old incarnation", func() bool { return info(t, c.Node("b"), "carts").Unstable == 0 })
	})
}

func TestClosedNodeIsGoneAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		_, err := c.Node("a").Close()
		require.NoError(t, err)
		took := c.Await("b to miss a", func() bool { return !member(t, c.Node("b"), "a").Connected })
		require.Less(t, took, 200*time.Millisecond)
		require.True(t, member(t, c.Node("b"), "b").Self)
	})
}

func TestClusterOfAnotherNameIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		put(t, c.Node("a"), "carts", "k", "ours")
		for _, name := range []string{"x", "y"} {
			c.Start(name, func(cfg *engine.Config) { cfg.Cluster, cfg.ExpectPeers = "theirs", false })
			require.NoError(t, c.Node(name).AwaitReady(t.Context()))
		}
		c.Await("the others to meet", func() bool { return len(members(t, c.Node("x"))) == 2 })
		_, err := c.Node("x").CreateTable(t.Context(), "carts", engine.TableOptions{})
		require.NoError(t, err)
		_, err = c.Node("x").CreateTable(t.Context(), "theirs", engine.TableOptions{})
		require.NoError(t, err)
		put(t, c.Node("x"), "carts", "k", "theirs")
		put(t, c.Node("x"), "carts", "more", "theirs")
		c.Pass(3 * time.Second)
		refused := slices.ContainsFunc(eventsOf(c, "a", engine.EventError), func(e enginetest.NodeEvent) bool {
			return strings.Contains(e.Err.Error(), `its cluster is "theirs", this one is "kvnode"`)
		})
		require.True(t, refused, "the event says why")
		require.Len(t, members(t, c.Node("a")), 2)
		for _, name := range []string{"a", "b"} {
			require.Equal(t, "ours", c.Node(name).Value(t.Context(), "carts", "k"))
			require.Equal(t, "(key not found)", c.Node(name).Value(t.Context(), "carts", "more"))
			_, err := c.Node(name).Table(t.Context(), "theirs")
			require.ErrorIs(t, err, engine.ErrNoTable)
		}
		require.Equal(t, "theirs", c.Node("y").Value(t.Context(), "carts", "k"))
	})
}
