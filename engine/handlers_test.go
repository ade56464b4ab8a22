package engine_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// install installs a module under a name.
func install(t *testing.T, n *enginetest.Node, name, module string, opts ...engine.InstallOption) engine.PluginInfo {
	t.Helper()
	p, err := n.InstallPlugin(t.Context(), name, []byte(module), engine.Limits{}, opts...)
	require.NoError(t, err)
	return p
}

// activate makes a module judge carts.
func activate(t *testing.T, n *enginetest.Node, plugin string) engine.Handler {
	t.Helper()
	h, err := n.Activate(t.Context(), "carts", plugin)
	require.NoError(t, err)
	return h
}

func TestRollbackGoesBackStepByStepAndOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		everywhere(t, c, "k", "1,2")
		_, err := c.Node("a").Rollback(t.Context(), "carts")
		require.ErrorIs(t, err, engine.ErrNoEarlier)
		install(t, c.Node("a"), "carts", "latest")
		install(t, c.Node("a"), "carts", "delete")
		require.Equal(t, 2, activate(t, c.Node("a"), "carts@2").Number)
		everywhere(t, c, "k", "2")
		require.Equal(t, 3, activate(t, c.Node("b"), "carts@3").Number)
		everywhere(t, c, "k", "(key not found)")
		require.Len(t, info(t, c.Node("a"), "carts").Earlier, 2)

		n := c.Restart("a")
		require.NoError(t, n.AwaitReady(t.Context()))
		h, err := n.Rollback(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, 2, h.Number)
		require.Equal(t, uint64(3), h.Epoch)
		everywhere(t, c, "k", "2")
		h, err = c.Node("b").Rollback(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, 1, h.Number, "the module that was in force before anybody activated one")
		everywhere(t, c, "k", "1,2")
		_, err = c.Node("b").Rollback(t.Context(), "carts")
		require.ErrorIs(t, err, engine.ErrNoEarlier)
	})
}

func TestHandlersActivatedOnBothSidesOfASplitAreBothInTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		first := install(t, c.Node("a"), "carts", "latest")
		second := install(t, c.Node("a"), "carts", "delete")
		isolate(c)
		activate(t, c.Node("a"), first.SHA256)
		c.Pass(time.Second)
		activate(t, c.Node("b"), second.SHA256)
		c.Converge()
		for _, name := range c.Names() {
			i := info(t, c.Node(name), "carts")
			require.Equal(t, second.SHA256, i.Active.SHA256, "the later one")
			require.Equal(t, []int{1, 2}, []int{i.Earlier[0].Number, i.Earlier[1].Number})
		}
		h, err := c.Node("a").Rollback(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, first.SHA256, h.SHA256)
	})
}

func TestTheHistoryOfATableIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a")
		for i := range 40 {
			install(t, c.Node("a"), "carts", fmt.Sprintf("latest %d", i))
			activate(t, c.Node("a"), "carts")
		}
		earlier := info(t, c.Node("a"), "carts").Earlier
		require.Len(t, earlier, 16)
		require.Equal(t, 40, earlier[15].Number)
	})
}

func TestHistoryOfADroppedTableIsNotTheNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		install(t, c.Node("a"), "carts", "latest")
		activate(t, c.Node("a"), "carts@2")
		require.NoError(t, c.Node("a").DropTable(t.Context(), "carts"))
		_, err := c.Node("b").CreateTable(t.Context(), "carts", engine.TableOptions{})
		require.NoError(t, err)
		require.Empty(t, info(t, c.Node("a"), "carts").Earlier)
		require.Equal(t, 1, info(t, c.Node("a"), "carts").Active.Number)
		_, err = c.Node("a").Rollback(t.Context(), "carts")
		require.ErrorIs(t, err, engine.ErrNoEarlier)
	})
}

func TestADisabledHandlerJudgesNothingUntilOneIsActivated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b", "c")
		fork(t, c.Node("a"), "k", "1", "2")
		everywhere(t, c, "k", "1,2")
		h, err := c.Node("b").Disable(t.Context(), "carts")
		require.NoError(t, err)
		require.True(t, h.Disabled)
		for _, name := range c.Names() {
			e := get(t, c.Node(name), "k")
			require.Equal(t, engine.Disabled, e.State)
			require.Equal(t, "2", string(e.Value))
			require.Contains(t, e.Reason, "disabled by hand")
			entry := journal(t, c.Node(name))[0]
			require.Equal(t, engine.Disabled, entry.State)
			require.Empty(t, entry.Verdict)
			require.Len(t, e.Siblings, 2)
		}
		require.Equal(t, 1, c.Count(engine.EventHandlerStopped))
		require.Zero(t, c.Count(engine.EventHandlerDisabled), "nothing is wrong with it")
		fork(t, c.Node("a"), "l", "1", "2")
		judged := c.Count(engine.EventJudged)
		c.Pass(10 * time.Second)
		require.Equal(t, judged, c.Count(engine.EventJudged))
		activate(t, c.Node("c"), "carts")
		everywhere(t, c, "k", "1,2")
		everywhere(t, c, "l", "1,2")
		_, err = c.Node("a").Rollback(t.Context(), "carts")
		require.ErrorIs(t, err, engine.ErrNoEarlier, "it was the same module all the time")
	})
}

