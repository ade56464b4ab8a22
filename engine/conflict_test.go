package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// journal lists the conflicts that a node knows.
func journal(t *testing.T, n *enginetest.Node) []engine.Conflict {
	t.Helper()
	all, err := n.Conflicts(t.Context())
	require.NoError(t, err)
	return all
}

func TestReadersSeeTheVerdict(t *testing.T) {
	for handler, want := range map[string]struct {
		state   engine.State
		value   string
		deleted bool
		reason  string
		verdict string
	}{
		"union":  {engine.Resolved, "1,2", false, "", "value"},
		"latest": {engine.Resolved, "2", false, "", "value"},
		"delete": {engine.Resolved, "", true, "", "delete"},
		"keep":   {engine.Kept, "2", false, "", "keep"},
		"fail":   {engine.Failed, "2", false, "the handler's own error", "error"},
	} {
		t.Run(handler, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, handler, "a", "b", "c")
				fork(t, c.Node("a"), "k", "1", "2")
				for _, name := range c.Names() {
					e, err := c.Node(name).Get(t.Context(), "carts", "k")
					if want.deleted {
						require.ErrorIs(t, err, engine.ErrNotFound)
					}
					require.Equal(t, want.state, e.State)
					require.Equal(t, want.value, string(e.Value))
					require.Equal(t, want.deleted, e.Deleted)
					require.Equal(t, want.reason, e.Reason)
					require.Len(t, e.Siblings, 2)
					require.Len(t, journal(t, c.Node(name)), 1)
					entry := journal(t, c.Node(name))[0]
					require.Equal(t, want.verdict, entry.Verdict)
					require.Equal(t, want.state, entry.State)
					require.Equal(t, want.reason, entry.Reason)
					require.Equal(t, handler == "union", string(entry.Value) == "1,2")
				}
				require.Equal(t, 1, info(t, c.Node("b"), "carts").Conflicts)
			})
		})
	}
}

func TestEqualBytesAreNoConflictForReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b")
		isolate(c)
		put(t, c.Node("a"), "carts", "k", "same")
		put(t, c.Node("b"), "carts", "k", "same")
		c.Converge()
		c.Pass(5 * time.Second)
		for _, name := range c.Names() {
			e := get(t, c.Node(name), "k")
			require.Equal(t, engine.Single, e.State)
			require.Equal(t, "same", string(e.Value))
			require.Len(t, e.Siblings, 2)
			require.Empty(t, journal(t, c.Node(name)))
		}
		require.Zero(t, c.Count(engine.EventConflict))
		require.Zero(t, c.Count(engine.EventTrap))
	})
}

func TestPolicyDecidesWhereThereIsNoHandler(t *testing.T) {
	for policy, state := range map[engine.Policy]engine.State{engine.Keep: engine.Kept, engine.LWW: engine.Resolved} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := enginetest.NewCluster(t, 1)
				c.StartAll("a", "b")
				_, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Unresolved: policy})
				require.NoError(t, err)
				isolate(c)
				put(t, c.Node("b"), "carts", "k", "early")
				c.Pass(time.Second)
				put(t, c.Node("a"), "carts", "k", "late")
				c.Converge()
				c.Pass(5 * time.Second)
				for _, name := range c.Names() {
					e := get(t, c.Node(name), "k")
					require.Equal(t, state, e.State)
					require.Equal(t, "late", string(e.Value))
					require.Len(t, e.Siblings, 2)
				}
				require.Zero(t, c.Count(engine.EventRestart))
			})
		})
	}
}

func TestRestartPolicyShowsTheLatestAndRestartsOnceForEachConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b", "c")
		_, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Unresolved: engine.RestartNode})
		require.NoError(t, err)
		for i, key := range []string{"k1", "k2"} {
			fork(t, c.Node("a"), key, "1", "2")
			restart(t, c, i+1)
			c.Pass(5 * time.Second)
			require.Equal(t, i+1, c.Count(engine.EventRestart))
			everywhere(t, c, key, "2")
			require.Equal(t, engine.Resolved, get(t, c.Node("b"), key).State)
		}
	})
}

