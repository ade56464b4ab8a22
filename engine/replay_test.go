package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

func TestReplaySaysWhatAnotherModuleWouldChange(t *testing.T) {
	for recorded, modules := range map[string]map[string]bool{
		"union":  {"union 2": false, "latest": true, "delete": true, "keep": true, "fail": true, "trap": true},
		"latest": {"latest 2": false, "union": true, "keep": true},
		"delete": {"delete 2": false, "latest": true},
		"keep":   {"keep 2": false, "latest": true, "fail": true},
		"fail":   {"fail 2": false, "keep": true, "union": true},
	} {
		t.Run(recorded, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, recorded, "a", "b")
				fork(t, c.Node("a"), "k", "1", "2")
				c.Pass(5 * time.Second)
				before := journal(t, c.Node("b"))[0]
				for module, changed := range modules {
					p := install(t, c.Node("a"), "next", module)
					for _, q := range []engine.ReplayQuery{{Table: "carts", Plugin: p.SHA256}, {ID: before.ID[:8], Plugin: p.SHA256}} {
						r, err := c.Node("b").Replay(t.Context(), q)
						require.NoError(t, err)
						require.Len(t, r, 1)
						require.Equal(t, changed, r[0].Changed, "%s then %s", recorded, module)
						require.Equal(t, before.ID, r[0].ID)
						require.Equal(t, before.Verdict, r[0].Before.Verdict)
						require.NotEmpty(t, r[0].After.Verdict)
					}
				}
				require.Equal(t, before, journal(t, c.Node("b"))[0], "it has no effect")
				require.Zero(t, c.Count(engine.EventTrap))
				require.Zero(t, engine.NumQuarantines(c.Node("a").Engine))
			})
		})
	}
}

func TestReplayUsesTheHandlerInForceAndKnowsConflictsThatAreOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a")
		for _, key := range []string{"k", "l"} {
			fork(t, c.Node("a"), key, "1", "2")
			c.Pass(5 * time.Second)
			put(t, c.Node("a"), "carts", key, "over")
		}
		install(t, c.Node("a"), "carts", "latest")
		activate(t, c.Node("a"), "carts")
		r, err := c.Node("a").Replay(t.Context(), engine.ReplayQuery{Table: "carts"})
		require.NoError(t, err)
		require.Len(t, r, 2)
		require.Equal(t, "l", r[0].Key, "newest first")
		require.Equal(t, engine.Outcome{State: engine.Resolved, Verdict: "value", Value: []byte("1,2")}, r[0].Before)
		require.Equal(t, engine.Outcome{State: engine.Resolved, Verdict: "value", Value: []byte("2")}, r[0].After)
		require.True(t, r[0].Changed)
		r, err = c.Node("a").Replay(t.Context(), engine.ReplayQuery{Table: "carts", Limit: 1})
		require.NoError(t, err)
		require.Len(t, r, 1)
	})
}

func TestAConflictThatNobodyHasJudgedIsNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "broken", "a")
		fork(t, c.Node("a"), "k", "1", "2")
		p := install(t, c.Node("a"), "next", "union")
		r, err := c.Node("a").Replay(t.Context(), engine.ReplayQuery{Table: "carts", Plugin: p.SHA256})
		require.NoError(t, err)
		require.Equal(t, engine.Pending, r[0].Before.State)
		require.Equal(t, "1,2", string(r[0].After.Value))
		require.False(t, r[0].Changed)
		r, err = c.Node("a").Replay(t.Context(), engine.ReplayQuery{Table: "carts"})
		require.NoError(t, err)
		require.Equal(t, engine.Unavailable, r[0].After.State)
	})
}

func TestReplayNeedsConflictsAndAModule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		fork(t, c.Node("a"), "k", "1", "2")
		for want, q := range map[error]engine.ReplayQuery{
			engine.ErrNoTable:    {Table: "nosuch"},
			engine.ErrNoConflict: {ID: "ffff"},
			engine.ErrNoHandler:  {Table: "carts"},
			engine.ErrNoPlugin:   {Table: "carts", Plugin: "nosuch"},
		} {
			_, err := c.Node("a").Replay(t.Context(), q)
			require.ErrorIs(t, err, want)
		}
	})
}

func TestReplayShowsTheModuleWhatWasDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a")
		_, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Deletes: engine.VisibleDeletes})
		require.NoError(t, err)
		install(t, c.Node("a"), "carts", "latest")
		put(t, c.Node("a"), "carts", "k", "1")
		seen := get(t, c.Node("a"), "k").Context
		_, err = c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("2")}}, engine.WithContext(seen))
		require.NoError(t, err)
		_, err = c.Node("a").Delete(t.Context(), "carts", []string{"k"}, engine.WithContext(seen))
		require.NoError(t, err)
		c.Pass(5 * time.Second)
		next := install(t, c.Node("a"), "next", "remove")
		r, err := c.Node("a").Replay(t.Context(), engine.ReplayQuery{Table: "carts", Plugin: next.SHA256})
		require.NoError(t, err)
		require.Len(t, r, 1)
		require.Equal(t, string(engine.VerdictDelete), r[0].After.Verdict, "a delete among the versions wins")
	})
}

// sinceJudged are what may have become of the handler that has judged the one conflict of carts, and of the conflict.
func sinceJudged() map[string]func(t *testing.T, n *enginetest.Node) {
	return map[string]func(t *testing.T, n *enginetest.Node){
		"in force": func(*testing.T, *enginetest.Node) {},
		"disabled": func(t *testing.T, n *enginetest.Node) {
			t.Helper()
			_, err := n.Disable(t.Context(), "carts")
			require.NoError(t, err)
		},
		"another": func(t *testing.T, n *enginetest.Node) {
			t.Helper()
			install(t, n, "keeper", "keep")
			activate(t, n, "keeper")
		},
		"cannot run": func(t *testing.T, n *enginetest.Node) {
			t.Helper()
			install(t, n, "lost", "broken")
			activate(t, n, "lost")
		},
		"over": func(t *testing.T, n *enginetest.Node) {
			t.Helper()
			put(t, n, "carts", "k", "over")
		},
	}
}

func TestAReplayOfAFileSaysWhatTheReplayOfAnInstalledModuleSays(t *testing.T) {
	for recorded, next := range map[string]string{"union": "latest", "fail": "union", "delete": "latest", "trap": "union"} {
		for name, since := range sinceJudged() {
			t.Run(recorded+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := open(t, recorded, "a", "b")
					install(t, c.Node("a"), "next", next)
					fork(t, c.Node("a"), "k", "1", "2")
					c.Pass(20 * time.Second)
					n := c.Node("a")
					before := journal(t, n)[0]
					since(t, n)
					installed, err := n.Replay(t.Context(), engine.ReplayQuery{Table: "carts", Plugin: "next"})
					require.NoError(t, err)
					require.Equal(t, before.Verdict, installed[0].Before.Verdict)
					require.True(t, installed[0].Changed)
					listed, err := n.Conflicts(t.Context(), engine.OfTable("carts"))
					require.NoError(t, err)
					shown, err := n.Conflict(t.Context(), before.ID)
					require.NoError(t, err)
					requireReplayed(t, next, installed[0], listed[0])
					requireReplayed(t, next, installed[0], shown)
				})
			})
		}
	}
}

// requireReplayed requires that the bytes of a module say of a conflict what the installed module has said.
func requireReplayed(t *testing.T, module string, want engine.Replayed, conflict engine.Conflict) {
	t.Helper()
	judge, err := enginetest.Handlers{}.Load(t.Context(), []byte(module), engine.Limits{})
	require.NoError(t, err)
	got, err := engine.ReplayOn(t.Context(), judge, []engine.Conflict{conflict}, time.Now)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, want.Before.State, got[0].Before.State)
	require.Equal(t, want.Before.Verdict, got[0].Before.Verdict)
	require.Equal(t, want.Before.Reason, got[0].Before.Reason)
	require.Equal(t, want.After, got[0].After)
	require.Equal(t, want.Changed, got[0].Changed)
}
