package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// removeModule removes a module.
func removeModule(t *testing.T, n *enginetest.Node, plugin string) {
	t.Helper()
	require.NoError(t, n.RemovePlugin(t.Context(), plugin))
}

func TestARemovedModuleIsGoneEverywhereWithItsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		install(t, c.Node("a"), "old", "latest")
		require.Contains(t, engine.CatalogueKey(c.Node("b").Engine, "p/old/"), "p/old/")
		sha := install(t, c.Node("a"), "old", "latest").SHA256
		removeModule(t, c.Node("b"), "old")
		c.StartAll("c")
		for _, name := range c.Names() {
			require.Empty(t, engine.CatalogueKey(c.Node(name).Engine, "p/old/"), name)
			require.Empty(t, engine.CatalogueKey(c.Node(name).Engine, "m/"+sha), name)
			_, err := c.Node(name).Plugin(t.Context(), "old")
			require.ErrorIs(t, err, engine.ErrNoPlugin)
		}
		fork(t, c.Node("a"), "k", "1", "2")
		everywhere(t, c, "k", "1,2")
		require.ErrorIs(t, c.Node("a").RemovePlugin(t.Context(), "old"), engine.ErrNoPlugin)
		require.Equal(t, 1, install(t, c.Node("a"), "old", "latest").Number, "it can come back")
		activate(t, c.Node("a"), "old")
		everywhere(t, c, "k", "2")
	})
}

func TestAModuleInUseIsNotRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		inUse := func(plugin string) {
			require.ErrorIs(t, c.Node("b").RemovePlugin(t.Context(), plugin), engine.ErrPluginInUse)
		}
		inUse("carts")
		shadow(t, c.Node("a"), "latest")
		inUse("next")
		_, err := c.Node("a").EndShadow(t.Context(), "carts")
		require.NoError(t, err)
		activate(t, c.Node("a"), "next")
		inUse("next")
		removeModule(t, c.Node("b"), "carts")
		_, err = c.Node("a").Rollback(t.Context(), "carts")
		require.ErrorIs(t, err, engine.ErrNoEarlier, "there is no way back to what is gone")
	})
}

func TestAModuleThatIsDisabledCanBeRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		shadow(t, c.Node("a"), "latest")
		activate(t, c.Node("a"), "next")
		_, err := c.Node("a").Disable(t.Context(), "carts")
		require.NoError(t, err)
		removeModule(t, c.Node("b"), "next")
		fork(t, c.Node("a"), "k", "1", "2")
		for _, name := range c.Names() {
			e, err := c.Node(name).Get(t.Context(), "carts", "k")
			require.NoError(t, err)
			require.Equal(t, engine.Disabled, e.State, name)
		}
		h, err := c.Node("a").Rollback(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, "carts", h.Plugin, "what was disabled is gone")
	})
}

func TestBytesThatAnotherNameHasTooStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a")
		install(t, c.Node("a"), "twin", "union")
		removeModule(t, c.Node("a"), "twin")
		fork(t, c.Node("a"), "k", "1", "2")
		everywhere(t, c, "k", "1,2")
		n := c.Restart("a")
		require.NoError(t, n.AwaitReady(t.Context()))
		fork(t, n, "l", "1", "2")
		everywhere(t, c, "l", "1,2")
	})
}

func TestANameWithSeveralModulesIsNotRemovedAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		install(t, c.Node("a"), "old", "union")
		install(t, c.Node("a"), "old", "latest")
		require.ErrorIs(t, c.Node("a").RemovePlugin(t.Context(), "old"), engine.ErrAmbiguous)
		removeModule(t, c.Node("a"), "old@1")
		require.Equal(t, 3, install(t, c.Node("a"), "old", "keep").Number, "numbers are not given again")
		all, err := c.Node("a").Plugin(t.Context(), "old")
		require.NoError(t, err)
		require.Equal(t, []int{2, 3}, []int{all[0].Number, all[1].Number})
	})
}