func TestRollbackOfADisabledHandlerIsThatHandlerAndThenTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		install(t, c.Node("a"), "carts", "latest")
		activate(t, c.Node("a"), "carts@2")
		fork(t, c.Node("a"), "k", "1", "2")
		_, err := c.Node("a").Disable(t.Context(), "carts")
		require.NoError(t, err)
		_, err = c.Node("b").Disable(t.Context(), "carts")
		require.NoError(t, err, "again")
		for _, want := range []struct {
			number int
			value  string
		}{{2, "2"}, {1, "1,2"}} {
			h, err := c.Node("b").Rollback(t.Context(), "carts")
			require.NoError(t, err)
			require.Equal(t, want.number, h.Number)
			require.False(t, h.Disabled)
			everywhere(t, c, "k", want.value)
		}
		_, err = c.Node("a").Rollback(t.Context(), "carts")
		require.ErrorIs(t, err, engine.ErrNoEarlier)
	})
}

func TestRollbackOfAHandlerThatTrappedTooOftenIsTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a")
		install(t, c.Node("a"), "carts", "trap")
		activate(t, c.Node("a"), "carts@2")
		for i := range 3 {
			fork(t, c.Node("a"), strconv.Itoa(i), "1", "2")
			restart(t, c, i+1)
		}
		fork(t, c.Node("a"), "k", "1", "2")
		c.Await("the handler to be disabled", func() bool { return info(t, c.Node("a"), "carts").Active.Disabled })
		h, err := c.Node("a").Rollback(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, 1, h.Number)
		everywhere(t, c, "k", "1,2")
	})
}

func TestTheHistoryLeavesOutWhatIsNotInstalledAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		for _, module := range []string{"latest", "keep"} {
			install(t, c.Node("a"), "carts", module)
			activate(t, c.Node("a"), "carts")
		}
		require.Len(t, info(t, c.Node("b"), "carts").Earlier, 2)
		removeModule(t, c.Node("a"), "carts@2")
		earlier := info(t, c.Node("b"), "carts").Earlier
		require.Len(t, earlier, 1)
		require.Equal(t, 1, earlier[0].Number)
	})
}

func TestDisableNeedsAHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		_, err := c.Node("a").Disable(t.Context(), "carts")
		require.ErrorIs(t, err, engine.ErrNoHandler)
		_, err = c.Node("a").Disable(t.Context(), "nosuch")
		require.ErrorIs(t, err, engine.ErrNoTable)
	})
}

func TestDisableAndActivateOnTwoSidesOfASplitConverge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		install(t, c.Node("a"), "carts", "latest")
		fork(t, c.Node("a"), "k", "1", "2")
		isolate(c)
		_, err := c.Node("a").Disable(t.Context(), "carts")
		require.NoError(t, err)
		c.Pass(time.Second)
		activate(t, c.Node("b"), "carts@2")
		c.Converge()
		everywhere(t, c, "k", "2")
		require.Equal(t, *info(t, c.Node("a"), "carts").Active, *info(t, c.Node("b"), "carts").Active)
		require.False(t, info(t, c.Node("a"), "carts").Active.Disabled)
	})
}

// checkReport is a check report of a module that holds the four needed laws and some of the ten good ones.
func checkReport(sha256 string, good int) []byte {
	var laws []string
	for i := range 14 {
		state := "held"
		if i >= 4+good {
			state = "broken"
		}
		laws = append(laws, fmt.Sprintf(`{"needed":%t,"state":%q}`, i < 4, state))
	}
	laws = append(laws, `{"needed":true,"state":"not applicable"}`)
	return fmt.Appendf(nil, `{"sha256":%q,"laws":[%s]}`, sha256, strings.Join(laws, ","))
}

