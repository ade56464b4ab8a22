package sim_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

//nolint:gochecknoglobals // flags of the test binary.
var (
	seedFlag      = flag.Uint64("sim.seed", 0, "replay this history alone, with a trace; 0 for all. The environment variable SIM_SEED does the same")
	firstFlag     = flag.Uint64("sim.first", 1, "the first seed")
	historiesFlag = flag.Uint64("sim.histories", 240, "number of histories")
)

func TestHistories(t *testing.T) {
	if seed := onlySeed(t); seed != 0 {
		h := newHistory(seed, newTrace(t.Output()))
		require.NoError(t, h.play())
		return
	}
	lanes := uint64(runtime.GOMAXPROCS(0))
	for lane := range lanes {
		t.Run(fmt.Sprintf("lane %d", lane), func(t *testing.T) {
			t.Parallel()
			stats := map[string]int{}
			var failed []string
			for seed := *firstFlag + lane; seed < *firstFlag+*historiesFlag; seed += lanes {
				h := newHistory(seed, newTrace(nil))
				if err := h.play(); err != nil {
					failed = append(failed, fmt.Sprintf("-sim.seed %d: %v", seed, err))
				}
				for what, n := range h.stats {
					stats[what] += n
				}
			}
			for _, what := range slices.Sorted(maps.Keys(stats)) {
				t.Logf("%8d %s", stats[what], what)
			}
			require.Empty(t, failed, "replay with: go test ./engine/enginetest/sim -run TestHistories -v -sim.seed N")
		})
	}
}

func onlySeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("SIM_SEED")
	if *seedFlag != 0 || text == "" {
		return *seedFlag
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, "SIM_SEED")
	return seed
}

func TestSameSeedGivesSameHistory(t *testing.T) {
	for seed := range uint64(8) {
		first, second := newHistory(seed, newTrace(nil)), newHistory(seed, newTrace(nil))
		require.NoError(t, first.play())
		require.NoError(t, second.play())
		require.Equal(t, first.trace.sum(), second.trace.sum(), "seed %d", seed)
		require.Equal(t, first.stats, second.stats, "seed %d", seed)
	}
}
