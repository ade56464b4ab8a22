package plugins_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

func TestTheSurroundingsAreFixedValues(t *testing.T) {
	m := load(t, plugintest.Module(t, "imports"), plugins.Limits{})
	value := func(key string) string { return string(resolve(t, m, conflict(key, "a", "b")).Value) }
	const zero8 = "\x00\x00\x00\x00\x00\x00\x00\x00"
	require.Equal(t, "\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00", value("t"), "time and resolution")
	require.Equal(t, zero8+zero8, value("n"), "no arguments")
	require.Equal(t, "\x08\x00\x00\x00\x34\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00", value("c"), "read, poll, yield, write to 3")
	require.Equal(t, "\x00\x00\x00\x00\x0c\x00\x00\x00"+zero8, value("w"), "12 bytes written")
	require.Equal(t, "\x15\x00\x00\x00", value("W")[:4], "bad address")
}

func TestRandomnessIsAFixedStream(t *testing.T) {
	m := load(t, plugintest.Module(t, "imports"), plugins.Limits{})
	first := resolve(t, m, conflict("r", "a", "b")).Value
	require.NotEqual(t, first[:8], first[8:])
	require.Equal(t, first, resolve(t, m, conflict("r", "a", "b")).Value)
	require.Equal(t, first, resolve(t, m, conflict("random", "other", "values")).Value)
}

func TestWhatTheHostDoesForAHandlerCostsFuel(t *testing.T) {
	m := load(t, plugintest.Module(t, "imports"), plugins.Limits{})
	require.Contains(t, trap(t, m, conflict("R", "a", "b")).Reason, "out of fuel")
}

func TestTrapsOfHostFunctionsSayWhy(t *testing.T) {
	m := load(t, plugintest.Module(t, "imports"), plugins.Limits{})
	require.Equal(t, "abort at line 12 column 7: no", trap(t, m, conflict("a", "a", "b")).Reason)
	require.Equal(t, "exit status 2: world", trap(t, m, conflict("x", "a", "b")).Reason)
	require.Equal(t, "unreachable: hello", trap(t, m, conflict("E", "a", "b")).Reason)
	require.Equal(t, "out of bounds log message", trap(t, m, conflict("L", "a", "b")).Reason)
}

func TestAPanicInGoIsATrapThatNamesIt(t *testing.T) {
	m := load(t, plugintest.BuildGo(t, "testdata/modules/maporder"), plugins.Limits{})
	require.Equal(t, "exit status 2: panic: the key is trap", trap(t, m, conflict("trap", "a", "b")).Reason)
}

func TestATrapOfGoSaysWhyTheRuntimeEndsAndNotWhatWasPrintedBefore(t *testing.T) {
	m := load(t, plugintest.BuildGo(t, "testdata/modules/maporder"), plugins.Limits{})
	require.Equal(t, "exit status 2: panic: the key is noisy", trap(t, m, conflict("noisy", "a", "b")).Reason)
	require.Equal(t, "exit status 3: over", trap(t, m, conflict("exit", "a", "b")).Reason, "the last complaint when the runtime has none")
	require.Equal(t, "exit status 2: thread 'main' panicked at src/lib.rs:3:5: no such item", trap(t, m, conflict("rust", "a", "b")).Reason)
}

func TestATrapWithoutMemoryInGoNamesTheLimit(t *testing.T) {
	m := load(t, plugintest.BuildGo(t, "testdata/modules/maporder"), plugins.Limits{})
	require.Equal(t, "unreachable: fatal error: out of memory (the memory limit of 16 MiB was reached)", trap(t, m, conflict("hoard", "a", "b")).Reason)
}

func TestWhatHandlersSayIsLoggedAtTheirLevel(t *testing.T) {
	log := newRecorder()
	m, err := newHost(t, plugins.Config{Logger: slog.New(log)}).Load(t.Context(), plugintest.Module(t, "imports"), plugins.Limits{})
	require.NoError(t, err)
	resolve(t, m, conflict("l", "a", "b"))
	resolve(t, m, conflict("w", "a", "b"))
	require.Equal(t, []record{"WARN handler says hello", "INFO handler says hello", "INFO handler says world"}, log.all())
}

func TestTheLogIsRateLimited(t *testing.T) {
	log, now := newRecorder(), time.Unix(1000, 0)
	h := newHost(t, plugins.Config{Logger: slog.New(log), Now: func() time.Time { return now }})
	m, err := h.Load(t.Context(), plugintest.Module(t, "imports"), plugins.Limits{})
	require.NoError(t, err)
	for range 50 {
		resolve(t, m, conflict("l", "a", "b"))
	}
	require.Len(t, log.all(), 20)
	now = now.Add(time.Second)
	resolve(t, m, conflict("l", "a", "b"))
	require.Equal(t, []record{"WARN handler log lines dropped 30", "WARN handler says hello"}, log.all()[20:])
}

func TestTheLogHasAllLinesWhereTheHostIsToldSo(t *testing.T) {
	log := newRecorder()
	m, err := newHost(t, plugins.Config{Logger: slog.New(log), LinesPerSecond: -1}).Load(t.Context(), plugintest.Module(t, "imports"), plugins.Limits{})
	require.NoError(t, err)
	for range 50 {
		resolve(t, m, conflict("l", "a", "b"))
	}
	require.Len(t, log.all(), 50)
}