func TestFailureOfTheHostShowsSiblingsAndIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "broken", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		c.Pass(10 * time.Second)
		for _, name := range c.Names() {
			e := get(t, c.Node(name), "k")
			require.Equal(t, engine.Unavailable, e.State)
			require.Equal(t, "2", string(e.Value))
			require.Len(t, e.Siblings, 2)
		}
		require.Greater(t, c.Count(engine.EventError), 4)
		require.Zero(t, c.Count(engine.EventTrap))
		require.Zero(t, c.Count(engine.EventRestart))
	})
}

func TestHostThatRecoversJudges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "broken", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		c.Pass(5 * time.Second)
		_, err := c.Node("a").InstallPlugin(t.Context(), "fixed", []byte("union"), engine.Limits{})
		require.NoError(t, err)
		_, err = c.Node("a").Activate(t.Context(), "carts", "fixed")
		require.NoError(t, err)
		c.Await("the merger to judge", func() bool { return c.Count(engine.EventJudged) > 0 })
		everywhere(t, c, "k", "1,2")
	})
}

func TestViewsAreEqualOnAllNodesAlsoAfterAnotherModuleIsActivated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b", "c")
		isolate(c)
		put(t, c.Node("a"), "carts", "k", "1")
		put(t, c.Node("b"), "carts", "k", "2")
		c.Converge()
		everywhere(t, c, "k", "1,2")
		before := digest(t, c.Node("a"))
		_, err := c.Node("b").InstallPlugin(t.Context(), "carts", []byte("latest"), engine.Limits{})
		require.NoError(t, err)
		everywhere(t, c, "k", "1,2")
		_, err = c.Node("c").Activate(t.Context(), "carts", "carts")
		require.NoError(t, err)
		everywhere(t, c, "k", "2")
		_, err = c.Node("a").InstallPlugin(t.Context(), "again", []byte("union"), engine.Limits{})
		require.NoError(t, err)
		_, err = c.Node("a").Activate(t.Context(), "carts", "again")
		require.NoError(t, err)
		everywhere(t, c, "k", "1,2")
		require.Len(t, get(t, c.Node("b"), "k").Siblings, 2)
		require.NotEqual(t, before, digest(t, c.Node("a")), "the catalogue has grown")
	})
}

func TestActivationsOnBothSidesOfASplitConverge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "keep", "a", "b", "c")
		for name, module := range map[string]string{"first": "union", "second": "latest"} {
			_, err := c.Node("a").InstallPlugin(t.Context(), name, []byte(module), engine.Limits{})
			require.NoError(t, err)
		}
		fork(t, c.Node("a"), "k", "1", "2")
		isolate(c)
		_, err := c.Node("a").Activate(t.Context(), "carts", "first")
		require.NoError(t, err)
		c.Pass(time.Second)
		_, err = c.Node("b").Activate(t.Context(), "carts", "second")
		require.NoError(t, err)
		require.Equal(t, "1,2", c.Node("a").Value(t.Context(), "carts", "k"))
		require.Equal(t, "2", c.Node("c").Value(t.Context(), "carts", "k"))
		c.Converge()
		want := info(t, c.Node("a"), "carts").Active
		for _, name := range c.Names() {
			require.Equal(t, want, info(t, c.Node(name), "carts").Active)
			require.Equal(t, "second", want.Plugin, "of records of one epoch the later holds")
		}
		everywhere(t, c, "k", c.Node("a").Value(t.Context(), "carts", "k"))
	})
}

func TestCoveringWriteEndsTheConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		c.Await("the merger to judge", func() bool { return c.Count(engine.EventJudged) > 0 })
		require.Len(t, get(t, c.Node("a"), "k").Siblings, 2, "nothing is settled by itself")
		put(t, c.Node("b"), "carts", "k", "done", engine.WithContext(token(t, c.Node("b"), "carts", "k")))
		for _, name := range c.Names() {
			require.Zero(t, info(t, c.Node(name), "carts").Conflicts)
			require.Len(t, journal(t, c.Node(name)), 1)
			require.False(t, journal(t, c.Node(name))[0].Open)
		}
		everywhere(t, c, "k", "done")
	})
}

func TestJournalNamesAConflictAlikeOnAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b", "c")
		fork(t, c.Node("a"), "k", "1", "2")
		entry := journal(t, c.Node("a"))[0]
		require.Equal(t, engine.Pending, entry.State)
		require.True(t, entry.Open)
		require.Len(t, entry.Versions, 2)
		require.Contains(t, c.Names(), entry.Merger)
		for _, name := range c.Names() {
			require.Equal(t, entry.ID, journal(t, c.Node(name))[0].ID)
			shown, err := c.Node(name).Conflict(t.Context(), entry.ID[:6])
			require.NoError(t, err)
			require.Equal(t, engine.Resolved, shown.State)
			require.Equal(t, "1,2", string(shown.Value))
		}
		fork(t, c.Node("b"), "l", "1", "2")
		require.Equal(t, []string{"l", "k"}, []string{journal(t, c.Node("b"))[0].Key, journal(t, c.Node("b"))[1].Key}, "newest first")
		for _, bad := range []string{"", "zz", strings.Repeat("0", 100)} {
			_, err := c.Node("a").Conflict(t.Context(), bad)
			require.ErrorIs(t, err, engine.ErrNoConflict, bad)
		}
	})
}

func TestMergerJudgesOnceItsViewOfTheMembersIsStable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b", "c")
		c.Pass(3 * time.Second)
		fork(t, c.Node("a"), "k", "1", "2")
		took := c.Await("the merger to judge", func() bool { return c.Count(engine.EventJudged) > 0 })
		require.Less(t, took, 300*time.Millisecond)
		c.Start("d")
		fork(t, c.Node("a"), "l", "1", "2")
		took = c.Await("the next judgement", func() bool { return c.Count(engine.EventJudged) > 1 })
		require.Greater(t, took, 1500*time.Millisecond)
		c.Pass(5 * time.Second)
		for _, e := range eventsOf(c, "", engine.EventJudged) {
			require.Equal(t, "value", e.Attrs[0].Value.String())
		}
	})
}

func TestPluginsAreFoundAndRefusedByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		ctx, n := t.Context(), c.Node("b")
		_, err := n.InstallPlugin(ctx, "bad name", []byte("union"), engine.Limits{})
		require.ErrorIs(t, err, engine.ErrBadPluginName)
		_, err = n.InstallPlugin(ctx, "good", []byte("no handler"), engine.Limits{})
		require.ErrorIs(t, err, engine.ErrBadModule)
		before := digest(t, n)
		again, err := n.InstallPlugin(ctx, "carts", []byte("union"), engine.Limits{})
		require.NoError(t, err)
		require.Equal(t, before, digest(t, n), "the same bytes under the same name change nothing")
		for _, ref := range []string{"none", "", again.SHA256[:3], again.SHA256 + "0"} {
			_, err = n.Activate(ctx, "carts", ref)
			require.ErrorIs(t, err, engine.ErrNoPlugin, ref)
		}
		for _, ref := range []string{"carts", again.SHA256, again.SHA256[:8], strings.ToUpper(again.SHA256[:8])} {
			active, err := n.Activate(ctx, "carts", ref)
			require.NoError(t, err)
			require.Equal(t, again.SHA256, active.SHA256)
		}
	})
}

func TestTableMayNameAnotherHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b")
		_, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Handler: "shared"})
		require.NoError(t, err)
		fork(t, c.Node("a"), "k", "1", "2")
		everywhere(t, c, "k", "2")
		_, err = c.Node("b").InstallPlugin(t.Context(), "shared", []byte("union"), engine.Limits{})
		require.NoError(t, err)
		everywhere(t, c, "k", "1,2")
	})
}
