package rest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
)

func TestAShadowIsActivatedReportedOnAndEnded(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	client := newClient(t, addr)
	ctx := t.Context()
	_, err := client.Shadow(ctx, "t")
	require.ErrorIs(t, err, engine.ErrNoShadow)
	_, err = client.ActivateShadow(ctx, "t", "next")
	require.ErrorIs(t, err, engine.ErrNoPlugin)
	_, err = store.InstallPlugin(ctx, "next", []byte("\x00asm"), engine.Limits{})
	require.NoError(t, err)
	store.AddConflict(engine.Conflict{ID: "a1", Table: "t", Key: "\xff", State: engine.Failed, Verdict: "error", Reason: "why"})
	record, err := client.ActivateShadow(ctx, "t", "next@1")
	require.NoError(t, err)
	info, err := client.Table(ctx, "t")
	require.NoError(t, err)
	require.Equal(t, &record, info.Shadow)
	want, err := store.Shadow(ctx, "t")
	require.NoError(t, err)
	require.Equal(t, 1, want.Different)
	got, err := client.Shadow(ctx, "t")
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = client.EndShadow(ctx, "t")
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = client.EndShadow(ctx, "t")
	require.ErrorIs(t, err, engine.ErrNoShadow)
	_, err = client.ActivateShadow(ctx, "nosuch", "next")
	require.ErrorIs(t, err, engine.ErrNoTable)
}
