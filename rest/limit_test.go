package rest_test

import (
	"bufio"
	"context"
	"fmt"
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

// stalled takes puts, and answers none until it is released.
type stalled struct {
	*resttest.Store

	arrived chan struct{}
	release chan struct{}
}

func (s stalled) Put(ctx context.Context, table string, kvs []engine.KV, opts ...engine.WriteOption) (engine.Written, error) {
	s.arrived <- struct{}{}
	<-s.release
	return s.Store.Put(ctx, table, kvs, opts...)
}

// limited serves the table t of a stalled store with limits.
func limited(t *testing.T, config rest.Config) (stalled, *rest.Server, string) {
	t.Helper()
	store := stalled{Store: resttest.New(), arrived: make(chan struct{}, 100), release: make(chan struct{})}
	_, err := store.CreateTable(t.Context(), "t", engine.TableOptions{})
	require.NoError(t, err)
	config.Store = store
	server, addr := serve(t, config)
	return store, server, addr
}

// serve serves until the test ends.
func serve(t *testing.T, config rest.Config) (*rest.Server, string) {
	t.Helper()
	server, err := rest.NewServer(config)
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, server.Close(ctx))
		require.NoError(t, <-served)
	})
	return server, listener.Addr().String()
}

// putLater puts a value of so many bytes in a goroutine, and waits until it is at the store.
func (s stalled) putLater(t *testing.T, addr, key string, size int) <-chan error {
	t.Helper()
	client := newPlainClient(t, addr)
	done := make(chan error, 1)
	go func() {
		_, err := client.Put(t.Context(), "t", []engine.KV{{Key: key, Value: make([]byte, size)}})
		done <- err
	}()
	<-s.arrived
	return done
}

func TestMoreRequestsThanTheLimitAreRefusedAndTheNodeCanStillBeLookedAt(t *testing.T) {
	t.Parallel()
	store, server, addr := limited(t, rest.Config{MaxRequests: 2})
	first, second := store.putLater(t, addr, "a", 1), store.putLater(t, addr, "b", 1)
	require.Equal(t, 2, server.Load().Requests)
	got := do(t, addr, http.MethodPut, "/v1/tables/t/keys/c", "v")
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.Equal(t, "overloaded", got.code(t))
	require.Equal(t, "1", got.header.Get("Retry-After"))
	require.Contains(t, got.body, "try again later")
	for _, path := range []string{"/healthz", "/readyz", "/v1/cluster/status"} {
		require.Equal(t, http.StatusOK, do(t, addr, http.MethodGet, path, "").status, path)
	}
	_, err := newPlainClient(t, addr).Tables(t.Context())
	require.ErrorIs(t, err, engine.ErrOverloaded, "the client's error is the library's")
	require.EqualValues(t, 2, server.Load().Refused)
	close(store.release)
	require.NoError(t, <-first)
	require.NoError(t, <-second)
	require.Equal(t, http.StatusOK, do(t, addr, http.MethodPut, "/v1/tables/t/keys/c", "v").status)
}

func TestRequestBodiesInMemoryAreBounded(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	store, server, addr := limited(t, rest.Config{MaxBodyBytes: 3*mib + mib/2})
	first, second := store.putLater(t, addr, "a", mib), store.putLater(t, addr, "b", mib)
	held := server.Load().BodyBytes
	require.GreaterOrEqual(t, held, int64(2*mib))
	require.Less(t, held, int64(2*mib+mib/2))
	got := do(t, addr, http.MethodPut, "/v1/tables/t/keys/c", strings.Repeat("v", 2*mib))
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.Equal(t, "overloaded", got.code(t))
	require.Equal(t, "1", got.header.Get("Retry-After"))
	close(store.release)
	require.NoError(t, <-first)
	require.NoError(t, <-second)
	require.Equal(t, http.StatusOK, do(t, addr, http.MethodPut, "/v1/tables/t/keys/c", strings.Repeat("v", 2*mib)).status)
	awaitLoad(t, server, func(l rest.Load) bool { return l.BodyBytes == 0 && l.Requests == 0 })
}

// awaitLoad waits until the server's load is as wanted.
func awaitLoad(t *testing.T, server *rest.Server, wanted func(rest.Load) bool) {
	t.Helper()
	require.Eventually(t, func() bool { return wanted(server.Load()) }, 30*time.Second, time.Millisecond)
}

