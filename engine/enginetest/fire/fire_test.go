package fire_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
)

// burnThroughSplits writes for some 25 s, in which one part of the cluster is cut off three times for as long as it takes to notice.
func burnThroughSplits(b *blaze, parts ...[]string) {
	b.t.Helper()
	for range 3 {
		b.burn(4 * time.Second)
		b.cluster.Net().Cut(parts...)
		b.burn(3 * time.Second)
		b.cluster.Net().Heal()
	}
	b.burn(4 * time.Second)
}

func TestFireOfOnePercentTrapsLosesNoWriteAtAnyLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := ignite(t, "some 1", "a", "b", "c")
		burnThroughSplits(b, []string{"a"}, []string{"b", "c"})
		b.quench(true)
		b.wasHot()
		b.intensity()
	})
}

func TestFireOfFiftyPercentTrapsDisablesTheModuleAndLosesNoWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := ignite(t, "some 50", "a", "b", "c", "d", "e")
		burnThroughSplits(b, []string{"a", "b"}, []string{"c", "d", "e"})
		b.quench(true)
		b.wasHot()
		b.intensity()
		b.disabled()
	})
}

func TestFireInWhichEveryConflictTrapsOnAllNodesLosesNoWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := ignite(t, "some 100", "a", "b", "c")
		burnThroughSplits(b, []string{"a"}, []string{"b"}, []string{"c"})
		b.quench(true)
		b.wasHot()
		b.intensity()
		b.disabled()
	})
}

func TestFireOfProcessesThatExitLosesNoAcknowledgedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := igniteWith(t, "some 100", func(c *engine.Config) { c.OnTrap = engine.ExitProcess }, "a", "b", "c")
		b.burn(20 * time.Second)
		b.quench(false)
		b.wasHot()
		b.intensity()
		require.Equal(t, len(b.outages), b.exits, "a node that cannot exit restarts with its data")
	})
}

func TestFireOfManyModulesRestartsThreeTimesAMinuteForEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := ignite(t, "some 100", "a", "b", "c")
		for range 4 {
			b.burn(10 * time.Second)
			b.replaceModule()
		}
		b.quench(true)
		b.intensity()
		require.Greater(t, len(b.outages), 6)
	})
}
