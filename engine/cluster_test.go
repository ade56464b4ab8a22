package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// put writes one value.
func put(t *testing.T, n *enginetest.Node, table, key, value string, opts ...engine.WriteOption) {
	t.Helper()
	_, err := n.Put(t.Context(), table, []engine.KV{{Key: key, Value: []byte(value)}}, opts...)
	require.NoError(t, err)
}

// create creates a table with defaults, and installs a handler under its name.
func create(t *testing.T, n *enginetest.Node, table, handler string) {
	t.Helper()
	_, err := n.CreateTable(t.Context(), table, engine.TableOptions{})
	require.NoError(t, err)
	if handler != "" {
		_, err = n.InstallPlugin(t.Context(), table, []byte(handler), engine.Limits{})
		require.NoError(t, err)
	}
}

func TestWriteIsSeenByAllNodesWhenItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b", "c")
		create(t, c.Node("a"), "carts", "")
		put(t, c.Node("b"), "carts", "k", "1")
		for _, name := range []string{"a", "b", "c"} {
			require.Equal(t, "1", c.Node(name).Value(t.Context(), "carts", "k"))
		}
	})
}

func TestSplitHealsToTheHandlersView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b", "c")
		create(t, c.Node("a"), "carts", "union")
		put(t, c.Node("a"), "carts", "k", "x")
		c.Net().Cut([]string{"a"}, []string{"b", "c"})
		c.Pass(2 * time.Second)
		put(t, c.Node("a"), "carts", "k", "x,a")
		put(t, c.Node("b"), "carts", "k", "x,b")
		c.Net().Heal()
		c.Pass(5 * time.Second)
		for _, name := range []string{"a", "b", "c"} {
			e, err := c.Node(name).Get(t.Context(), "carts", "k")
			require.NoError(t, err)
			require.Equal(t, "a,b,x", string(e.Value))
			require.Equal(t, engine.Resolved, e.State)
			require.Len(t, e.Siblings, 2)
		}
	})
}

func TestTrapRestartsTheMergerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b", "c")
		create(t, c.Node("a"), "carts", "poison")
		c.Net().Cut([]string{"a"}, []string{"b", "c"})
		c.Pass(2 * time.Second)
		for _, key := range []string{"poison", "k1", "k2"} {
			put(t, c.Node("a"), "carts", key, "a")
			put(t, c.Node("b"), "carts", key, "b")
		}
		c.Net().Heal()
		c.Pass(8 * time.Second)
		require.Equal(t, 1, c.Count(engine.EventRestart))
		var who string
		for _, e := range c.Events() {
			if e.Kind == engine.EventRestart {
				who = e.Node
			}
		}
		n := c.Restarted(who)
		require.NoError(t, n.AwaitReady(t.Context()))
		c.Pass(10 * time.Second)
		require.Equal(t, 1, c.Count(engine.EventRestart))
		for _, name := range []string{"a", "b", "c"} {
			e, err := c.Node(name).Get(t.Context(), "carts", "poison")
			require.NoError(t, err)
			require.Equal(t, engine.Quarantined, e.State)
			require.Len(t, e.Siblings, 2)
			require.Equal(t, "a,b", c.Node(name).Value(t.Context(), "carts", "k1"))
		}
		_, err := c.Node("b").InstallPlugin(t.Context(), "fixed", []byte("union"), engine.Limits{})
		require.NoError(t, err)
		_, err = c.Node("b").Activate(t.Context(), "carts", "fixed")
		require.NoError(t, err)
		for _, name := range []string{"a", "b", "c"} {
			require.Equal(t, "a,b", c.Node(name).Value(t.Context(), "carts", "poison"))
		}
	})
}
