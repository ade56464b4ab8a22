package engine_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/clock"
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

func TestAReportThatWasMadeWithOtherLimitsSaysSo(t *testing.T) {
	defaults := enginetest.Handlers{}.Defaults()
	for name, test := range map[string]struct {
		installed, checked string
		want               string
	}{
		"the same, by default":   {`{}`, `{"fuel":1000,"memory_bytes":1048576,"output_bytes":1024,"reset":"strict"}`, "ok 14/14"},
		"the same, as asked for": {`{"fuel":77}`, `{"fuel":77,"memory_bytes":1048576,"output_bytes":1024,"reset":"strict"}`, "ok 14/14"},
		"other fuel":             {`{}`, `{"fuel":77}`, "ok 14/14, with other limits"},
		"less fuel":              {`{"fuel":77}`, `{}`, "ok 14/14, with other limits"},
		"another reset":          {`{"reset":"none"}`, `{"reset":"strict"}`, "ok 14/14, with other limits"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, "union", "a", "b")
				sha := info(t, c.Node("a"), "carts").Active.SHA256
				report := strings.Replace(string(checkReport(sha, 10)), `"laws"`, `"limits":`+test.checked+`,"laws"`, 1)
				var limits engine.Limits
				require.NoError(t, json.Unmarshal([]byte(test.installed), &limits))
				_, err := c.Node("a").InstallPlugin(t.Context(), "carts", []byte("union"), limits, engine.WithCheck([]byte(report)))
				require.NoError(t, err)
				all, err := c.Node("b").Plugins(t.Context())
				require.NoError(t, err)
				require.Equal(t, test.want, all[0].Checked.String())

				_, err = c.Node("a").InstallPlugin(t.Context(), "carts", []byte("union"), engine.Limits{Fuel: defaults.Fuel + 1})
				require.NoError(t, err)
				all, err = c.Node("b").Plugins(t.Context())
				require.NoError(t, err)
				require.Equal(t, "ok 14/14, with other limits", all[0].Checked.String(), "new limits need a new check")
			})
		})
	}
}

// slowLoader takes a second to load a module.
type slowLoader struct {
	enginetest.Handlers

	loaded *atomic.Int32
}

func (l slowLoader) Load(ctx context.Context, module []byte, limits engine.Limits) (engine.Judge, error) {
	<-time.After(time.Second)
	l.loaded.Add(1)
	return l.Handlers.Load(ctx, module, limits)
}

func TestAModuleThatATableUsesIsLoadedWhenTheInstallationAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := bus.NewMemory(bus.MemoryConfig{Rand: rand.New(rand.NewPCG(1, 0))})
		var loaded atomic.Int32
		cfg := engine.DefaultConfig()
		cfg.Name, cfg.Actor = "a", clock.ActorFrom([clock.ActorSize]byte{1})
		peers := net.NamedNode(cfg.Name, cfg.Actor.String())
		e, err := engine.Open(cfg, peers, slowLoader{loaded: &loaded})
		require.NoError(t, err)
		_, err = e.CreateTable(t.Context(), "carts", engine.TableOptions{})
		require.NoError(t, err)
		for want, name := range []string{"unused", "carts"} {
			p, err := e.InstallPlugin(t.Context(), name, []byte("union"), engine.Limits{})
			require.NoError(t, err)
			require.Len(t, p.Tables, want)
			require.Equal(t, int32(want), loaded.Load(), name)
		}
		_, err = e.Close()
		require.NoError(t, err)
		require.NoError(t, peers.Close())
	})
}
