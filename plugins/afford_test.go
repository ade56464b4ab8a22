package plugins_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
)

func TestLimitsTooTightForTheSmallestConflictAreRefusedWithWhatItTakes(t *testing.T) {
	h := newHost(t, plugins.Config{CacheDir: cacheDir})
	takes := resolve(t, load(t, examples.Union(), plugins.Limits{}), conflict("k", "a", "b")).Fuel
	for _, fuel := range []uint64{1, takes - 1} {
		_, err := h.Check(t.Context(), examples.Union(), plugins.Limits{Fuel: fuel})
		require.ErrorIs(t, err, plugins.ErrTightLimits)
		require.ErrorIs(t, err, plugins.ErrConfig)
		require.ErrorContains(t, err, fmt.Sprintf("%d units of fuel, and a conflict of two values of one byte takes %d", fuel, takes))
	}
	info, err := h.Check(t.Context(), examples.Union(), plugins.Limits{Fuel: takes})
	require.NoError(t, err)
	require.NotEmpty(t, info.SHA256)
}

func TestAHandlerThatNeedsMoreMemoryThanItIsGivenIsRefusedWithWhatItHas(t *testing.T) {
	h := newHost(t, plugins.Config{CacheDir: cacheDir})
	info, err := h.Check(t.Context(), examples.Document(), plugins.Limits{})
	require.NoError(t, err)
	_, err = h.Check(t.Context(), examples.Document(), plugins.Limits{MemoryBytes: 128 << 10})
	require.ErrorIs(t, err, plugins.ErrTightLimits)
	require.ErrorContains(t, err, fmt.Sprintf("131072 bytes of memory, and an instance has %d", info.MemoryBytes))
}

func TestAHandlerThatUsesUpAnyFuelOrTrapsIsNotTheLimitsFault(t *testing.T) {
	h := newHost(t, plugins.Config{CacheDir: cacheDir})
	for _, module := range [][]byte{examples.Loop(), examples.Trap()} {
		_, err := h.Check(t.Context(), module, plugins.Limits{Fuel: 1000})
		require.NoError(t, err)
	}
}

func TestWhatAHandlerPrintsOnTheConflictThatIsMadeUpForItIsNotHeard(t *testing.T) {
	said := 0
	h := newHost(t, plugins.Config{Listen: func(plugins.Line) { said++ }})
	_, err := h.Check(t.Context(), hostileModule(t, "a log line, and an endless loop"), plugins.Limits{Fuel: 1000})
	require.NoError(t, err)
	require.Zero(t, said)
}
