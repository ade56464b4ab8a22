package kvnode_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/plugins/plugintest"
	"github.com/kvnode/kvnode/rest"
)

// fork makes siblings of a key: writes that have not seen each other.
func fork(t *testing.T, n *kvnode.Node, table, key string, values ...string) {
	t.Helper()
	require.NoError(t, siblings(patient(t), n, table, key, values...))
}

func siblings(ctx context.Context, n *kvnode.Node, table, key string, values ...string) error {
	e, err := n.Get(ctx, table, key)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	for _, v := range values {
		if _, err := n.Put(ctx, table, []kvnode.KV{{Key: key, Value: []byte(v)}}, kvnode.WithContext(e.Context)); err != nil {
			return err
		}
	}
	return nil
}

func TestHandlerThatIsNotResetAndShouldBeRaisesAnAlarmAndIsResetFromThenOn(t *testing.T) {
	ctx := patient(t)
	var mu sync.Mutex
	var alarms []kvnode.Event
	cfg := local("a")
	cfg.Events = func(e kvnode.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == engine.EventImpure {
			alarms = append(alarms, e)
		}
	}
	logger, said := captureLog()
	cfg.Logger = logger
	n := open(t, cfg)
	_, err := n.CreateTable(ctx, "counts", kvnode.TableOptions{})
	require.NoError(t, err)
	client, err := rest.NewClient(n.HTTPAddr())
	require.NoError(t, err)
	defer client.Close()
	_, err = client.InstallPlugin(ctx, "counts", plugintest.Module(t, "counter"), kvnode.Limits{Reset: "now and then"})
	require.ErrorIs(t, err, engine.ErrBadLimits)
	_, err = client.InstallPlugin(ctx, "counts", plugintest.Module(t, "counter"), kvnode.Limits{Fuel: 1})
	require.ErrorIs(t, err, engine.ErrBadLimits)
	require.ErrorContains(t, err, "1 units of fuel, and a conflict of two values of one byte takes")
	_, err = client.InstallPlugin(ctx, "counts", plugintest.Module(t, "counter"), kvnode.Limits{Reset: kvnode.ResetNone})
	require.NoError(t, err)

	first := ""
	for _, key := range []string{"k1", "k2", "k3", "k1"} {
		fork(t, n, "counts", key, "x", "y")
		e, err := n.Get(ctx, "counts", key)
		require.NoError(t, err)
		require.Equal(t, kvnode.Resolved, e.State)
		if first == "" {
			first = string(e.Value)
		}
		require.Equal(t, first, string(e.Value), "the count of calls is never seen")
	}
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, alarms, 1)
	require.Equal(t, "counts", alarms[0].Table)
	require.InDelta(t, 1, metric(ctx, t, n.HTTPAddr(), "kvnode_alarms_total"), 0)
	require.Contains(t, said(), "level=ERROR")
	require.Contains(t, said(), "a reused instance came to")
}
