package rest_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
	"github.com/kvnode/kvnode/rest/resttest"
)

func TestTablesPluginsConflictsAndClusterAnswerAsTheStore(t *testing.T) {
	t.Parallel()
	store := resttest.New()
	client := newClient(t, start(t, store))
	ctx := t.Context()
	options := engine.TableOptions{Type: engine.OrderedSet, Ack: engine.AckOne, Unresolved: engine.LWW, Deletes: engine.VisibleDeletes, Handler: "h"}
	created, err := client.CreateTable(ctx, "t", options)
	require.NoError(t, err)
	require.Equal(t, options, created.Options)
	_, err = client.CreateTable(ctx, "t", engine.TableOptions{})
	require.ErrorIs(t, err, engine.ErrTableExists)
	require.EqualError(t, err, "table exists with other options: it has "+options.String(), "the text of the store comes through")
	tables, err := client.Tables(ctx)
	require.NoError(t, err)
	require.Equal(t, []engine.TableInfo{created}, tables)

	plugin, err := client.InstallPlugin(ctx, "h", []byte("\x00asm\x01"), engine.Limits{MemoryBytes: 1 << 20, Fuel: 5, OutputBytes: 6, Reset: engine.ResetNone})
	require.NoError(t, err)
	record, err := client.Activate(ctx, "t", plugin.SHA256[:8])
	require.NoError(t, err)
	require.Equal(t, plugin.SHA256, record.SHA256)
	plugins, err := client.Plugins(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"t"}, plugins[0].Tables)
	require.Equal(t, engine.Limits{MemoryBytes: 1 << 20, Fuel: 5, OutputBytes: 6, Reset: engine.ResetNone}, plugins[0].Limits)
	info, err := client.Table(ctx, "t")
	require.NoError(t, err)
	require.Equal(t, &record, info.Active)

	want := engine.Conflict{
		ID: "abcd", Table: "t", Key: "\xff", Versions: []engine.Version{{Value: []byte("1"), Dot: "a:1"}, {Dot: "a:2"}},
		Base: &engine.Version{Value: []byte("0"), Dot: "b:1"}, State: engine.Kept, Verdict: "keep", Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Open: true,
		Recorded: &engine.Outcome{State: engine.Resolved, Verdict: "value", Value: []byte("\xff"), Reason: "why"},
	}
	store.AddConflict(want)
	conflicts, err := client.Conflicts(ctx)
	require.NoError(t, err)
	require.Equal(t, []engine.Conflict{want}, conflicts)
	one, err := client.Conflict(ctx, "ab")
	require.NoError(t, err)
	require.Equal(t, want, one)
	_, err = client.Conflict(ctx, "x/y")
	require.ErrorIs(t, err, engine.ErrNoConflict)

	members, err := client.Members(ctx)
	require.NoError(t, err)
	require.Equal(t, "a", members[0].Name)
	status, err := client.Status(ctx)
	require.NoError(t, err)
	require.True(t, status.Ready)
	require.Equal(t, members, status.Members)
	require.NoError(t, client.ClearTable(ctx, "t"))
	require.NoError(t, client.DropTable(ctx, "t"))
	require.ErrorIs(t, client.DropTable(ctx, "t"), engine.ErrNoTable)
}

func TestTheDocumentIsServed(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	got := do(t, addr, http.MethodGet, "/v1/openapi.yaml", "")
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, rest.OpenAPI(), got.body)
	head := do(t, addr, http.MethodHead, "/v1/openapi.yaml", "")
	require.Equal(t, http.StatusOK, head.status)
	require.Empty(t, head.body)
}

func TestHealthIsOfTheProcessAndReadinessOfItsData(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	require.JSONEq(t, `{"status":"ready"}`, do(t, addr, http.MethodGet, "/readyz", "").body)
	store.SetReady(false, "")
	require.Equal(t, http.StatusOK, do(t, addr, http.MethodGet, "/healthz", "").status)
	got := do(t, addr, http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.Equal(t, "not_ready", got.code(t))
	require.NotEmpty(t, got.header.Get("Retry-After"))
	status, err := newClient(t, addr).Status(t.Context())
	require.NoError(t, err, "an unready node still describes itself")
	require.False(t, status.Ready)
}

func TestSizesHaveLimitsWithNamedErrors(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	client := newClient(t, addr)
	largest := make([]byte, engine.MaxValueBytes)
	_, err := client.Put(t.Context(), "t", []engine.KV{{Key: "k", Value: largest}}, rest.WithAck(engine.AckLocal))
	require.NoError(t, err)
	for _, body := range []io.Reader{bytes.NewReader(append(largest, 0)), io.MultiReader(bytes.NewReader(largest), strings.NewReader("x"))} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+addr+"/v1/tables/t/keys/k", body)
		require.NoError(t, err)
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
	}
	_, err = newPlainClient(t, addr).Put(t.Context(), "t", []engine.KV{{Key: "k", Value: append(largest, 0)}})
	require.ErrorIs(t, err, engine.ErrValueTooLarge)
	_, err = newPlainClient(t, addr).InstallPlugin(t.Context(), "p", make([]byte, rest.MaxModuleBytes+1), engine.Limits{})
	require.ErrorIs(t, err, engine.ErrModuleTooLarge)
	_, err = client.InstallPlugin(t.Context(), "p", []byte("ELF"), engine.Limits{})
	require.ErrorIs(t, err, engine.ErrBadModule)
}

