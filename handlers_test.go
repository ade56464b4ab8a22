package kvnode_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
)

func TestWhatHandlersPrintAndWhyTheyTrapIsKeptOverRestarts(t *testing.T) {
	ctx := patient(t)
	n := open(t, local("a"))
	require.NoError(t, n.AwaitReady(ctx))
	_, err := n.CreateTable(ctx, "t", kvnode.TableOptions{})
	require.NoError(t, err)
	module, err := os.ReadFile(filepath.Join("testdata", "modules", "imports.wasm"))
	require.NoError(t, err)
	plugin, err := n.InstallPlugin(ctx, "t", module, kvnode.Limits{})
	require.NoError(t, err)
	client, err := rest.NewClient(n.HTTPAddr())
	require.NoError(t, err)
	t.Cleanup(client.Close)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	forkAt(ctx, t, n, "l") // it logs a warning
	_, err = n.Get(ctx, "t", "l")
	require.NoError(t, err)
	forkAt(ctx, t, n, "E") // it logs an error, and traps
	var lines []kvnode.LogLine
	for line, err := range n.HandlerLog(ctx, "t", true) {
		require.NoError(t, err)
		if lines = append(lines, line); line.Level == engine.LevelTrap {
			break
		}
	}
	last := lines[len(lines)-1]
	require.Equal(t, "t", last.Table)
	require.Equal(t, "E", last.Key)
	require.Contains(t, last.Text, "hello")
	require.Equal(t, kvnode.LogLine{Time: lines[0].Time, SHA256: plugin.SHA256, Level: "warn", Text: "hello"}, lines[0])

	require.Eventually(t, func() bool {
		s, err := n.Status(ctx)
		return err == nil && s.Restarts == 1 && s.Ready
	}, patience, 10*time.Millisecond)
	seen := false
	kept, err := client.HandlerLog(ctx, plugin.SHA256[:8], false)
	require.NoError(t, err)
	for line, err := range kept {
		require.NoError(t, err)
		seen = seen || line == last
	}
	require.True(t, seen, "the next incarnation has it")
}

// forkAt gives a key of the table t two siblings.
func forkAt(ctx context.Context, t *testing.T, n *kvnode.Node, key string) {
	t.Helper()
	_, err := n.Put(ctx, "t", []kvnode.KV{{Key: key, Value: []byte("0")}})
	require.NoError(t, err)
	seen, err := n.Get(ctx, "t", key)
	require.NoError(t, err)
	for _, value := range []string{"1", "2"} {
		_, err = n.Put(ctx, "t", []kvnode.KV{{Key: key, Value: []byte(value)}}, kvnode.WithContext(seen.Context))
		require.NoError(t, err)
	}
}

func TestAFileIsReplayedAsANodeWould(t *testing.T) {
	ctx := patient(t)
	n := open(t, local("a"))
	require.NoError(t, n.AwaitReady(ctx))
	_, err := n.CreateTable(ctx, "t", kvnode.TableOptions{Handler: "lww"})
	require.NoError(t, err)
	forkAt(ctx, t, n, "x")
	_, err = n.Get(ctx, "t", "x")
	require.NoError(t, err)
	conflicts, err := n.Conflicts(ctx)
	require.NoError(t, err)
	want, err := n.Replay(ctx, kvnode.ReplayQuery{Table: "t"})
	require.NoError(t, err)
	require.False(t, want[0].Changed, "the handler in force has judged it")

	module, err := os.ReadFile(filepath.Join("testdata", "modules", "echo.wasm"))
	require.NoError(t, err)
	got, err := kvnode.ReplayOffline(ctx, module, kvnode.Limits{}, conflicts)
	require.NoError(t, err)
	require.Equal(t, want[0].Before, got[0].Before)
	require.True(t, got[0].Changed)
	require.NotZero(t, got[0].Fuel)
	_, err = kvnode.ReplayOffline(ctx, []byte("text"), kvnode.Limits{}, conflicts)
	require.ErrorIs(t, err, engine.ErrBadModule)
}
