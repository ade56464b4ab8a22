package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// open returns a cluster of ready nodes, a first, with the table carts; a handler judges it unless it is empty.
func open(t *testing.T, handler string, names ...string) *enginetest.Cluster {
	t.Helper()
	c := enginetest.NewCluster(t, 1)
	c.StartAll(names...)
	create(t, c.Node("a"), "carts", handler)
	return c
}

// openPatient is open for nodes that wait an hour before they count a silent peer as gone.
func openPatient(t *testing.T, names ...string) *enginetest.Cluster {
	t.Helper()
	c := enginetest.NewCluster(t, 1)
	for _, name := range names {
		c.Start(name, func(cfg *engine.Config) { cfg.SuspectAfter = time.Hour })
		require.NoError(t, c.Node(name).AwaitReady(t.Context()))
	}
	create(t, c.Node("a"), "carts", "")
	return c
}

// isolate cuts a off from all others and waits until everybody has noticed.
func isolate(c *enginetest.Cluster) {
	c.Net().Cut([]string{"a"}, c.Names()[1:])
	c.Pass(2 * time.Second)
}

// part gives all nodes a value of the key k of carts, and then isolates a.
func part(t *testing.T, c *enginetest.Cluster, value string) {
	t.Helper()
	put(t, c.Node("a"), "carts", "k", value)
	isolate(c)
}

// get reads a key of carts that has to be there.
func get(t *testing.T, n *enginetest.Node, key string) engine.Entry {
	t.Helper()
	e, err := n.Get(t.Context(), "carts", key)
	require.NoError(t, err)
	return e
}

// token reads a key, there or not, and returns what was seen.
func token(t *testing.T, n *enginetest.Node, table, key string) string {
	t.Helper()
	e, err := n.Get(t.Context(), table, key)
	if err != nil {
		require.ErrorIs(t, err, engine.ErrNotFound)
	}
	require.NotEmpty(t, e.Context)
	return e.Context
}

// fork writes values that have not seen each other.
func fork(t *testing.T, n *enginetest.Node, key string, values ...string) {
	t.Helper()
	before := token(t, n, "carts", key)
	for _, v := range values {
		put(t, n, "carts", key, v, engine.WithContext(before))
	}
}

// everywhere expects one value of a key of carts at all nodes; "(key not found)" is absence.
func everywhere(t *testing.T, c *enginetest.Cluster, key, want string) {
	t.Helper()
	for _, name := range c.Names() {
		require.Equal(t, want, c.Node(name).Value(t.Context(), "carts", key), "key %s at node %s", key, name)
	}
}

// digest is equal before and after when nothing was written.
func digest(t *testing.T, n *enginetest.Node) string {
	t.Helper()
	s, err := n.Status(t.Context())
	require.NoError(t, err)
	return s.Digest
}

// info describes a table.
func info(t *testing.T, n *enginetest.Node, table string) engine.TableInfo {
	t.Helper()
	i, err := n.Table(t.Context(), table)
	require.NoError(t, err)
	return i
}

// eventsOf lists the events of a kind that a node has reported; of all nodes for the empty name.
func eventsOf(c *enginetest.Cluster, name string, kind engine.EventKind) []enginetest.NodeEvent {
	var out []enginetest.NodeEvent
	for _, e := range c.Events() {
		if e.Kind == kind && (name == "" || e.Node == name) {
			out = append(out, e)
		}
	}
	return out
}

// keepReading reads a key at some nodes all the time, and returns what ends it. A reader that does not see one of the values fails the test.
func keepReading(t *testing.T, key string, values []string, nodes ...*enginetest.Node) (stop func()) {
	t.Helper()
	quit, ended := make(chan struct{}), make(chan struct{})
	seen := map[string]bool{}
	go func() {
		defer close(ended)
		for {
			for _, n := range nodes {
				seen[n.Value(t.Context(), "carts", key)] = true
			}
			select {
			case <-quit:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() {
		t.Helper()
		close(quit)
		<-ended
		for v := range seen {
			require.Contains(t, values, v)
		}
	}
}