func TestAModuleThatIsActivatedOnTheOtherSideOfASplitComesBackByInstallingIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		install(t, c.Node("a"), "h", "union")
		fork(t, c.Node("a"), "k", "1", "2")
		isolate(c)
		removeModule(t, c.Node("a"), "h")
		activate(t, c.Node("b"), "h")
		c.Converge()
		c.Pass(5 * time.Second)
		active := info(t, c.Node("a"), "carts").Active
		require.Equal(t, *active, *info(t, c.Node("b"), "carts").Active)
		e := get(t, c.Node("a"), "k")
		require.Equal(t, engine.Unavailable, e.State)
		require.Len(t, e.Siblings, 2)
		install(t, c.Node("a"), "h", "union")
		c.Pass(5 * time.Second)
		for _, name := range c.Names() {
			require.Equal(t, engine.Resolved, get(t, c.Node(name), "k").State)
		}
		require.Zero(t, c.Count(engine.EventTrap))
	})
}

// eachSees reads k of carts at all nodes: all show the same, in this state.
func eachSees(t *testing.T, c *enginetest.Cluster, want engine.State) {
	t.Helper()
	first := get(t, c.Node("a"), "k")
	require.Equal(t, want, first.State)
	for _, name := range c.Names() {
		e := get(t, c.Node(name), "k")
		e.Context = first.Context
		require.Equal(t, first, e, name)
	}
}

func TestWhatAHandlerSaidGoesEverywhereWithTheBytesOfItsModule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		install(t, c.Node("a"), "h", "union")
		fork(t, c.Node("a"), "k", "1", "2")
		isolate(c)
		removeModule(t, c.Node("a"), "h")
		activate(t, c.Node("b"), "h")
		c.Pass(5 * time.Second)
		require.Equal(t, "1,2", c.Node("b").Value(t.Context(), "carts", "k"))
		w := watch(t, c.Node("c"), engine.Pattern{})
		c.Converge()
		c.Pass(5 * time.Second)
		eachSees(t, c, engine.Unavailable)
		w.next("k=2")
		require.NoError(t, c.Restart("b").AwaitReady(t.Context()))
		eachSees(t, c, engine.Unavailable)
		for len(w.news) > 0 {
			<-w.news
		}
		install(t, c.Node("b"), "h", "union")
		c.Pass(5 * time.Second)
		eachSees(t, c, engine.Resolved)
		w.next("k=1,2")
	})
}

func TestInstallingAModuleAgainGivesItTheNewLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		before, err := c.Node("a").Plugins(t.Context())
		require.NoError(t, err)
		again, err := c.Node("b").InstallPlugin(t.Context(), before[0].Name, []byte("union"), engine.Limits{Fuel: 77, Reset: engine.ResetNone})
		require.NoError(t, err)
		require.Equal(t, engine.Limits{Fuel: 77, Reset: engine.ResetNone}, again.Limits)
		require.Equal(t, before[0].Number, again.Number)
		require.Equal(t, uint64(77), info(t, c.Node("a"), "carts").Active.Limits.Fuel)
		again, err = c.Node("b").InstallPlugin(t.Context(), before[0].Name, []byte("union"), engine.Limits{})
		require.NoError(t, err)
		require.Equal(t, uint64(77), again.Limits.Fuel, "no limits are no change")
	})
}

func TestAHashThatSeveralNamesShareNamesNoOneModuleToRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		sha := install(t, c.Node("a"), "one", "union").SHA256
		install(t, c.Node("a"), "two", "union")
		require.ErrorIs(t, c.Node("a").RemovePlugin(t.Context(), sha), engine.ErrAmbiguous)
		require.NoError(t, c.Node("a").RemovePlugin(t.Context(), "one@"+sha))
		require.NoError(t, c.Node("a").RemovePlugin(t.Context(), sha))
	})
}
