package engine_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// TestFourRestartsAreNeverWithinAMinute has the first restart take long from the trap to the end, and the fourth one none.
func TestFourRestartsAreNeverWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b", "c")
		c.Pass(3 * time.Second)
		c.Net().SetFaults(bus.Faults{Delay: 500 * time.Millisecond})
		fork(t, c.Node("a"), "k0", "1", "2")
		c.Await("the trap", func() bool { return c.Count(engine.EventTrap) == 1 })
		trapped := time.Now()
		restart(t, c, 1)
		c.Net().SetFaults(bus.Faults{})
		for i := range 2 {
			c.Pass(5 * time.Second)
			fork(t, c.Node("a"), fmt.Sprint("k", i+1), "1", "2")
			restart(t, c, i+2)
		}
		c.Pass(time.Until(trapped.Add(time.Minute + 100*time.Millisecond)))
		fork(t, c.Node("a"), "k3", "1", "2")
		c.Await("the trap", func() bool { return c.Count(engine.EventTrap) == 4 })
		c.Pass(500 * time.Millisecond)
		require.Equal(t, 3, c.Count(engine.EventRestart), "the first node went down less than a minute ago")
	})
}

// forkIn makes a conflict in a table.
func forkIn(t *testing.T, n *enginetest.Node, table, key string) {
	t.Helper()
	before := token(t, n, table, key)
	for _, v := range []string{"1", "2"} {
		put(t, n, table, key, v, engine.WithContext(before))
	}
}

func TestRestartsOfOneModuleCountOverAllItsTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b", "c")
		_, err := c.Node("a").CreateTable(t.Context(), "others", engine.TableOptions{Handler: "carts"})
		require.NoError(t, err)
		for i := range 3 {
			fork(t, c.Node("a"), fmt.Sprint("k", i), "1", "2")
			restart(t, c, i+1)
		}
		forkIn(t, c.Node("a"), "others", "k")
		c.Await("the module to be disabled", func() bool { return c.Count(engine.EventHandlerDisabled) > 0 })
		require.Equal(t, 3, c.Count(engine.EventRestart))
		require.True(t, info(t, c.Node("a"), "others").Active.Disabled)
		require.False(t, info(t, c.Node("a"), "carts").Active.Disabled, "a module is disabled table by table")
	})
}
