package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// reinstall installs union again, as carts, with limits.
func reinstall(t *testing.T, n *enginetest.Node, l engine.Limits) engine.PluginInfo {
	t.Helper()
	p, err := n.InstallPlugin(t.Context(), "carts", []byte("union"), l)
	require.NoError(t, err)
	return p
}

func TestNewLimitsAreInForceWhereverTheModuleIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		for _, table := range []string{"bills", "lists", "notes"} {
			create(t, c.Node("a"), table, "")
		}
		install(t, c.Node("a"), "other", "latest")
		for table, plugin := range map[string]string{"carts": "carts", "bills": "carts", "lists": "other", "notes": "other"} {
			_, err := c.Node("a").Activate(t.Context(), table, plugin)
			require.NoError(t, err)
		}
		_, err := c.Node("a").ActivateShadow(t.Context(), "lists", "carts")
		require.NoError(t, err)
		before := info(t, c.Node("b"), "notes").Active

		limits := engine.Limits{Fuel: 77, Reset: engine.ResetNone}
		answer := reinstall(t, c.Node("b"), limits)
		require.Equal(t, []string{"bills", "carts"}, answer.Tables)
		require.Equal(t, []string{"lists"}, answer.Shadows)
		for _, name := range c.Names() {
			for _, table := range []string{"carts", "bills"} {
				i := info(t, c.Node(name), table)
				require.Equal(t, limits, i.Active.Limits, table)
				require.Equal(t, uint64(2), i.Active.Epoch, table)
				require.Empty(t, i.Earlier, "it is the same module")
			}
			require.Equal(t, limits, info(t, c.Node(name), "lists").Shadow.Limits)
			require.Equal(t, before, info(t, c.Node(name), "notes").Active, "it runs another module")
		}
		was := digest(t, c.Node("a"))
		reinstall(t, c.Node("a"), engine.Limits{})
		require.Equal(t, was, digest(t, c.Node("a")), "no limits are no change")
	})
}

func TestNewLimitsLiftQuarantines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b")
		activate(t, c.Node("a"), "carts")
		fork(t, c.Node("a"), "k", "1", "2")
		restart(t, c, 1)
		c.Converge()
		quarantined(t, c, "k")
		_, err := c.Node("a").InstallPlugin(t.Context(), "carts", []byte("trap"), engine.Limits{Fuel: 99})
		require.NoError(t, err)
		restart(t, c, 2)
	})
}

func TestADisabledHandlerStaysSoWithNewLimitsAndComesBackWithThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		activate(t, c.Node("a"), "carts")
		_, err := c.Node("a").Disable(t.Context(), "carts")
		require.NoError(t, err)
		reinstall(t, c.Node("b"), engine.Limits{Fuel: 77})
		require.True(t, info(t, c.Node("a"), "carts").Active.Disabled)
		h, err := c.Node("a").Rollback(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, uint64(77), h.Limits.Fuel)
	})
}

func TestTheWayBackIsToModulesAsTheyAreInstalledNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		install(t, c.Node("a"), "carts", "latest")
		activate(t, c.Node("a"), "carts@1")
		activate(t, c.Node("a"), "carts@2")
		reinstall(t, c.Node("b"), engine.Limits{Fuel: 77})
		h, err := c.Node("a").Rollback(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, 1, h.Number)
		require.Equal(t, uint64(77), h.Limits.Fuel)
	})
}

func TestLimitsThatBothSidesOfASplitChangeConverge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b", "c")
		activate(t, c.Node("a"), "carts")
		fork(t, c.Node("a"), "k", "1", "2")
		isolate(c)
		reinstall(t, c.Node("a"), engine.Limits{Fuel: 77})
		c.Pass(time.Second)
		reinstall(t, c.Node("b"), engine.Limits{Fuel: 88})
		c.Converge()
		for _, name := range c.Names() {
			require.Equal(t, uint64(88), info(t, c.Node(name), "carts").Active.Limits.Fuel, "the later one")
			require.Equal(t, uint64(88), installedFuel(t, c.Node(name)))
		}
		everywhere(t, c, "k", "1,2")
		_, err := c.Node("a").Rollback(t.Context(), "carts")
		require.ErrorIs(t, err, engine.ErrNoEarlier, "it is one module")
	})
}

// installedFuel is the fuel with which carts is installed, as a node knows it.
func installedFuel(t *testing.T, n *enginetest.Node) uint64 {
	t.Helper()
	all, err := n.Plugin(t.Context(), "carts")
	require.NoError(t, err)
	return all[0].Limits.Fuel
}
