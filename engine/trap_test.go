package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// whoRestarts waits for the nth restart and names the node that goes down.
func whoRestarts(t *testing.T, c *enginetest.Cluster, nth int) string {
	t.Helper()
	c.Await("a restart", func() bool { return c.Count(engine.EventRestart) >= nth })
	return eventsOf(c, "", engine.EventRestart)[nth-1].Node
}

// restart waits for the nth restart and boots the next incarnation.
func restart(t *testing.T, c *enginetest.Cluster, nth int) *enginetest.Node {
	t.Helper()
	n := c.Restarted(whoRestarts(t, c, nth))
	require.NoError(t, n.AwaitReady(t.Context()))
	return n
}

// quarantined expects that all nodes show siblings because of a trap.
func quarantined(t *testing.T, c *enginetest.Cluster, key string) {
	t.Helper()
	for _, name := range c.Names() {
		e := get(t, c.Node(name), key)
		require.Equal(t, engine.Quarantined, e.State, name)
		require.NotEmpty(t, e.Reason, name)
		require.Greater(t, len(e.Siblings), 1, name)
	}
}

func TestQuarantineIsKnownEverywhereBeforeTheMergerGoesDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b", "c")
		fork(t, c.Node("a"), "k", "1", "2")
		who := whoRestarts(t, c, 1)
		why := <-c.Node(who).Ended()
		require.True(t, why.Restart)
		require.Equal(t, "unreachable", why.Reason)
		quarantined(t, c, "k")
		require.Equal(t, 1, c.Count(engine.EventTrap), "nobody ran it again")
		for _, name := range c.Names() {
			entry := journal(t, c.Node(name))[0]
			require.Equal(t, engine.Quarantined, entry.State)
			require.Equal(t, "trap", entry.Verdict)
			require.Equal(t, who, entry.Restarted)
			require.True(t, entry.Open)
		}
	})
}

func TestRestartKeepsTheReplicasAndTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b", "c")
		put(t, c.Node("a"), "carts", "plain", "v")
		fork(t, c.Node("a"), "k", "1", "2")
		who := whoRestarts(t, c, 1)
		old := actor(t, c.Node(who))
		var others []*enginetest.Node
		for _, name := range c.Names() {
			if name != who {
				others = append(others, c.Node(name))
			}
		}
		stop := keepReading(t, "plain", []string{"v"}, others...)
		n := restart(t, c, 1)
		stop()
		require.NotEqual(t, old, actor(t, n))
		require.Equal(t, "v", n.Value(t.Context(), "carts", "plain"))
		quarantined(t, c, "k")
		require.Equal(t, 1, member(t, n, who).Restarts)
		c.Converge()
		require.Equal(t, 1, member(t, others[0], who).Restarts)
		put(t, n, "carts", "plain", "w")
		everywhere(t, c, "plain", "w")
		c.Pass(time.Minute)
		require.Equal(t, 1, c.Count(engine.EventRestart))
	})
}

// rawKeys are keys that are no texts.
func rawKeys() []string { return []string{"\xff", "k\x00\xc3", "\xed\xa0\x80"} }

func TestVerdictsOnKeysOfRawBytesReachAllJournals(t *testing.T) {
	for _, key := range rawKeys() {
		synctest.Test(t, func(t *testing.T) {
			c := open(t, "union", "a", "b", "c")
			c.Pass(3 * time.Second)
			fork(t, c.Node("a"), key, "1", "2")
			c.Await("the merger to judge", func() bool { return c.Count(engine.EventJudged) == 1 })
			c.Pass(time.Second)
			for _, name := range c.Names() {
				entry := journal(t, c.Node(name))[0]
				require.Equal(t, key, entry.Key, name)
				require.Equal(t, "value", entry.Verdict, name)
				require.Equal(t, "1,2", string(entry.Value), name)
			}
			require.Empty(t, eventsOf(c, "", engine.EventError))
		})
	}
}