func TestACheckReportIsKnownEverywhereAndCanBeReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		sha := info(t, c.Node("a"), "carts").Active.SHA256
		for _, good := range []int{8, 10} {
			want := map[int]string{8: "2 good broken", 10: "ok 14/14"}[good]
			p := install(t, c.Node("a"), "carts", "union", engine.WithCheck(checkReport(sha, good)))
			require.Equal(t, want, p.Checked.String())
			require.Equal(t, 1, p.Number, "it is the same module")
			all, err := c.Node("b").Plugins(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, all[0].Checked.String())
			require.Empty(t, all[0].Check)
		}
		install(t, c.Node("a"), "carts", "union")
		full, err := c.Node("b").Plugin(t.Context(), "carts")
		require.NoError(t, err)
		require.JSONEq(t, string(checkReport(sha, 10)), string(full[0].Check), "installing without a report does not take it away")
		require.Equal(t, []string{"handlers.union"}, full[0].Imports)
	})
}

func TestACheckReportOfBothSidesOfASplitIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		isolate(c)
		p := install(t, c.Node("a"), "carts", "union")
		install(t, c.Node("a"), "carts", "union", engine.WithCheck(checkReport(p.SHA256, 10)))
		c.Pass(time.Second)
		install(t, c.Node("b"), "carts", "union")
		c.Converge()
		for _, name := range c.Names() {
			all, err := c.Node(name).Plugins(t.Context())
			require.NoError(t, err)
			require.Len(t, all, 1)
			require.NotNil(t, all[0].Checked, name)
			require.Equal(t, "ok 14/14", all[0].Checked.String(), name)
		}
	})
}

func TestReportsThatSayNothingAboutTheModuleAreRefused(t *testing.T) {
	const sha = "00ff"
	good := string(checkReport(sha, 10))
	_, err := engine.ReadCheck([]byte(good), sha)
	require.NoError(t, err)
	for name, bad := range map[string]string{
		"no JSON":        "checked",
		"no object":      `["00ff"]`,
		"another module": string(checkReport("00fe", 10)),
		"no laws":        `{"sha256":"00ff","laws":[]}`,
		"no state":       `{"sha256":"00ff","laws":[{"needed":true}]}`,
		"too large":      good + strings.Repeat(" ", engine.MaxCheckBytes),
	} {
		_, err := engine.ReadCheck([]byte(bad), sha)
		require.ErrorIs(t, err, engine.ErrBadCheck, name)
	}
}

func TestASummarySaysWhatIsBroken(t *testing.T) {
	for want, s := range map[string]engine.CheckSummary{
		"ok 14/14":                {Needed: 4, NeededHeld: 4, Good: 10, GoodHeld: 10},
		"2 good broken":           {Needed: 4, NeededHeld: 4, Good: 10, GoodHeld: 8},
		"1 needed broken":         {Needed: 4, NeededHeld: 3, Good: 10, GoodHeld: 10},
		"1 needed, 3 good broken": {Needed: 4, NeededHeld: 3, Good: 10, GoodHeld: 7},
	} {
		require.Equal(t, want, s.String())
	}
}

func TestInstallingTellsWhichTablesTheModuleJudgesFromThenOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		first := install(t, c.Node("a"), "carts", "union")
		require.Equal(t, []string{"carts"}, first.Tables)
		require.True(t, first.Here)
		require.Empty(t, install(t, c.Node("a"), "carts", "latest").Tables, "a later one judges after Activate")
		sha := first.SHA256
		require.Equal(t, []string{"carts"}, install(t, c.Node("a"), "carts", "union", engine.WithCheck(checkReport(sha, 8))).Tables)
	})
}

func TestNumbersCountTheModulesOfAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		require.Equal(t, 2, install(t, c.Node("b"), "carts", "latest").Number)
		require.Equal(t, 1, install(t, c.Node("b"), "other", "latest").Number)
		for ref, want := range map[string]string{"carts": "carts 2", "carts@1": "carts 1", "other@1": "other 1"} {
			h := activate(t, c.Node("a"), ref)
			require.Equal(t, want, fmt.Sprint(h.Plugin, " ", h.Number))
		}
		for _, ref := range []string{"carts@3", "carts@", "@1", "1", "nosuch@1"} {
			_, err := c.Node("a").Activate(t.Context(), "carts", ref)
			require.ErrorIs(t, err, engine.ErrNoPlugin, ref)
		}
		isolate(c)
		install(t, c.Node("a"), "carts", "keep")
		install(t, c.Node("b"), "carts", "delete")
		c.Converge()
		_, err := c.Node("a").Activate(t.Context(), "carts", "carts@3")
		require.ErrorContains(t, err, "several modules", "both sides have counted on")
	})
}
