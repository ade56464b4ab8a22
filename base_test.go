package kvnode_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/plugins/examples"
)

// TestDocumentThatBothSidesOfASplitChangedIsMergedFieldByField follows the base from the store through a module to what clients see: without it,
// the merge could not tell the field that one side has changed from the one that it has left alone.
func TestDocumentThatBothSidesOfASplitChangedIsMergedFieldByField(t *testing.T) {
	ctx := patient(t)
	l := lab(t, nil, "a", "b", "c")
	tables := []engine.Deletes{kvnode.HiddenDeletes, kvnode.VisibleDeletes}
	put := func(node, table, value string, ack engine.AckLevel) {
		_, err := l.Node(node).Put(ctx, table, []kvnode.KV{{Key: "doc:1", Value: []byte(value)}}, kvnode.WithAck(ack))
		require.NoError(t, err)
	}
	for _, table := range tables {
		_, err := l.Node("a").CreateTable(ctx, string(table), kvnode.TableOptions{Deletes: table})
		require.NoError(t, err)
		_, err = l.Node("a").InstallPlugin(ctx, string(table), examples.Document(), kvnode.Limits{})
		require.NoError(t, err)
		put("a", string(table), `{"title":"Plum","tags":["fruit"],"size":3}`, engine.AckAll)
	}
	l.Cut([]string{"a"}, []string{"b", "c"})
	require.NoError(t, l.AwaitPeers(ctx, "a", 0))
	for _, table := range tables {
		put("a", string(table), `{"title":"Prune","tags":["fruit"],"size":3}`, engine.AckLocal)
		put("b", string(table), `{"title":"Plum","tags":["fruit","blue"],"size":3}`, engine.AckLocal)
		put("b", string(table), `{"title":"Plum","tags":["fruit","blue"]}`, engine.AckLocal)
	}
	l.Heal()
	require.NoError(t, l.AwaitWhole(ctx))
	for _, table := range tables {
		for _, node := range []string{"a", "b", "c"} {
			var e kvnode.Entry
			isMerged := func() bool {
				var err error
				e, err = l.Node(node).Get(ctx, string(table), "doc:1")
				return err == nil && e.State == kvnode.Resolved
			}
			require.Eventually(t, isMerged, patience, 10*time.Millisecond, "deletes %s at %s", table, node)
			require.JSONEq(t, `{"title":"Prune","tags":["fruit","blue"]}`, string(e.Value), "deletes %s at %s", table, node)
		}
	}
}