func TestQuarantineOfAKeyOfRawBytesIsKnownEverywhereAndLaterToo(t *testing.T) {
	for _, key := range rawKeys() {
		synctest.Test(t, func(t *testing.T) {
			c := open(t, "trap", "a", "b", "c")
			fork(t, c.Node("a"), key, "1", "2")
			restart(t, c, 1)
			c.Pass(time.Minute)
			require.NoError(t, c.Start("late").AwaitReady(t.Context()))
			c.Pass(time.Minute)
			quarantined(t, c, key)
			for _, name := range c.Names() {
				require.Equal(t, 1, engine.NumQuarantines(c.Node(name).Engine), name)
				entry := journal(t, c.Node(name))[0]
				require.Equal(t, key, entry.Key, name)
				require.Equal(t, engine.Quarantined, entry.State, name)
				require.Equal(t, eventsOf(c, "", engine.EventRestart)[0].Node, entry.Restarted, name)
			}
			require.Equal(t, 1, c.Count(engine.EventTrap), "nobody ran it again")
			require.Equal(t, 1, c.Count(engine.EventRestart))
			require.Empty(t, eventsOf(c, "", engine.EventError))
		})
	}
}

func TestNodeAloneRestartsAndKeepsItsData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a")
		put(t, c.Node("a"), "carts", "plain", "v")
		fork(t, c.Node("a"), "k", "1", "2")
		restart(t, c, 1)
		c.Pass(10 * time.Second)
		quarantined(t, c, "k")
		everywhere(t, c, "plain", "v")
		require.Equal(t, 1, c.Count(engine.EventRestart))
	})
}

func TestTrapAtAReaderQuarantinesWithoutARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b", "c")
		fork(t, c.Node("a"), "k", "1", "2")
		e := get(t, c.Node("b"), "k")
		require.Equal(t, engine.Quarantined, e.State)
		require.Equal(t, "2", string(e.Value))
		c.Pass(10 * time.Second)
		quarantined(t, c, "k")
		require.Zero(t, c.Count(engine.EventRestart))
		require.Equal(t, 1, c.Count(engine.EventTrap))
	})
}

func TestNewSiblingsLiftTheQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b")
		before := token(t, c.Node("a"), "carts", "k")
		fork(t, c.Node("a"), "k", "1", "2")
		require.Equal(t, engine.Quarantined, get(t, c.Node("b"), "k").State)
		c.Pass(5 * time.Second)
		require.Zero(t, c.Count(engine.EventRestart))
		put(t, c.Node("b"), "carts", "k", "3", engine.WithContext(before))
		restart(t, c, 1)
		require.Equal(t, 2, c.Count(engine.EventTrap))
		quarantined(t, c, "k")
	})
}

func TestNewRecordLiftsTheQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		require.Equal(t, engine.Quarantined, get(t, c.Node("b"), "k").State)
		_, err := c.Node("a").InstallPlugin(t.Context(), "fixed", []byte("union"), engine.Limits{})
		require.NoError(t, err)
		_, err = c.Node("a").Activate(t.Context(), "carts", "fixed")
		require.NoError(t, err)
		c.Await("the merger to judge", func() bool { return c.Count(engine.EventJudged) > 0 })
		everywhere(t, c, "k", "1,2")
		require.Zero(t, c.Count(engine.EventRestart))
	})
}

func TestWhileAMemberRestartsFurtherTrapsQuarantineOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b", "c")
		fork(t, c.Node("a"), "first", "1", "2")
		whoRestarts(t, c, 1)
		keys := []string{"first", "k2", "k3", "k4", "k5"}
		for _, key := range keys[1:] {
			fork(t, c.Node("a"), key, "1", "2")
		}
		c.Await("all traps", func() bool { return c.Count(engine.EventTrap) >= len(keys) })
		require.Equal(t, 1, c.Count(engine.EventRestart))
		restart(t, c, 1)
		c.Pass(10 * time.Second)
		for _, key := range keys {
			quarantined(t, c, key)
		}
		require.Equal(t, 1, c.Count(engine.EventRestart))
		require.Equal(t, len(keys), c.Count(engine.EventTrap))
	})
}