func TestAnUnreadyNodeLetsAReadyPeerAnswer(t *testing.T) {
	t.Parallel()
	peer, peerAddr := table(t)
	store, addr := table(t)
	store.SetReady(false, peerAddr)
	client := newClient(t, addr)
	for _, key := range hostileKeys() {
		_, err := client.Put(t.Context(), "t", []engine.KV{{Key: key, Value: []byte(key)}})
		require.NoError(t, err, "%q", key)
		e, err := peer.Get(t.Context(), "t", key)
		require.NoError(t, err, "%q", key)
		require.Equal(t, key, string(e.Value))
	}
	_, err := store.Get(t.Context(), "t", "k")
	require.ErrorIs(t, err, engine.ErrNotFound, "the unready node wrote nothing itself")
	_, err = client.Put(t.Context(), "u", []engine.KV{{Key: "k"}})
	require.ErrorIs(t, err, engine.ErrNoTable, "the peer's errors come through")
	changes, err := client.Watch(t.Context(), "t", engine.Pattern{Key: "w"})
	require.NoError(t, err)
	put(t, peer, "w", "1")
	for change, err := range changes {
		require.NoError(t, err)
		require.Equal(t, "w", change.Entry.Key)
		break
	}
}

func TestTwoUnreadyNodesDoNotPassARequestToAndFro(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	other, otherAddr := table(t)
	store.SetReady(false, otherAddr)
	other.SetReady(false, addr)
	_, err := newClient(t, addr).Tables(t.Context())
	require.ErrorIs(t, err, engine.ErrNotReady)
	store.SetReady(false, "")
	_, err = newClient(t, addr).Tables(t.Context())
	require.ErrorIs(t, err, engine.ErrNotReady)
}

func TestAPeerThatDoesNotAnswerIsNamed(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	store, addr := table(t)
	store.SetReady(false, listener.Addr().String())
	_, err = newClient(t, addr).Tables(t.Context())
	require.ErrorIs(t, err, rest.ErrPeerFailed)
	require.ErrorContains(t, err, listener.Addr().String())
}

// syncBuffer is a buffer for a log that is read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestAPanicCostsOneRequestAndIsLogged(t *testing.T) {
	t.Parallel()
	store, _ := table(t)
	log := &syncBuffer{}
	addr := start(t, panicking{store}, func(c *rest.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	got := do(t, addr, http.MethodGet, "/v1/tables", "")
	require.Equal(t, http.StatusInternalServerError, got.status)
	require.Equal(t, "internal", got.code(t))
	require.NotContains(t, got.body, "defect", "the cause is for the log")
	require.Contains(t, log.String(), "a defect")

	var last error
	for _, err := range newPlainClient(t, addr).Match(t.Context(), "t", engine.Pattern{Key: "*"}) {
		last = err
	}
	require.ErrorIs(t, last, rest.ErrUnreachable, "an answer that broke off is not a whole one")
	require.Equal(t, http.StatusOK, do(t, addr, http.MethodGet, "/healthz", "").status)
}

func TestAClientThatWaitsTooLongSaysForWhom(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	_, err := newPlainClient(t, addr).Tables(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, addr)
}

func TestAddressesOfNodes(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	for _, good := range []string{addr, "http://" + addr, "http://" + addr + "/"} {
		_, err := newPlainClient(t, good).Tables(t.Context())
		require.NoError(t, err, good)
	}
	for _, bad := range []string{"", "http://", "ftp://a", "http://a?b", ":7070", "a b", "http://a/#x", "a:99999", "a:0", "https://a:http"} {
		_, err := rest.NewClient(bad)
		require.ErrorIs(t, err, rest.ErrBadRequest, bad)
	}
}

func TestConfigRefusesNonsenseByName(t *testing.T) {
	t.Parallel()
	for field, config := range map[string]rest.Config{
		"Store":          {},
		"Heartbeat":      {Store: resttest.New(), Heartbeat: -1},
		"RequestTimeout": {Store: resttest.New(), RequestTimeout: -1},
	} {
		_, err := rest.NewServer(config)
		require.ErrorContains(t, err, field)
	}
}
