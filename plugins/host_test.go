package plugins_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

func TestMain(m *testing.M) {
	code := plugintest.RunWithCache(m, &cacheDir)
	if err := goleak.Find(); err != nil && code == 0 {
		panic(err)
	}
	os.Exit(code)
}

func TestTheCacheDirectoryMustBeOurs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	newHost(t, plugins.Config{CacheDir: dir})
	stat, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), stat.Mode().Perm())

	require.NoError(t, os.Chmod(dir, 0o777))
	_, err = plugins.NewHost(plugins.Config{CacheDir: dir})
	require.ErrorIs(t, err, plugins.ErrCacheDir)
	require.ErrorContains(t, err, "chmod 700")

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = plugins.NewHost(plugins.Config{CacheDir: file})
	require.ErrorIs(t, err, plugins.ErrCacheDir)
}

func TestTheCacheServesModulesThatAreOpenTwice(t *testing.T) {
	h := newHost(t, plugins.Config{CacheDir: t.TempDir()})
	one, err := h.Load(t.Context(), examples.Union(), plugins.Limits{})
	require.NoError(t, err)
	two, err := h.Load(t.Context(), examples.Union(), plugins.Limits{})
	require.NoError(t, err)
	require.NoError(t, one.Close(t.Context()))
	require.Equal(t, "a\nb", string(resolve(t, two, conflict("k", "a", "b")).Value), "closing one leaves the other")
}

func TestADamagedCacheIsDoneWithout(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	log := newRecorder()
	h := newHost(t, plugins.Config{CacheDir: dir, Logger: slog.New(log)})
	_, err := h.Check(t.Context(), examples.Union(), plugins.Limits{})
	require.NoError(t, err)
	damage(t, dir)
	m, err := h.Load(t.Context(), examples.Union(), plugins.Limits{})
	require.NoError(t, err)
	require.Equal(t, "a\nb", string(resolve(t, m, conflict("k", "a", "b")).Value))
}

// damage cuts every file below dir in half.
func damage(t *testing.T, dir string) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Truncate(path, info.Size()/2)
	}))
	require.Positive(t, files)
}

func TestTheCacheIsBoundedWhenAHostBegins(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	now, before := filepath.Join(dir, "wazero-now"), filepath.Join(dir, "wazero-before")
	require.NoError(t, os.Mkdir(now, 0o700))
	require.NoError(t, os.Mkdir(before, 0o700))
	write := func(path string, mib int64, age time.Duration) {
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Truncate(path, mib<<20))
		at := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(path, at, at))
	}
	newest, middle, oldest := filepath.Join(now, "newest"), filepath.Join(before, "middle"), filepath.Join(now, "oldest")
	foreign := filepath.Join(dir, "somebody's")
	write(foreign, 1000, 9*time.Hour)
	write(newest, 100, time.Hour)
	write(oldest, 57, 3*time.Hour)
	write(middle, 100, 2*time.Hour)
	newHost(t, plugins.Config{CacheDir: dir})
	require.FileExists(t, newest)
	require.FileExists(t, middle)
	require.NoFileExists(t, oldest, "one MiB too much")
	require.FileExists(t, foreign, "it is not ours")
	write(oldest, 56, 3*time.Hour)
	newHost(t, plugins.Config{CacheDir: dir})
	require.FileExists(t, oldest)
}

func TestNewHostRefusesNegativeWorkers(t *testing.T) {
	_, err := plugins.NewHost(plugins.Config{Workers: -1})
	require.ErrorIs(t, err, plugins.ErrConfig)
}

// held is a module of one worker of which a call is in the middle, until release is called.
func held(t *testing.T) (m *plugins.Module, release func()) {
	t.Helper()
	entered, leave := make(chan struct{}), make(chan struct{})
	log := newRecorder()
	log.hook = func() {
		entered <- struct{}{}
		<-leave
	}
	m, err := newHost(t, plugins.Config{Logger: slog.New(log), Workers: 1}).
		Load(t.Context(), plugintest.Module(t, "imports"), plugins.Limits{})
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := m.Resolve(t.Context(), conflict("l", "a", "b")); err != nil {
			t.Error(err)
		}
	})
	<-entered
	return m, func() {
		close(leave)
		wg.Wait()
	}
}

func TestTheContextEndsTheWaitForAnInstance(t *testing.T) {
	m, release := held(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.Resolve(ctx, conflict("n", "a", "b"))
	require.ErrorIs(t, err, plugins.ErrHost)
	require.ErrorIs(t, err, context.Canceled)
	release()
	_, err = m.Resolve(ctx, conflict("n", "a", "b"))
	require.NoError(t, err, "nobody had to wait")
}

func TestCloseWaitsForCallsAndRefusesOthers(t *testing.T) {
	m, release := held(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := m.Resolve(t.Context(), conflict("n", "a", "b")); err == nil {
			t.Error("a call that waits must end when the module closes")
		}
		release()
	})
	require.NoError(t, m.Close(t.Context()))
	wg.Wait()
	_, err := m.Resolve(t.Context(), conflict("n", "a", "b"))
	require.ErrorIs(t, err, plugins.ErrClosed)
	require.ErrorIs(t, err, plugins.ErrHost)
	require.NoError(t, m.Close(t.Context()), "closing twice is harmless")
}

func TestCloseOfTheHostClosesItsModules(t *testing.T) {
	h, err := plugins.NewHost(plugins.Config{})
	require.NoError(t, err)
	m, err := h.Load(t.Context(), examples.Newest(), plugins.Limits{})
	require.NoError(t, err)
	require.NoError(t, h.Close(t.Context()))
	_, err = m.Resolve(t.Context(), conflict("k", "a", "b"))
	require.ErrorIs(t, err, plugins.ErrClosed)
	_, err = h.Load(t.Context(), examples.Newest(), plugins.Limits{})
	require.ErrorIs(t, err, plugins.ErrClosed)
	require.NoError(t, h.Close(t.Context()))
}

func TestLoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newHost(t, plugins.Config{}).Load(ctx, examples.Cart(), plugins.Limits{})
	require.ErrorIs(t, err, plugins.ErrHost)
	require.ErrorIs(t, err, context.Canceled)
}
