package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest/resttest"
)

func TestTheJournalCanBeNarrowedDown(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	client := newClient(t, addr)
	_, err := store.CreateTable(t.Context(), "u", engine.TableOptions{})
	require.NoError(t, err)
	for _, c := range []engine.Conflict{
		{ID: "a1", Table: "t", Key: "k", State: engine.Kept, Open: true, Took: 5},
		{ID: "a2", Table: "t", Key: "l", State: engine.Kept},
		{ID: "a3", Table: "u", Key: "m", State: engine.Kept, Open: true},
	} {
		store.AddConflict(c)
	}
	for want, opts := range map[string][]engine.JournalOption{
		"a1 a2 a3": nil,
		"a1 a3":    {engine.OnlyOpen()},
		"a1 a2":    {engine.OfTable("t")},
		"a1":       {engine.AtMost(1)},
		"a3":       {engine.OfTable("u"), engine.OnlyOpen(), engine.AtMost(2)},
	} {
		conflicts, err := client.Conflicts(t.Context(), opts...)
		require.NoError(t, err)
		got := make([]string, len(conflicts))
		for i, c := range conflicts {
			got[i] = c.ID
		}
		require.Equal(t, strings.Fields(want), got)
	}
	_, err = client.Conflicts(t.Context(), engine.OfTable("nosuch"))
	require.ErrorIs(t, err, engine.ErrNoTable)
	one, err := client.Conflict(t.Context(), "a1")
	require.NoError(t, err)
	require.EqualValues(t, 5, one.Took)
}

func TestAConflictIsResolvedByHandOnce(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	client := newClient(t, addr)
	ctx := t.Context()
	conflict := engine.Conflict{ID: "a1", Table: "t", Key: "k", Open: true, Versions: []engine.Version{{Value: []byte("1")}, {Value: []byte("\xff")}}}
	for _, r := range []engine.Resolution{{Value: []byte("v")}, {Value: []byte("\xfe")}, {Value: []byte{}}, {Pick: 2}, {Delete: true}} {
		store := resttest.New()
		store.AddConflict(conflict)
		written, err := newClient(t, start(t, store)).Resolve(ctx, "a", r)
		require.NoError(t, err)
		require.Equal(t, "k", written.Previous[0].Key)
		require.Len(t, written.Previous[0].Siblings, 2)
	}
	store.AddConflict(conflict)
	_, err := client.Resolve(ctx, "a1", engine.Resolution{Pick: 2})
	require.NoError(t, err)
	e, err := client.Get(ctx, "t", "k")
	require.NoError(t, err)
	require.Equal(t, "\xff", string(e.Value))
	_, err = client.Resolve(ctx, "a1", engine.Resolution{Delete: true})
	require.ErrorIs(t, err, engine.ErrNotOpen)
	_, err = client.Resolve(ctx, "b", engine.Resolution{Delete: true})
	require.ErrorIs(t, err, engine.ErrNoConflict)
}

func TestSettlingNamesKeysOrAll(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	client := newClient(t, addr)
	conflict(t, store)
	settled, err := client.Settle(t.Context(), "t", "k", "\xff")
	require.NoError(t, err)
	require.Equal(t, engine.Settlement{Settled: 1, Single: 1}, settled)
	settled, err = client.Settle(t.Context(), "t")
	require.NoError(t, err)
	require.Equal(t, engine.Settlement{}, settled)
	_, err = client.Settle(t.Context(), "nosuch")
	require.ErrorIs(t, err, engine.ErrNoTable)
	for _, body := range []string{`{}`, `{"all":true,"keys":[{"key":"k"}]}`, `{"keys":[{}]}`} {
		got := do(t, addr, http.MethodPost, "/v1/tables/t/settle", body, "Content-Type", "application/json")
		require.Equal(t, http.StatusBadRequest, got.status, body)
	}
}

func TestANegativeNumberIsRefusedWithTheRange(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	got := do(t, addr, http.MethodGet, "/v1/conflicts?limit=-1", "")
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Contains(t, got.body, `limit is a whole number from 0, not \"-1\"`)
}