// manyTraps makes conflicts whose mergers are all the nodes, and which they judge at one moment.
func manyTraps(t *testing.T, c *enginetest.Cluster) {
	t.Helper()
	c.Net().SetFaults(bus.Faults{Delay: 5 * time.Millisecond})
	c.Pass(time.Second) // all know that all are ready
	for i := range 12 {
		fork(t, c.Node("a"), fmt.Sprint("k", i), "1", "2")
	}
	mergers := map[string]bool{}
	for _, entry := range journal(t, c.Node("a")) {
		mergers[entry.Merger] = true
	}
	require.Len(t, mergers, len(c.Names()))
	require.Zero(t, c.Count(engine.EventTrap))
}

func TestOfMergersThatTrapAtOneMomentOneRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b", "c")
		manyTraps(t, c)
		c.Pass(5 * time.Second)
		ended := 0
		for _, name := range c.Names() {
			ended += len(c.Node(name).Ended())
		}
		require.Equal(t, 1, ended)
	})
}

func TestOfTwoNodesThatTrapAtOneMomentAtMostOneExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		for _, name := range []string{"a", "b"} {
			c.Start(name, func(cfg *engine.Config) { cfg.OnTrap = engine.ExitProcess })
			require.NoError(t, c.Node(name).AwaitReady(t.Context()))
		}
		create(t, c.Node("a"), "carts", "trap")
		manyTraps(t, c)
		c.Pass(10 * time.Second)
		exits := 0
		for _, name := range c.Names() {
			if len(c.Node(name).Ended()) > 0 && (<-c.Node(name).Ended()).Exit {
				exits++
			}
		}
		require.LessOrEqual(t, exits, 1, "the data is in no memory any more")
	})
}

func TestOneConflictCostsOneRestartInEachIsland(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b", "c", "d")
		fork(t, c.Node("a"), "k", "1", "2")
		islands := [][]string{{"a", "b"}, {"c", "d"}}
		c.Net().Cut(islands...)
		first := whoRestarts(t, c, 1)
		c.Restarted(first)
		second := whoRestarts(t, c, 2)
		c.Restarted(second)
		require.NotEqual(t, slices.Contains(islands[0], first), slices.Contains(islands[0], second))
		c.Converge()
		c.Pass(10 * time.Second)
		quarantined(t, c, "k")
		require.Equal(t, 2, c.Count(engine.EventRestart))
	})
}

func TestMoreThanThreeRestartsInAMinuteDisableTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b", "c")
		for i := range 3 {
			fork(t, c.Node("a"), fmt.Sprint("k", i), "1", "2")
			restart(t, c, i+1)
		}
		fork(t, c.Node("a"), "k3", "1", "2")
		c.Await("the module to be disabled", func() bool { return c.Count(engine.EventHandlerDisabled) > 0 })
		c.Pass(10 * time.Second)
		require.Equal(t, 3, c.Count(engine.EventRestart))
		for _, name := range c.Names() {
			require.True(t, info(t, c.Node(name), "carts").Active.Disabled, name)
		}
		fork(t, c.Node("b"), "k4", "1", "2")
		c.Pass(5 * time.Second)
		require.Equal(t, 4, c.Count(engine.EventTrap), "a disabled module does not run")
		for _, name := range c.Names() {
			for i, verdict := range []string{"", "trap", "trap", "trap", "trap"} {
				entry := journal(t, c.Node(name))[i]
				require.Equal(t, engine.Disabled, get(t, c.Node(name), entry.Key).State, name)
				require.Equal(t, engine.Disabled, entry.State, name)
				require.Equal(t, verdict, entry.Verdict, "%s of %s", entry.Key, name)
				require.Contains(t, entry.Reason, "trapped too often")
			}
		}
		_, err := c.Node("b").InstallPlugin(t.Context(), "fixed", []byte("union"), engine.Limits{})
		require.NoError(t, err)
		_, err = c.Node("b").Activate(t.Context(), "carts", "fixed")
		require.NoError(t, err)
		for i := range 5 {
			everywhere(t, c, fmt.Sprint("k", i), "1,2")
		}
	})
}

