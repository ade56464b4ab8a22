package rest_test

import (
	"bufio"
	"context"
	"iter"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
	"github.com/kvnode/kvnode/rest/resttest"
)

func TestAWatchSeesEveryWriteThatBeginsAfterIt(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	client := newClient(t, addr)
	changes, err := client.Watch(t.Context(), "t", engine.Pattern{Key: "a*"})
	require.NoError(t, err)
	next, stop := iter.Pull2(changes)
	put(t, store, "b", "not watched")
	put(t, store, "a\xff", "1")
	_, err = store.Delete(t.Context(), "t", []string{"a\xff"})
	require.NoError(t, err)

	change, err, ok := next()
	require.True(t, ok)
	require.NoError(t, err)
	require.Equal(t, "a\xff", change.Entry.Key)
	require.Equal(t, "1", string(change.Entry.Value))
	require.Equal(t, "t", change.Table)
	require.False(t, change.Deleted)
	change, err, ok = next()
	require.True(t, ok)
	require.NoError(t, err)
	require.True(t, change.Deleted)
	stop()
	require.NoError(t, store.AwaitWatchers(t.Context(), 0), "the end of the iteration ends the subscription")
}

func put(t *testing.T, store *resttest.Store, key, value string) {
	t.Helper()
	_, err := store.Put(t.Context(), "t", []engine.KV{{Key: key, Value: []byte(value)}})
	require.NoError(t, err)
}

func TestAWatchSaysWhyItEnds(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	client := newClient(t, addr)
	_, err := client.Watch(t.Context(), "u", engine.Pattern{Key: "*"})
	require.ErrorIs(t, err, engine.ErrNoTable)
	changes, err := client.Watch(t.Context(), "t", engine.Pattern{Key: "*"})
	require.NoError(t, err)
	require.NoError(t, store.DropTable(t.Context(), "t"))
	require.ErrorIs(t, lastError(changes), engine.ErrNoTable)
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	ctx, cancel := context.WithCancel(t.Context())
	changes, err := newClient(t, addr).Watch(ctx, "t", engine.Pattern{Key: "*"})
	require.NoError(t, err)
	require.NoError(t, store.AwaitWatchers(t.Context(), 1))
	cancel()
	require.ErrorIs(t, lastError(changes), context.Canceled)
	require.NoError(t, store.AwaitWatchers(t.Context(), 0))
}

// lastError reads a watch to its end.
func lastError(changes iter.Seq2[engine.Change, error]) error {
	var last error
	for _, err := range changes {
		last = err
	}
	return last
}

func TestCloseEndsTheWatchesAndLetsTheOthersFinish(t *testing.T) {
	t.Parallel()
	store, _ := table(t)
	server, err := rest.NewServer(rest.Config{Store: store})
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	client := newPlainClient(t, listener.Addr().String())
	changes, err := client.Watch(t.Context(), "t", engine.Pattern{Key: "*"})
	require.NoError(t, err)
	closed := make(chan error, 1)
	go func() { closed <- server.Close(t.Context()) }()
	require.ErrorIs(t, lastError(changes), engine.ErrClosed)
	require.NoError(t, <-closed)
	require.NoError(t, <-served)
	require.NoError(t, server.Close(t.Context()), "closing twice is no error")
	_, err = client.Tables(t.Context())
	require.ErrorIs(t, err, rest.ErrUnreachable)
}

func TestAQuietWatchSaysThatItLives(t *testing.T) {
	t.Parallel()
	store, _ := table(t)
	addr := start(t, store, func(c *rest.Config) { c.Heartbeat = time.Millisecond })
	lines := watchLines(t, addr, "application/x-ndjson")
	require.JSONEq(t, `{"type":"ready"}`, <-lines)
	require.JSONEq(t, `{"type":"heartbeat"}`, <-lines)
	put(t, store, "k", "1")
	for line := range lines {
		if !strings.Contains(line, "heartbeat") {
			require.Contains(t, line, `"type":"put"`)
			return
		}
	}
	t.Fatal("the watch ended")
}

func TestAWatchIsAlsoServerSentEvents(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	lines := watchLines(t, addr, "text/event-stream")
	require.Equal(t, "event: ready", <-lines)
	require.Equal(t, `data: {"type":"ready"}`, <-lines)
	require.Empty(t, <-lines)
	put(t, store, "k", "a\nb")
	require.Equal(t, "event: put", <-lines)
	data, ok := strings.CutPrefix(<-lines, "data: ")
	require.True(t, ok)
	require.Contains(t, data, `"value":"a\nb"`, "an event is one line, whatever the value holds")
	require.Empty(t, <-lines)
}

// watchLines sends the lines of a watch of the table t until the test ends.
func watchLines(t *testing.T, addr, accept string) <-chan string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/v1/tables/t/watch", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultTransport.RoundTrip(req) //nolint:bodyclose // the goroutine closes it
	require.NoError(t, err)
	require.Equal(t, accept, resp.Header.Get("Content-Type"))
	lines := make(chan string)
	go func() {
		defer func() { _ = resp.Body.Close() }()
		defer close(lines)
		for scanner := bufio.NewScanner(resp.Body); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			case <-t.Context().Done():
				return
			}
		}
	}()
	return lines
}
