package sim_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/sim"
)

//nolint:gochecknoglobals // flags of the test binary.
var (
	seedFlag      = flag.Uint64("sim.seed", 0, "replay this history alone, with a trace; 0 for all. The environment variable SIM_SEED does the same")
	firstFlag     = flag.Uint64("sim.first", 1, "the first seed")
	historiesFlag = flag.Uint64("sim.histories", defaultHistories, "number of histories")
)

// defaultHistories is how many histories the test plays when nobody says how many.
const defaultHistories = 600

func TestHistories(t *testing.T) {
	if seed := onlySeed(t); seed != 0 {
		_, err := sim.Run(t.Context(), sim.Options{Seed: seed, Trace: t.Output()})
		require.NoError(t, err)
		return
	}
	counts, err := playAll(t.Context(), *firstFlag, *historiesFlag)
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%8d %s", counts[what], what)
	}
	require.NoError(t, err, "replay with: go test ./engine/enginetest/sim -run TestHistories -v -sim.seed N")
	if *historiesFlag < defaultHistories {
		return // too few to say what they reach
	}
	for what, least := range reached() {
		require.GreaterOrEqual(t, counts[what], least, "the histories hardly reach: %s", what)
	}
}

// maxViolations is how many are enough to look at.
const maxViolations = 10

// playAll plays histories on all processors, and adds up what happened.
func playAll(ctx context.Context, first, histories uint64) (sim.Counts, error) {
	var (
		played atomic.Uint64
		wait   sync.WaitGroup
		mu     sync.Mutex // guards counts and failed
		counts = sim.Counts{}
		failed []error
	)
	play := func(seed uint64) (enough bool) {
		r, err := sim.Run(ctx, sim.Options{Seed: seed})
		mu.Lock()
		defer mu.Unlock()
		counts.Add(r.Counts)
		if err != nil {
			failed = append(failed, err)
		}
		return len(failed) >= maxViolations
	}
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for n := played.Add(1); n <= histories; n = played.Add(1) {
				if play(first + n - 1) {
					return
				}
			}
		})
	}
	wait.Wait()
	return counts, errors.Join(failed...)
}

// reached is how often at least the histories of a whole run must come to each kind of trouble, and to what it may lead to.
func reached() map[string]int {
	return map[string]int{
		sim.CountFrameLost: 5_000, sim.CountFrameTwice: 2_500, sim.CountOverflow: 500, sim.CountLost: 250, sim.CountGarbage: 250,
		sim.CountCut: 250, sim.CountMute: 100, sim.CountPause: 100, sim.CountSlow: 100, sim.CountSetClock: 250,
		sim.CountCrash: 250, sim.CountJoin: 100, sim.CountOrderly: 100, sim.CountTrapRestart: 250, sim.CountExit: 10,
		sim.CountAbsence: 50, sim.CountForget: 25, sim.CountReturn: 15, sim.CountRetire: 10, string(engine.EventForgotten): 5,
		sim.CountCollected: 5, sim.CountTwin: 15, sim.CountTwinRefused: 15, string(engine.EventNameTaken): 15,
		sim.CountFull: 5_000, sim.CountFullRemoved: 2, sim.CountDelta: 2_500, sim.CountAborted: 1_000, sim.CountDropInRepair: 100,
		string(engine.EventConflict): 10_000, sim.CountMergerRun: 1_000, sim.CountMergerChange: 25, string(engine.EventTrap): 500,
		string(engine.EventHandlerDisabled): 10, sim.CountRollBack: 100, string(engine.EventOptionsDiffer): 50,
		sim.CountAcked + " at one": 2_500, sim.CountAcked + " at quorum": 2_500, sim.CountAcked + " at all": 2_500, sim.CountNotAcked: 500,
		sim.CountReaped: 1_000, sim.CountBoth: 2_000,
		sim.CountMatch: 1_000, sim.CountWatch: 500, sim.CountChange: 2_500,
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
	restarts := []string{sim.CountOrderly, sim.CountTrapRestart, sim.CountExit, sim.CountCrash}
	faults := map[sim.Faults][]string{
		sim.None: append(
			restarts, sim.CountFrameLost, sim.CountCut, sim.CountMute, sim.CountJoin, sim.CountPause, sim.CountSlow, sim.CountSetClock, sim.CountGarbage,
			sim.CountAbsence, sim.CountTwin, sim.CountFrameTwice, string(engine.EventTrap), string(engine.EventTableDropped),
		),
		sim.Loss:                 append(restarts, sim.CountCut, sim.CountMute, sim.CountJoin, sim.CountAbsence, sim.CountTwin),
		sim.Crash | sim.Cut:      {sim.CountJoin, sim.CountOrderly, sim.CountMute, sim.CountSlow, string(engine.EventTrap)},
		sim.Handler:              append(restarts, string(engine.EventTrap), string(engine.EventTableDropped)),
		sim.Asymmetric:           append(restarts, sim.CountCut, sim.CountJoin),
		sim.Drop | sim.Delay:     append(restarts, sim.CountFrameLost, sim.CountRollBack),
		sim.Pause | sim.Skew:     {sim.CountFrameLost, sim.CountCut, sim.CountRetire},
		sim.Trap | sim.Bulk:      {sim.CountCrash, sim.CountOrderly, string(engine.EventHandlerActive)},
		sim.Join | sim.Duplicate: append(restarts, sim.CountFrameLost),
		sim.Restart | sim.Slow:   {sim.CountFrameLost, sim.CountCrash, sim.CountCut, sim.CountTrapRestart},
		sim.Forget:               {sim.CountCrash, sim.CountOrderly, sim.CountTwin, sim.CountGarbage},
		sim.Garbage | sim.Twin:   append(restarts, sim.CountFrameLost, sim.CountAbsence),
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
