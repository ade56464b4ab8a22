package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// openVisible returns a cluster of ready nodes with the table carts, whose deletes are visible; a handler judges it unless it is empty.
func openVisible(t *testing.T, policy engine.Policy, handler string, names ...string) *enginetest.Cluster {
	t.Helper()
	c := enginetest.NewCluster(t, 1)
	c.StartAll(names...)
	_, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Deletes: engine.VisibleDeletes, Unresolved: policy})
	require.NoError(t, err)
	if handler != "" {
		_, err := c.Node("a").InstallPlugin(t.Context(), "carts", []byte(handler), engine.Limits{})
		require.NoError(t, err)
	}
	return c
}

func remove(t *testing.T, n *enginetest.Node, key string, opts ...engine.WriteOption) engine.Written {
	t.Helper()
	w, err := n.Delete(t.Context(), "carts", []string{key}, opts...)
	require.NoError(t, err)
	return w
}

// deleteHereChangeThere makes a conflict of a delete at a with a later put at b.
func deleteHereChangeThere(t *testing.T, c *enginetest.Cluster) {
	t.Helper()
	part(t, c, "v")
	remove(t, c.Node("a"), "k")
	c.Pass(time.Second)
	put(t, c.Node("b"), "carts", "k", "w")
	c.Converge()
	c.Pass(5 * time.Second)
}

// changeThereDeleteHere makes a conflict of a put at b with a later delete at a.
func changeThereDeleteHere(t *testing.T, c *enginetest.Cluster) {
	t.Helper()
	part(t, c, "v")
	put(t, c.Node("b"), "carts", "k", "w")
	c.Pass(time.Second)
	remove(t, c.Node("a"), "k")
	c.Converge()
	c.Pass(5 * time.Second)
}

func deleted(siblings []engine.Version) []bool {
	var out []bool
	for _, v := range siblings {
		out = append(out, v.Deleted)
	}
	return out
}

func TestHandlerSeesADeleteBesideAChangeAndLetsEitherWin(t *testing.T) {
	for handler, want := range map[string]string{"latest": "w", "union": "w", "remove": "(key not found)", "keep": "w"} {
		synctest.Test(t, func(t *testing.T) {
			c := openVisible(t, engine.Keep, handler, "a", "b", "c")
			deleteHereChangeThere(t, c)
			everywhere(t, c, "k", want)
			for _, name := range c.Names() {
				e, _ := c.Node(name).Get(t.Context(), "carts", "k")
				require.Equal(t, []bool{true, false}, deleted(e.Siblings), "%s at %s", handler, name)
				entries := journal(t, c.Node(name))
				require.Len(t, entries, 1)
				require.Equal(t, []bool{true, false}, deleted(entries[0].Versions))
				require.True(t, entries[0].Open)
			}
			require.Equal(t, 1, info(t, c.Node("c"), "carts").Conflicts)
			put(t, c.Node("c"), "carts", "k", "after both")
			everywhere(t, c, "k", "after both")
			require.Zero(t, info(t, c.Node("a"), "carts").Conflicts)
		})
	}
}

func TestPolicyDecidesBetweenADeleteAndAChange(t *testing.T) {
	for _, rule := range []struct {
		policy      engine.Policy
		lateDelete  bool
		state       engine.State
		value       string
		wantDeleted bool
	}{
		{engine.Keep, false, engine.Kept, "w", false},
		{engine.Keep, true, engine.Kept, "w", false},
		{engine.LWW, false, engine.Resolved, "w", false},
		{engine.LWW, true, engine.Resolved, "", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := openVisible(t, rule.policy, "", "a", "b", "c")
			if rule.lateDelete {
				changeThereDeleteHere(t, c)
			} else {
				deleteHereChangeThere(t, c)
			}
			for _, name := range c.Names() {
				e, err := c.Node(name).Get(t.Context(), "carts", "k")
				if rule.wantDeleted {
					require.ErrorIs(t, err, engine.ErrNotFound)
				}
				require.Equal(t, rule.state, e.State)
				require.Equal(t, rule.value, string(e.Value))
				require.Equal(t, rule.wantDeleted, e.Deleted)
				require.Len(t, e.Siblings, 2)
				shown, err := c.Node(name).Conflict(t.Context(), journal(t, c.Node(name))[0].ID)
				require.NoError(t, err)
				require.Equal(t, "policy", shown.Verdict)
				require.Equal(t, rule.value, string(shown.Value))
			}
			c.Pass(time.Minute)
			e, _ := c.Node("b").Get(t.Context(), "carts", "k")
			require.Len(t, e.Siblings, 2, "what the policy decides is a view: nothing goes")
		})
	}
}

func TestHiddenDeletesLoseToAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "remove", "a", "b", "c")
		deleteHereChangeThere(t, c)
		everywhere(t, c, "k", "w")
		require.Empty(t, journal(t, c.Node("b")))
		require.Len(t, get(t, c.Node("a"), "k").Siblings, 1)
		remove(t, c.Node("a"), "k")
		require.Zero(t, engine.NumLone(c.Node("a").Engine), "nothing is left from the first moment")
	})
}

