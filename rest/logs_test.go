package rest_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
	"github.com/kvnode/kvnode/rest/resttest"
)

func TestTheLogOfHandlersIsReadAndFollowed(t *testing.T) {
	t.Parallel()
	store := resttest.New()
	addr := start(t, store)
	client := newClient(t, addr)
	plugin, err := store.InstallPlugin(t.Context(), "h", []byte("\x00asm"), engine.Limits{})
	require.NoError(t, err)
	require.Empty(t, linesOf(t, client, "", 1), "nobody has said anything")
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	printed := engine.LogLine{Time: at, SHA256: plugin.SHA256, Level: "info", Text: "hello"}
	trapped := engine.LogLine{Time: at, SHA256: "ff", Level: engine.LevelTrap, Text: "unreachable", Table: "t", Key: "\xff"}
	store.Say(printed)
	store.Say(trapped)
	require.Equal(t, []engine.LogLine{printed, trapped}, linesOf(t, client, "", 2))
	require.Equal(t, []engine.LogLine{printed}, linesOf(t, client, "h", 1))
	_, err = client.HandlerLog(t.Context(), "nosuch", true)
	require.ErrorIs(t, err, engine.ErrNoPlugin)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	followed, err := newPlainClient(t, addr).HandlerLog(ctx, "h", true)
	require.NoError(t, err)
	for line, err := range followed {
		if n++; n == 1 {
			require.NoError(t, err)
			require.Equal(t, printed, line)
			store.Say(trapped)
			store.Say(printed)
			continue
		}
		if n == 2 {
			require.Equal(t, printed, line)
			cancel()
			continue
		}
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Equal(t, 3, n)
}

// linesOf reads so many lines.
func linesOf(t *testing.T, client *rest.Client, plugin string, n int) []engine.LogLine {
	t.Helper()
	var out []engine.LogLine
	lines, err := client.HandlerLog(t.Context(), plugin, false)
	require.NoError(t, err)
	for line, err := range lines {
		require.NoError(t, err)
		if out = append(out, line); len(out) == n {
			break
		}
	}
	return out
}

func TestALogThatIsFollowedEndsWithTheServer(t *testing.T) {
	t.Parallel()
	store := resttest.New()
	server, err := rest.NewServer(rest.Config{Store: store})
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served, closed := make(chan error, 1), make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	store.Say(engine.LogLine{Text: "hello"})
	var last error
	n := 0
	lines, err := newPlainClient(t, listener.Addr().String()).HandlerLog(t.Context(), "", true)
	require.NoError(t, err)
	for _, err := range lines {
		if n++; n == 1 {
			go func() { closed <- server.Close(context.Background()) }()
		}
		last = err
	}
	require.ErrorIs(t, last, engine.ErrClosed)
	require.NoError(t, <-closed)
	require.NoError(t, <-served)
}
