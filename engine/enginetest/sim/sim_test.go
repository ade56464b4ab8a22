package sim_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine/enginetest/sim"
)

//nolint:gochecknoglobals // flags of the test binary.
var (
	seedFlag      = flag.Uint64("sim.seed", 0, "replay this history alone, with a trace; 0 for all. The environment variable SIM_SEED does the same")
	firstFlag     = flag.Uint64("sim.first", 1, "the first seed")
	historiesFlag = flag.Uint64("sim.histories", 240, "number of histories")
)

func TestHistories(t *testing.T) {
	if seed := onlySeed(t); seed != 0 {
		_, err := sim.Run(t.Context(), sim.Options{Seed: seed, Trace: t.Output()})
		require.NoError(t, err)
		return
	}
	lanes := uint64(runtime.GOMAXPROCS(0))
	for lane := range lanes {
		t.Run(fmt.Sprintf("lane %d", lane), func(t *testing.T) {
			t.Parallel()
			counts := sim.Counts{}
			var failed []error
			for seed := *firstFlag + lane; seed < *firstFlag+*historiesFlag; seed += lanes {
				r, err := sim.Run(t.Context(), sim.Options{Seed: seed})
				if err != nil {
					failed = append(failed, err)
				}
				counts.Add(r.Counts)
			}
			for _, what := range slices.Sorted(maps.Keys(counts)) {
				t.Logf("%8d %s", counts[what], what)
			}
			require.NoError(t, errors.Join(failed...), "replay with: go test ./engine/enginetest/sim -run TestHistories -v -sim.seed N")
		})
	}
}

func onlySeed(t *testing.T) uint64 {
	t.Helper()
	text := cmp.Or(os.Getenv("SIM_SEED"), "0")
	seed, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, "SIM_SEED")
	return cmp.Or(*seedFlag, seed)
}

func TestSameSeedGivesSameHistory(t *testing.T) {
	for seed := range uint64(8) {
		first, err := sim.Run(t.Context(), sim.Options{Seed: seed})
		require.NoError(t, err)
		second, err := sim.Run(t.Context(), sim.Options{Seed: seed})
		require.NoError(t, err)
		require.Equal(t, first, second, "seed %d", seed)
	}
}

func TestHistoryHasNoOtherFaultsThanAsked(t *testing.T) {
	faults := map[sim.Faults][]string{
		sim.None:                 {"frame lost", "cut", "crash", "join", "restart", "handler trapped", "table dropped"},
		sim.Loss:                 {"cut", "crash", "join", "restart"},
		sim.Crash | sim.Cut:      {"join", "restart", "handler trapped"},
		sim.Handler:              {"handler trapped", "restart", "crash"},
		sim.Asymmetric:           {"crash", "join"},
		sim.Drop | sim.Delay:     {"frame lost", "cut"},
		sim.Pause | sim.Skew:     {"frame lost", "cut"},
		sim.Trap | sim.Bulk:      {"crash", "handler active"},
		sim.Join:                 {"frame lost", "crash", "restart"},
		sim.Duplicate | sim.Join: {"frame lost", "crash", "restart"},
	}
	for f, absent := range faults {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(6) {
				r, err := sim.Run(t.Context(), sim.Options{Seed: seed, Faults: f, Length: 5 * time.Second, Nodes: 3})
				require.NoError(t, err)
				for _, what := range absent {
					require.Zero(t, r.Counts[what], "seed %d: %s", seed, what)
				}
			}
		})
	}
}

func TestHistoryHasAsManyNodesAndLastsAsLongAsAsked(t *testing.T) {
	r, err := sim.Run(t.Context(), sim.Options{Seed: 3, Nodes: 7, Length: time.Second, Faults: sim.None})
	require.NoError(t, err)
	require.Equal(t, 7, r.Nodes)
	require.GreaterOrEqual(t, r.Virtual, time.Second)
	require.NotZero(t, r.Trace)
}

func TestRunRefusesOptionsThatMakeNoSense(t *testing.T) {
	for _, o := range []sim.Options{{Nodes: -1}, {Nodes: sim.MaxNodes + 1}, {Length: -time.Second}} {
		_, err := sim.Run(t.Context(), o)
		require.ErrorContains(t, err, "give 0 to 9 nodes")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sim.Run(ctx, sim.Options{Seed: 1})
	require.ErrorIs(t, err, context.Canceled)
	_, isViolation := errors.AsType[*sim.Violation](err)
	require.False(t, isViolation)
}

func TestFaultsAreReadAsTheyAreWritten(t *testing.T) {
	for f := sim.Faults(0); f <= sim.None; f = max(1, f<<1) {
		read, err := sim.ParseFaults(f.String())
		require.NoError(t, err)
		require.Equal(t, f, read)
	}
	read, err := sim.ParseFaults("loss, cut")
	require.NoError(t, err)
	require.Equal(t, sim.Loss|sim.Cut, read)
	require.Equal(t, "loss,cut", read.String())
	require.True(t, sim.Faults(0).Has(sim.Crash))
	require.False(t, sim.None.Has(sim.Crash))
	_, err = sim.ParseFaults("loss,rain")
	require.ErrorContains(t, err, `fault "rain" is unknown; use all, or some of loss,`)
}
