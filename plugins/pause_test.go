package plugins_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/plugintest/hostile"
)

// hostileModule returns the module of a name.
func hostileModule(tb testing.TB, name string) []byte {
	tb.Helper()
	for _, m := range hostile.Modules() {
		if m.Name == name {
			return m.Code
		}
	}
	require.Fail(tb, "no module "+name)
	return nil
}

func TestTheWorldCanBeStoppedWhileAHandlerRuns(t *testing.T) {
	began := make(chan struct{})
	h := newHost(t, plugins.Config{Listen: func(plugins.Line) { close(began) }})
	m, err := h.Load(t.Context(), hostileModule(t, "a log line, and an endless loop"), plugins.Limits{Fuel: 4_000_000_000})
	require.NoError(t, err)
	call, err := plugins.Begin(t.Context(), m, conflict("k", "a", "b"))
	require.NoError(t, err)
	<-began
	for before := call.Left(); before > 0 && call.Left() == before; {
		runtime.Gosched() // it is not in its loop yet
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats) // stops the world: a call that cannot be interrupted uses up its fuel first
	left := call.Left()
	var trap *plugins.Trap
	require.ErrorAs(t, call.Wait(), &trap)
	require.Positive(t, left)
}
