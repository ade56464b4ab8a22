package rest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
)

func TestRecordedConflictsAreReplayed(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	client := newClient(t, addr)
	store.AddConflict(engine.Conflict{ID: "a1", Table: "t", Key: "\xff", State: engine.Failed, Verdict: "error", Reason: "why"})
	store.AddConflict(engine.Conflict{ID: "b2", Table: "u", Key: "k", State: engine.Pending})
	for _, q := range []engine.ReplayQuery{{ID: "a"}, {Table: "t", Limit: 3, Plugin: "p"}} {
		want, err := store.Replay(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, want, 1)
		got, err := client.Replay(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := client.Replay(t.Context(), engine.ReplayQuery{ID: "c"})
	require.ErrorIs(t, err, engine.ErrNoConflict)
}

func TestAPluginIsRemovedUnlessItIsInUse(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	client := newClient(t, addr)
	ctx := t.Context()
	for _, name := range []string{"h", "i"} {
		_, err := store.InstallPlugin(ctx, name, []byte("\x00asm"+name), engine.Limits{})
		require.NoError(t, err)
	}
	_, err := client.Activate(ctx, "t", "h")
	require.NoError(t, err)
	require.ErrorIs(t, client.RemovePlugin(ctx, "h"), engine.ErrPluginInUse)
	require.NoError(t, client.RemovePlugin(ctx, "i@1"))
	require.ErrorIs(t, client.RemovePlugin(ctx, "i"), engine.ErrNoPlugin)
	all, err := client.Plugins(ctx)
	require.NoError(t, err)
	require.Len(t, all, 1)
}
