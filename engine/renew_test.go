package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
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
				require.Equal(t, uint64(1), i.Active.Epoch, "it is the same activation")
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

func TestStrictResetThatIsGivenReplacesOtherLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a")
		reinstall(t, c.Node("a"), engine.Limits{Fuel: 77, Reset: engine.ResetNone})
		reinstall(t, c.Node("a"), engine.Limits{Reset: engine.ResetStrict})
		require.Equal(t, engine.Limits{}, info(t, c.Node("a"), "carts").Active.Limits, "strict, and the other defaults")
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

// change does to carts at a node what a word says: activate it, shadow lists by it, install it with a report, or with so much fuel.
func change(t *testing.T, n *enginetest.Node, what string) {
	t.Helper()
	switch what {
	case "activate":
		activate(t, n, "carts")
	case "shadow":
		_, err := n.ActivateShadow(t.Context(), "lists", "carts")
		require.NoError(t, err)
	case "report":
		install(t, n, "carts", "union", engine.WithCheck(checkReport(info(t, n, "carts").Active.SHA256, 10)))
	default:
		fuel, err := strconv.ParseUint(what, 10, 64)
		require.NoError(t, err)
		reinstall(t, n, engine.Limits{Fuel: fuel})
	}
}

func TestLimitsInForceAreThoseOfTheModuleAfterASplit(t *testing.T) {
	for name, test := range map[string]struct {
		before string // done at a before the split
		split  []string
		want   uint64
	}{
		"one side gives them more often":       {before: "activate", split: []string{"a 66", "a 77", "b 88"}, want: 88},
		"the other side gives others later":    {before: "activate", split: []string{"b 66", "b 88", "a 77"}, want: 77},
		"the other side activates the module":  {before: "report", split: []string{"a activate", "b 88"}, want: 88},
		"the other side activates it later":    {before: "66", split: []string{"b 88", "a activate"}, want: 88},
		"the other side reports":               {before: "activate", split: []string{"a report", "b 88"}, want: 88},
		"the other side reports later":         {before: "66", split: []string{"b 88", "a report"}, want: 88},
		"a report comes to those given before": {before: "88", split: []string{"a report", "b activate"}, want: 88},
		"the other side has it as a shadow":    {before: "activate", split: []string{"a shadow", "b 88"}, want: 88},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, "union", "a", "b", "c")
				create(t, c.Node("a"), "lists", "latest")
				change(t, c.Node("a"), test.before)
				isolate(c)
				for _, step := range test.split {
					c.Pass(time.Second)
					node, what, _ := strings.Cut(step, " ")
					change(t, c.Node(node), what)
				}
				c.Converge()
				for _, name := range c.Names() {
					require.Equal(t, test.want, installedFuel(t, c.Node(name)), name)
					require.Equal(t, test.want, info(t, c.Node(name), "carts").Active.Limits.Fuel, name)
					if shadow := info(t, c.Node(name), "lists").Shadow; shadow != nil {
						require.Equal(t, test.want, shadow.Limits.Fuel, name)
					}
				}
			})
		})
	}
}

func TestNewLimitsAndAReportOfTwoSidesOfASplitAreBothKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		isolate(c)
		change(t, c.Node("a"), "report")
		c.Pass(time.Second)
		change(t, c.Node("b"), "88")
		c.Converge()
		for _, name := range c.Names() {
			all, err := c.Node(name).Plugin(t.Context(), "carts")
			require.NoError(t, err)
			require.Equal(t, uint64(88), all[0].Limits.Fuel, name)
			require.NotNil(t, all[0].Checked, name)
		}
	})
}

func TestLimitsThatReplaceThoseOfANodeWhoseClockIsAheadStayReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a")
		c.Start("b", func(cfg *engine.Config) { cfg.Now = func() time.Time { return time.Now().Add(time.Hour) } })
		require.NoError(t, c.Node("b").AwaitReady(t.Context()))
		change(t, c.Node("b"), "66")
		isolate(c)
		change(t, c.Node("a"), "77")
		c.Pass(time.Second)
		change(t, c.Node("b"), "report")
		c.Converge()
		for _, name := range c.Names() {
			require.Equal(t, uint64(77), installedFuel(t, c.Node(name)), name)
			require.Equal(t, uint64(77), info(t, c.Node(name), "carts").Active.Limits.Fuel, name)
		}
	})
}

func TestNewLimitsOfADisabledHandlerAreNoActivation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		activate(t, c.Node("a"), "carts")
		before := c.Count(engine.EventHandlerActive)
		reinstall(t, c.Node("b"), engine.Limits{Fuel: 66})
		require.Equal(t, before+1, c.Count(engine.EventHandlerActive))
		_, err := c.Node("a").Disable(t.Context(), "carts")
		require.NoError(t, err)
		reinstall(t, c.Node("b"), engine.Limits{Fuel: 77})
		require.True(t, info(t, c.Node("a"), "carts").Active.Disabled)
		require.Equal(t, before+1, c.Count(engine.EventHandlerActive), "it is not active")
	})
}

func TestAModuleThatIsGivenOtherLimitsIsDisabledStillWhenItTrapsTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b", "c")
		activate(t, c.Node("a"), "carts")
		_, err := c.Node("a").InstallPlugin(t.Context(), "carts", []byte("trap"), engine.Limits{Fuel: 99})
		require.NoError(t, err)
		for i := range 3 {
			fork(t, c.Node("a"), fmt.Sprint("k", i), "1", "2")
			restart(t, c, i+1)
		}
		fork(t, c.Node("a"), "k3", "1", "2")
		c.Await("the module to be disabled", func() bool { return info(t, c.Node("a"), "carts").Active.Disabled })
		require.Equal(t, uint64(99), info(t, c.Node("b"), "carts").Active.Limits.Fuel)
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