func TestBatchesCountTwiceForTheyAreDecoded(t *testing.T) {
	t.Parallel()
	_, _, addr := limited(t, rest.Config{MaxBodyBytes: 1500})
	body := fmt.Sprintf(`{"keys":[{"key":"%s"}]}`, strings.Repeat("k", 900))
	got := do(t, addr, http.MethodPost, "/v1/tables/t/entries/delete", body, "Content-Type", "application/json")
	require.Equal(t, "overloaded", got.code(t))
}

func TestClientThatAnnouncesABodyHoldsRoomForWhatItHasSentOnly(t *testing.T) {
	t.Parallel()
	_, server, addr := limited(t, rest.Config{})
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	_, err = fmt.Fprintf(conn, "PUT /v1/tables/t/keys/k HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nbegin", engine.MaxValueBytes)
	require.NoError(t, err)
	awaitLoad(t, server, func(l rest.Load) bool { return l.BodyBytes > 0 })
	require.LessOrEqual(t, server.Load().BodyBytes, int64(64<<10))
	require.NoError(t, conn.Close())
	awaitLoad(t, server, func(l rest.Load) bool { return l.BodyBytes == 0 })
}

func TestMoreWatchesThanTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	store, server, addr := limited(t, rest.Config{MaxStreams: 1})
	client := newPlainClient(t, addr)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := client.Watch(ctx, "t", engine.Pattern{Key: "*"})
	require.NoError(t, err)
	_, err = client.Watch(t.Context(), "t", engine.Pattern{Key: "*"})
	require.ErrorIs(t, err, engine.ErrOverloaded)
	cancel()
	require.NoError(t, store.AwaitWatchers(t.Context(), 0))
	awaitLoad(t, server, func(l rest.Load) bool { return l.Requests == 0 })
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	_, err = client.Watch(ctx, "t", engine.Pattern{Key: "*"})
	require.NoError(t, err)
}

// watchSilently opens a watch of the table t whose client reads nothing but the first line of the answer, and no more than it must.
func watchSilently(t *testing.T, addr string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprint(conn, "GET /v1/tables/t/watch HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	status, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, status, "200")
}

func TestWatchesShareABoundedRoomAndThoseThatReadSeeTheFinalState(t *testing.T) {
	t.Parallel()
	const room = 4 << 20
	store := resttest.New()
	_, err := store.CreateTable(t.Context(), "t", engine.TableOptions{})
	require.NoError(t, err)
	server, addr := serve(t, rest.Config{Store: store, RequestTimeout: 3 * time.Second, MaxStreamBytes: room})
	for range 4 {
		watchSilently(t, addr)
	}
	changes, err := newPlainClient(t, addr).Watch(t.Context(), "t", engine.Pattern{Key: "*"})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		for change, err := range changes {
			if err != nil || string(change.Entry.Value) == "final" {
				ended <- err
				return
			}
		}
	}()
	for range 40 {
		put(t, store, "k", strings.Repeat("v", 512<<10))
		require.LessOrEqual(t, server.Load().StreamBytes, int64(room))
	}
	put(t, store, "k", "final")
	require.NoError(t, <-ended)
	require.LessOrEqual(t, server.Load().StreamBytes, int64(room))
	awaitLoad(t, server, func(l rest.Load) bool { return l.Requests == 0 && l.StreamBytes == 0 })
}

func TestWatchThatDoesNotKeepUpIsToldSo(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	changes, err := newPlainClient(t, addr).Watch(t.Context(), "t", engine.Pattern{Key: "*"})
	require.NoError(t, err)
	for range 200 {
		put(t, store, "k", strings.Repeat("v", 256<<10)) // more than sockets and the store's buffer take
	}
	require.ErrorIs(t, lastError(changes), engine.ErrOverloaded)
}

func TestWatchWhoseClientNeverReadsIsCut(t *testing.T) {
	t.Parallel()
	store := resttest.New()
	_, err := store.CreateTable(t.Context(), "t", engine.TableOptions{})
	require.NoError(t, err)
	server, addr := serve(t, rest.Config{Store: store, RequestTimeout: 100 * time.Millisecond})
	watchSilently(t, addr)
	for server.Load().Requests > 0 {
		put(t, store, "k", strings.Repeat("v", 1<<20))
	}
	require.NoError(t, store.AwaitWatchers(t.Context(), 0))
}
