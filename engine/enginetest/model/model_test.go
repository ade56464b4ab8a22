package model_test

import (
	"flag"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

const stepsPerHistory = 400

var (
	seed  = flag.Uint64("seed", 0, "replay this history alone; 0 for all")
	seeds = flag.Uint64("histories", 20_000, "number of histories")
)

func TestHistories(t *testing.T) {
	if *seed != 0 {
		require.NoError(t, newSim(*seed, wrong{}).run(stepsPerHistory))
		return
	}
	lanes := uint64(runtime.GOMAXPROCS(0))
	for lane := range lanes {
		t.Run(fmt.Sprintf("lane %d", lane), func(t *testing.T) {
			t.Parallel()
			for seed := 1 + lane; seed <= *seeds; seed += lanes {
				require.NoError(t, newSim(seed, wrong{}).run(stepsPerHistory), "replay with -run TestHistories -seed %d", seed)
			}
		})
	}
}
