package plugins_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
)

// cacheDir is shared by the tests of this process.
//
//nolint:gochecknoglobals // set by TestMain
var cacheDir string

// newHost makes a host for one test.
func newHost(tb testing.TB, c plugins.Config) *plugins.Host {
	tb.Helper()
	h, err := plugins.NewHost(c)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, h.Close(context.Background())) })
	return h
}

// load loads a module for one test.
func load(tb testing.TB, module []byte, l plugins.Limits) *plugins.Module {
	tb.Helper()
	m, err := newHost(tb, plugins.Config{CacheDir: cacheDir}).Load(tb.Context(), module, l)
	require.NoError(tb, err)
	return m
}

// conflict is a conflict of the values, oldest first.
func conflict(key string, values ...string) plugins.Input {
	in := plugins.Input{Key: []byte(key)}
	for i, v := range values {
		in.Versions = append(in.Versions, plugins.Version{Value: []byte(v), Time: uint64(i + 1), Origin: uint64(i + 1)})
	}
	return in
}

// resolve returns the verdict of a call that must not trap.
func resolve(tb testing.TB, m *plugins.Module, in plugins.Input) plugins.Verdict {
	tb.Helper()
	v, err := m.Resolve(tb.Context(), in)
	require.NoError(tb, err)
	return v
}

// trap returns the trap of a call that must.
func trap(tb testing.TB, m *plugins.Module, in plugins.Input) *plugins.Trap {
	tb.Helper()
	_, err := m.Resolve(tb.Context(), in)
	var t *plugins.Trap
	require.ErrorAs(tb, err, &t)
	require.NotErrorIs(tb, err, plugins.ErrHost)
	return t
}

// record is one log record, as "LEVEL message text".
type record string

// recorder is a slog.Handler that keeps what is logged, and calls hook for each.
type recorder struct {
	mu      *sync.Mutex
	records *[]record
	hook    func()
}

func newRecorder() recorder {
	return recorder{mu: new(sync.Mutex), records: new([]record), hook: func() {}}
}

func (r recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r recorder) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r recorder) WithGroup(string) slog.Handler            { return r }

func (r recorder) Handle(_ context.Context, rec slog.Record) error {
	line := rec.Level.String() + " " + rec.Message
	rec.Attrs(func(a slog.Attr) bool {
		line += " " + a.Value.String()
		return true
	})
	r.mu.Lock()
	*r.records = append(*r.records, record(line))
	r.mu.Unlock()
	r.hook()
	return nil
}

func (r recorder) all() []record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]record(nil), *r.records...)
}