func TestDeleteOfOneWhoHasNotSeenTheChangeStandsBesideIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openVisible(t, engine.Keep, "remove", "a")
		put(t, c.Node("a"), "carts", "k", "v")
		read := token(t, c.Node("a"), "carts", "k")
		put(t, c.Node("a"), "carts", "k", "w")
		_, err := c.Node("a").Delete(t.Context(), "carts", []string{"k"}, engine.IfUnchanged(read))
		require.ErrorIs(t, err, engine.ErrConflict)
		remove(t, c.Node("a"), "k", engine.WithContext(read))
		everywhere(t, c, "k", "(key not found)")
		e, _ := c.Node("a").Get(t.Context(), "carts", "k")
		require.Equal(t, []bool{false, true}, deleted(e.Siblings))
		remove(t, c.Node("a"), "k", engine.WithContext(e.Context))
		c.Pass(time.Second)
		require.Zero(t, engine.NumLone(c.Node("a").Engine))
	})
}

func TestClearIsVisibleToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openVisible(t, engine.Keep, "remove", "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "v")
		put(t, c.Node("a"), "carts", "other", "v")
		isolate(c)
		require.NoError(t, c.Node("a").ClearTable(t.Context(), "carts"))
		put(t, c.Node("b"), "carts", "k", "w")
		c.Converge()
		c.Pass(5 * time.Second)
		everywhere(t, c, "k", "(key not found)")
		everywhere(t, c, "other", "(key not found)")
		require.Equal(t, 1, info(t, c.Node("c"), "carts").Conflicts)
	})
}

func TestLocalTableShowsDeletesToItsHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a")
		_, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Deletes: engine.VisibleDeletes, Local: true, Unresolved: engine.LWW})
		require.NoError(t, err)
		put(t, c.Node("a"), "carts", "k", "v")
		read := token(t, c.Node("a"), "carts", "k")
		remove(t, c.Node("a"), "k")
		put(t, c.Node("a"), "carts", "k", "w", engine.WithContext(read))
		e := get(t, c.Node("a"), "k")
		require.Equal(t, []bool{true, false}, deleted(e.Siblings))
		remove(t, c.Node("a"), "k")
		c.Pass(time.Second)
		require.Zero(t, engine.NumLone(c.Node("a").Engine))
		require.Zero(t, info(t, c.Node("a"), "carts").Unstable)
	})
}

func TestWhatATableHidesIsNotCountedAsAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b")
		isolate(c)
		create(t, c.Node("a"), "carts", "")
		c.Pass(time.Second)
		_, err := c.Node("b").CreateTable(t.Context(), "carts", engine.TableOptions{Deletes: engine.VisibleDeletes})
		require.NoError(t, err)
		put(t, c.Node("b"), "carts", "k", "1")
		seen := token(t, c.Node("b"), "carts", "k")
		put(t, c.Node("b"), "carts", "k", "2", engine.WithContext(seen))
		remove(t, c.Node("b"), "k", engine.WithContext(seen))
		require.Equal(t, 1, info(t, c.Node("b"), "carts").Conflicts, "where deletes are visible it is one")
		c.Converge()
		for _, name := range c.Names() {
			require.Equal(t, engine.HiddenDeletes, info(t, c.Node(name), "carts").Options.Deletes)
			require.Zero(t, info(t, c.Node(name), "carts").Conflicts, name)
			s, err := c.Node(name).Status(t.Context())
			require.NoError(t, err)
			require.Zero(t, s.Conflicts, name)
		}
		fork(t, c.Node("a"), "l", "1", "2")
		require.Equal(t, 1, info(t, c.Node("b"), "carts").Conflicts)
	})
}

func TestDeleteBesideAnEmptyValueIsAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openVisible(t, engine.Keep, "remove", "a")
		put(t, c.Node("a"), "carts", "k", "v")
		read := token(t, c.Node("a"), "carts", "k")
		put(t, c.Node("a"), "carts", "k", "", engine.WithContext(read))
		remove(t, c.Node("a"), "k", engine.WithContext(read))
		e, err := c.Node("a").Get(t.Context(), "carts", "k")
		require.ErrorIs(t, err, engine.ErrNotFound)
		require.Equal(t, engine.Resolved, e.State)
		require.Len(t, e.Siblings, 2)
	})
}

func TestConflictIsResolvedWithItsDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openVisible(t, engine.Keep, "", "a", "b", "c")
		deleteHereChangeThere(t, c)
		_, err := c.Node("c").Resolve(t.Context(), journal(t, c.Node("c"))[0].ID, engine.Resolution{Pick: 1})
		require.NoError(t, err)
		everywhere(t, c, "k", "(key not found)")
		c.Pass(5 * time.Second)
		require.Zero(t, engine.NumLone(c.Node("a").Engine))
	})
}

func TestLatestDeleteIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openVisible(t, engine.LWW, "", "a", "b", "c")
		changeThereDeleteHere(t, c)
		done, err := c.Node("b").Settle(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, 1, done.Settled)
		everywhere(t, c, "k", "(key not found)")
		require.Zero(t, info(t, c.Node("b"), "carts").Conflicts)
		c.Pass(5 * time.Second)
		require.Zero(t, engine.NumLone(c.Node("a").Engine))
	})
}

func TestUnknownRuleForDeletesIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		_, err := c.Node("a").CreateTable(t.Context(), "t", engine.TableOptions{Deletes: "later"})
		require.ErrorIs(t, err, engine.ErrBadOption)
		require.ErrorContains(t, err, `deletes "later": use hidden or visible`)
		_, err = c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Deletes: engine.VisibleDeletes})
		require.ErrorIs(t, err, engine.ErrTableExists)
		require.Equal(t, engine.HiddenDeletes, info(t, c.Node("a"), "carts").Options.Deletes)
	})
}
