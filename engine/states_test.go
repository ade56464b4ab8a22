package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// endings are what may end the one conflict of carts, by the state that it is in then.
func endings() map[string]struct {
	want engine.State
	end  func(t *testing.T, n *enginetest.Node)
} {
	type ending = struct {
		want engine.State
		end  func(t *testing.T, n *enginetest.Node)
	}
	return map[string]ending{
		"resolved": {engine.ByHand, func(t *testing.T, n *enginetest.Node) {
			t.Helper()
			_, err := n.Resolve(t.Context(), openConflict(t, n).ID, engine.Resolution{Pick: 1})
			require.NoError(t, err)
		}},
		"settled": {engine.Settled, func(t *testing.T, n *enginetest.Node) {
			t.Helper()
			done, err := n.Settle(t.Context(), "carts")
			require.NoError(t, err)
			require.Equal(t, engine.Settlement{Settled: 1}, done)
		}},
		"overwritten": {engine.Overwritten, func(t *testing.T, n *enginetest.Node) {
			t.Helper()
			put(t, n, "carts", "k", "over")
		}},
		"dropped": {engine.Overwritten, func(t *testing.T, n *enginetest.Node) {
			t.Helper()
			require.NoError(t, n.DropTable(t.Context(), "carts"))
		}},
	}
}

func TestAllJournalsSayHowAConflictHasEnded(t *testing.T) {
	for name, over := range endings() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, "union", "a", "b", "c")
				fork(t, c.Node("a"), "k", "1", "2")
				c.Pass(5 * time.Second)
				require.Equal(t, engine.Resolved, journal(t, c.Node("c"))[0].State)
				over.end(t, c.Node("b"))
				c.Pass(time.Second)
				for _, name := range c.Names() {
					entry := journal(t, c.Node(name))[0]
					require.Equal(t, over.want, entry.State, name)
					require.False(t, entry.Open)
					require.Equal(t, "value", entry.Verdict, "what the module made of it stays")
					require.Equal(t, "carts", entry.Plugin)
				}
				n := c.Restart("b")
				require.NoError(t, n.AwaitReady(t.Context()))
				require.Equal(t, over.want, journal(t, n)[0].State)
			})
		})
	}
}

func TestAConflictThatNobodyHasJudgedEndsAsAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "broken", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		require.Equal(t, engine.Pending, journal(t, c.Node("b"))[0].State)
		put(t, c.Node("a"), "carts", "k", "over")
		for _, name := range c.Names() {
			entry := journal(t, c.Node(name))[0]
			require.Equal(t, engine.Overwritten, entry.State)
			require.Empty(t, entry.Verdict)
		}
	})
}

func TestWhoWasNotToldOfAResolutionSeesThatItWasOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "keep", "a", "b", "c")
		fork(t, c.Node("a"), "k", "1", "2")
		c.Pass(5 * time.Second)
		isolate(c)
		_, err := c.Node("b").Resolve(t.Context(), openConflict(t, c.Node("b")).ID, engine.Resolution{Pick: 1})
		require.NoError(t, err)
		require.Equal(t, engine.Kept, journal(t, c.Node("a"))[0].State, "it is open there")
		c.Converge()
		for name, want := range map[string]engine.State{"a": engine.Overwritten, "b": engine.ByHand, "c": engine.ByHand} {
			require.Equal(t, want, journal(t, c.Node(name))[0].State, name)
		}
	})
}

func TestSettlingLeavesAloneWhatADisabledHandlerDoesNotDecide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		_, err := c.Node("a").Disable(t.Context(), "carts")
		require.NoError(t, err)
		done, err := c.Node("b").Settle(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, engine.Settlement{Disabled: 1}, done)
	})
}

func TestAConflictThatIsShownIsJudgedAndSaysByWhom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		shown, err := c.Node("b").Conflict(t.Context(), journal(t, c.Node("b"))[0].ID)
		require.NoError(t, err)
		require.Equal(t, engine.Resolved, shown.State)
		require.Equal(t, "value", shown.Verdict)
		require.Equal(t, "carts", shown.Plugin)
		require.Equal(t, "1,2", string(shown.Value))
	})
}

func TestAReplayKnowsTheTrapThatHappened(t *testing.T) {
	for name, since := range map[string]func(t *testing.T, n *enginetest.Node){
		"nothing": func(*testing.T, *enginetest.Node) {},
		"another handler": func(t *testing.T, n *enginetest.Node) {
			t.Helper()
			activate(t, n, "mended")
		},
		"disabled": func(t *testing.T, n *enginetest.Node) {
			t.Helper()
			_, err := n.Disable(t.Context(), "carts")
			require.NoError(t, err)
		},
		"over": func(t *testing.T, n *enginetest.Node) {
			t.Helper()
			put(t, n, "carts", "k", "over")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, "trap", "a", "b", "c")
				install(t, c.Node("a"), "mended", "union")
				fork(t, c.Node("a"), "k", "1", "2")
				restart(t, c, 1)
				c.Converge()
				id := journal(t, c.Node("b"))[0].ID
				since(t, c.Node("b"))
				for _, name := range c.Names() {
					for _, q := range []engine.ReplayQuery{{ID: id, Plugin: "mended"}, {Table: "carts", Plugin: "mended"}} {
						r, err := c.Node(name).Replay(t.Context(), q)
						require.NoError(t, err)
						require.Len(t, r, 1)
						require.Equal(t, engine.Outcome{State: engine.Quarantined, Verdict: "trap", Reason: "unreachable"}, r[0].Before, name)
						require.Equal(t, "1,2", string(r[0].After.Value))
						require.True(t, r[0].Changed)
					}
				}
			})
		})
	}
}
