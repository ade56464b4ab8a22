package engine_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// requireNoLone expects that nothing is left anywhere of keys that are deleted.
func requireNoLone(t *testing.T, c *enginetest.Cluster) {
	t.Helper()
	for _, name := range c.Names() {
		require.Zero(t, engine.NumLone(c.Node(name).Engine), name)
	}
}

// TestNothingRemainsOfADeleteThatAllMembersHave: readers, counts and patterns see nothing of it from the first moment, and it goes by itself.
func TestNothingRemainsOfADeleteThatAllMembersHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openVisible(t, engine.LWW, "", "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "v")
		before := digest(t, c.Node("a"))
		w := remove(t, c.Node("b"), "k")
		require.Equal(t, "v", string(w.Previous[0].Value))
		require.Equal(t, 3, w.Acked)
		everywhere(t, c, "k", "(key not found)")
		e, err := c.Node("a").Get(t.Context(), "carts", "k")
		require.ErrorIs(t, err, engine.ErrNotFound)
		require.Empty(t, e.Siblings)
		require.Empty(t, matched(t, c.Node("a"), "carts", engine.Pattern{}))
		require.Empty(t, remove(t, c.Node("c"), "k").Previous[0].Siblings, "the key was absent")
		i := info(t, c.Node("c"), "carts")
		require.Equal(t, [3]int64{}, [3]int64{int64(i.Keys), i.Bytes, int64(i.Conflicts)})
		c.Pass(3 * time.Second)
		require.NotEqual(t, before, digest(t, c.Node("a")))
		requireNoLone(t, c)
		for _, name := range c.Names() {
			require.Zero(t, info(t, c.Node(name), "carts").Unstable, name)
		}
		require.Empty(t, journal(t, c.Node("a")))
	})
}

func TestDeleteWaitsForAMemberThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openVisible(t, engine.Keep, "remove", "a", "b", "c")
		part(t, c, "v")
		put(t, c.Node("a"), "carts", "k", "changed")
		remove(t, c.Node("b"), "k")
		c.Pass(time.Minute)
		everywhereBut(t, c, "a", "k", "(key not found)")
		require.Equal(t, 1, engine.NumLone(c.Node("b").Engine))
		c.Converge()
		c.Pass(5 * time.Second)
		everywhere(t, c, "k", "(key not found)")
		require.Equal(t, []bool{false, true}, deleted(journal(t, c.Node("c"))[0].Versions), "the delete meets what it has not seen")
	})
}

// everywhereBut is everywhere for all nodes but one.
func everywhereBut(t *testing.T, c *enginetest.Cluster, but, key, want string) {
	t.Helper()
	for _, name := range c.Names() {
		if name != but {
			require.Equal(t, want, c.Node(name).Value(t.Context(), "carts", key), name)
		}
	}
}

func TestDeletesOnBothSidesAreNoConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openVisible(t, engine.Keep, "trap", "a", "b", "c")
		part(t, c, "v")
		remove(t, c.Node("a"), "k")
		remove(t, c.Node("b"), "k")
		c.Converge()
		c.Pass(5 * time.Second)
		everywhere(t, c, "k", "(key not found)")
		requireNoLone(t, c)
		for _, name := range c.Names() {
			require.Empty(t, journal(t, c.Node(name)))
		}
	})
}

// TestWatcherSeesADeleteOnce: that nothing is left of it later is nothing to tell.
func TestWatcherSeesADeleteOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openVisible(t, engine.Keep, "", "a", "b")
		put(t, c.Node("a"), "carts", "k", "v")
		var (
			mu   sync.Mutex
			seen []bool
		)
		for _, name := range c.Names() {
			changes := c.Node(name).Watch(t.Context(), "carts", engine.Pattern{})
			go func() {
				for change, err := range changes {
					if err != nil {
						return
					}
					mu.Lock()
					seen = append(seen, change.Deleted)
					mu.Unlock()
				}
			}()
		}
		remove(t, c.Node("a"), "k")
		c.Pass(5 * time.Second)
		require.Zero(t, engine.NumLone(c.Node("b").Engine))
		synctest.Wait()
		require.Equal(t, []bool{true, true}, seen, "one at each node")
	})
}

// TestDeletesAreHiddenWhenTheOptionsOfTheOtherSideHold: what the losing side has kept of its deletes is shown to nobody, and goes.
func TestDeletesAreHiddenWhenTheOptionsOfTheOtherSideHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b", "c")
		isolate(c)
		hidden, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{})
		require.NoError(t, err)
		c.Pass(time.Second)
		visible, err := c.Node("b").CreateTable(t.Context(), "carts", engine.TableOptions{Deletes: engine.VisibleDeletes, Unresolved: engine.LWW})
		require.NoError(t, err)
		for _, key := range []string{"gone", "both"} {
			put(t, c.Node("b"), "carts", key, "v")
		}
		read := token(t, c.Node("b"), "carts", "both")
		put(t, c.Node("b"), "carts", "both", "w")
		remove(t, c.Node("b"), "both", engine.WithContext(read))
		var seen string
		changes := c.Node("b").Watch(t.Context(), "carts", engine.Pattern{Key: "both"})
		go func() {
			for change, err := range changes {
				if err != nil {
					return
				}
				seen = string(change.Entry.Value)
			}
		}()
		remove(t, c.Node("b"), "gone")
		require.Equal(t, "(key not found)", c.Node("b").Value(t.Context(), "carts", "both"))
		c.Converge()
		c.Pass(5 * time.Second)
		for _, name := range c.Names() {
			i := info(t, c.Node(name), "carts")
			require.Equal(t, hidden.Options, i.Options)
			require.Equal(t, []engine.TableOptions{visible.Options}, i.RejectedOptions)
			require.Equal(t, "w", string(get(t, c.Node(name), "both").Value))
			require.Equal(t, engine.Single, get(t, c.Node(name), "both").State)
			require.Equal(t, "(key not found)", c.Node(name).Value(t.Context(), "carts", "gone"))
		}
		requireNoLone(t, c)
		synctest.Wait()
		require.Equal(t, "w", seen, "watchers hear that something else is shown")
	})
}

// TestDeletesGoThoughWhoDeletedIsGone: another connected member ends them once the members have closed, or never heard of, the one that deleted.
func TestDeletesGoThoughWhoDeletedIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openVisible(t, engine.Keep, "", "a", "b", "c")
		part(t, c, "v")
		remove(t, c.Node("b"), "k")
		c.Pass(time.Second)
		c.Crash("b")
		c.Pass(time.Second)
		require.Equal(t, 1, engine.NumLone(c.Node("c").Engine))
		c.Start("b")
		c.Converge()
		c.Pass(10 * time.Second)
		requireNoLone(t, c)
	})
}