func TestRestartsMoreThanAMinuteApartDoNotDisableTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b")
		for i := range 5 {
			fork(t, c.Node("a"), fmt.Sprint("k", i), "1", "2")
			restart(t, c, i+1)
			c.Pass(25 * time.Second)
		}
		require.Zero(t, c.Count(engine.EventHandlerDisabled))
	})
}

func TestQuarantinesThatForbidNothingGoAndThoseThatForbidStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b")
		fork(t, c.Node("a"), "gone", "1", "2")
		fork(t, c.Node("a"), "stays", "1", "2")
		require.Equal(t, engine.Quarantined, get(t, c.Node("b"), "gone").State)
		require.Equal(t, engine.Quarantined, get(t, c.Node("b"), "stays").State)
		c.Pass(time.Second)
		put(t, c.Node("a"), "carts", "gone", "settled")
		c.Pass(3 * time.Minute)
		quarantined(t, c, "stays")
		require.Equal(t, 2, c.Count(engine.EventTrap))
		require.Zero(t, c.Count(engine.EventRestart))
		require.Equal(t, 1, engine.NumQuarantines(c.Node("a").Engine))
		require.Equal(t, 1, engine.NumQuarantines(c.Node("b").Engine))
	})
}

// TestRestartCountsForAMinuteWhateverTheClockOfOneWhoJoins: a node that comes to know of a restart while it catches up dates it by the wall clock.
func TestRestartCountsForAMinuteWhateverTheClockOfOneWhoJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		restart(t, c, 1)
		require.NoError(t, c.Node("b").DropTable(t.Context(), "carts"))
		create(t, c.Node("b"), "lists", "")
		put(t, c.Node("b"), "lists", "k", "v")
		c.Start("c", func(cfg *engine.Config) {
			cfg.Actor = clock.ActorFrom([clock.ActorSize]byte{15: 1}) // it does what one member has to do
			cfg.Now = func() time.Time { return time.Now().Add(7 * time.Hour) }
		})
		require.NoError(t, c.Node("c").AwaitReady(t.Context()))
		c.Pass(45 * time.Second)
		for _, name := range c.Names() {
			require.Equal(t, 1, engine.NumQuarantines(c.Node(name).Engine), name)
		}
		c.Pass(time.Minute)
		require.Zero(t, engine.NumQuarantines(c.Node("a").Engine))
	})
}

func TestExitWaitsForAPeerThatHasEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		for _, name := range []string{"a", "b"} {
			c.Start(name, func(cfg *engine.Config) { cfg.OnTrap = engine.ExitProcess })
			require.NoError(t, c.Node(name).AwaitReady(t.Context()))
		}
		create(t, c.Node("a"), "carts", "trap")
		fork(t, c.Node("a"), "k", "1", "2")
		why := <-c.Node(whoRestarts(t, c, 1)).Ended()
		require.True(t, why.Exit)
		require.False(t, why.Restart)
	})
}

func TestExitOfANodeAloneBecomesARestartThatKeepsItsData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.Start("a", func(cfg *engine.Config) { cfg.OnTrap = engine.ExitProcess })
		require.NoError(t, c.Node("a").AwaitReady(t.Context()))
		create(t, c.Node("a"), "carts", "trap")
		fork(t, c.Node("a"), "k", "1", "2")
		restart(t, c, 1)
		quarantined(t, c, "k")
	})
}
