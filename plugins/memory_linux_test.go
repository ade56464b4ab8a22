package plugins_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

// mappings counts the memory mappings and open files of the process.
func mappings(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return bytes.Count(maps, []byte("\n")) + len(files)
}

func TestDiscardedInstancesAndModulesLeaveNothingBehind(t *testing.T) {
	h := newHost(t, plugins.Config{CacheDir: cacheDir})
	module := plugintest.BuildGo(t, "testdata/modules/maporder")
	cycle := func(calls int) {
		m, err := h.Load(t.Context(), module, plugins.Limits{})
		require.NoError(t, err)
		for range calls {
			require.Error(t, trap(t, m, conflict("trap", "a", "b")))
		}
		require.NoError(t, m.Close(t.Context()))
	}
	cycle(3)
	before := mappings(t)
	cycle(100)
	_, err := h.Check(t.Context(), plugintest.Module(t, "starttrap"), plugins.Limits{})
	require.ErrorIs(t, err, plugins.ErrInitialise)
	_, err = h.Check(t.Context(), examples.Newest(), plugins.Limits{})
	require.NoError(t, err)
	require.Less(t, mappings(t), before+20)
}

func TestMemoryIsRestoredWithoutThePageTableToo(t *testing.T) {
	m := load(t, plugintest.BuildGo(t, "testdata/modules/maporder"), plugins.Limits{})
	first := resolve(t, m, conflict("k", "a", "b"))
	plugins.ForgetPageTable(m)
	require.False(t, plugins.ForgetPageTable(m))
	for range 50 {
		require.Equal(t, first, resolve(t, m, conflict("k", "a", "b")))
	}
}
