package plugins_test

import (
	"context"
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
	began, ended := make(chan struct{}), make(chan error, 1)
	h := newHost(t, plugins.Config{Listen: func(plugins.Line) { close(began) }})
	m, err := h.Load(t.Context(), hostileModule(t, "a log line, and an endless loop"), plugins.Limits{Fuel: 2_000_000_000})
	require.NoError(t, err)
	go func() {
		_, err := m.Resolve(context.WithoutCancel(t.Context()), conflict("k", "a", "b"))
		ended <- err
	}()
	<-began
	stops := 0
	for ; len(ended) == 0; stops++ {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats) // stops the world: a call that cannot be interrupted ends first
		runtime.Gosched()
	}
	require.Greater(t, stops, 100)
	var trap *plugins.Trap
	require.ErrorAs(t, <-ended, &trap)
}
