package rest_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
	"github.com/kvnode/kvnode/rest/resttest"
)

// seen answers a read with what was asked for.
type seen struct{ *resttest.Store }

func (s seen) Get(_ context.Context, table, key string) (engine.Entry, error) {
	return engine.Entry{Key: key, Value: []byte(table + "\x00" + key)}, nil
}

// judged shows keys with siblings as a handler decided.
type judged struct {
	*resttest.Store

	mu    sync.Mutex
	state engine.State
	value string
}

// judge sets the verdict; "" deletes.
func (j *judged) judge(state engine.State, value string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state, j.value = state, value
}

func (j *judged) Get(ctx context.Context, table, key string) (engine.Entry, error) {
	e, err := j.Store.Get(ctx, table, key)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil || len(e.Siblings) < 2 {
		return e, err
	}
	e.State, e.Value = j.state, []byte(j.value)
	if j.value == "" {
		e.Deleted, e.Value = true, nil
		return e, engine.ErrNotFound
	}
	return e, nil
}

// conflict gives the key k of the table t two siblings.
func conflict(t *testing.T, store *resttest.Store) {
	t.Helper()
	e, err := store.Get(t.Context(), "t", "k")
	require.ErrorIs(t, err, engine.ErrNotFound)
	for _, value := range []string{"one", "\xfftwo"} {
		_, err := store.Put(t.Context(), "t", []engine.KV{{Key: "k", Value: []byte(value)}}, engine.WithContext(e.Context))
		require.NoError(t, err)
	}
}

// failing breaks every match and every watch off after the first step.
type failing struct{ *resttest.Store }

func (f failing) Match(ctx context.Context, table string, p engine.Pattern) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		for e, err := range f.Store.Match(ctx, table, p) {
			if yield(e, err) && err == nil {
				yield(engine.Entry{}, engine.ErrOverloaded)
			}
			return
		}
	}
}

// panicking has a defect.
type panicking struct{ *resttest.Store }

func (panicking) Tables(context.Context) ([]engine.TableInfo, error) { panic("a defect") }

func (p panicking) Match(context.Context, string, engine.Pattern) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		for range 1000 {
			yield(engine.Entry{Key: "k", Value: make([]byte, 1000)}, nil)
		}
		panic("a late defect")
	}
}

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func newRequest(tb testing.TB, method, target string) *http.Request {
	tb.Helper()
	return httptest.NewRequestWithContext(tb.Context(), method, target, http.NoBody)
}

// serveText answers every request with the same text.
func serveText(t *testing.T, status int, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, err := w.Write([]byte(body))
		if err != nil && !errors.Is(err, http.ErrHandlerTimeout) {
			t.Errorf("answer: %s", err)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// newPlainClient returns a client that nobody checks.
func newPlainClient(t *testing.T, addr string) *rest.Client {
	t.Helper()
	client, err := rest.NewClient(addr)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}
