package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// shadow starts a shadow for carts.
func shadow(t *testing.T, n *enginetest.Node, module string) {
	t.Helper()
	p := install(t, n, "next", module)
	_, err := n.ActivateShadow(t.Context(), "carts", p.SHA256)
	require.NoError(t, err)
}

// shadowReport reports on the shadow of carts.
func shadowReport(t *testing.T, n *enginetest.Node) engine.ShadowReport {
	t.Helper()
	r, err := n.Shadow(t.Context(), "carts")
	require.NoError(t, err)
	return r
}

func TestAShadowIsComparedOnEveryConflictAndHasNoEffect(t *testing.T) {
	type counts struct{ compared, equal, different, errors, traps int }
	for shadowed, want := range map[string]counts{
		"union 2": {3, 3, 0, 0, 0},
		"latest":  {3, 0, 3, 0, 0},
		"delete":  {3, 0, 3, 0, 0},
		"keep":    {3, 0, 3, 0, 0},
		"fail":    {3, 0, 3, 3, 0},
		"trap":    {3, 0, 3, 0, 3},
		"poison":  {3, 2, 1, 0, 1},
	} {
		t.Run(shadowed, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, "union", "a", "b", "c")
				fork(t, c.Node("a"), "before", "1", "2")
				c.Pass(5 * time.Second)
				shadow(t, c.Node("b"), shadowed)
				fork(t, c.Node("a"), "poison", "1", "2")
				fork(t, c.Node("c"), "k", "1", "2")
				c.Pass(10 * time.Second)
				for _, name := range c.Names() {
					r := shadowReport(t, c.Node(name))
					require.Equal(t, want, counts{r.Compared, r.Equal, r.Different, r.Errors, r.Traps}, name)
					require.Len(t, r.Differences, want.different)
					for _, d := range r.Differences {
						require.Equal(t, engine.Outcome{State: engine.Resolved, Verdict: "value", Value: []byte("1,2")}, d.Live)
						require.NotEqual(t, d.Live, d.Shadow)
						_, err := c.Node(name).Conflict(t.Context(), d.ID)
						require.NoError(t, err, "it is a conflict of the journal")
					}
				}
				for _, key := range []string{"before", "poison", "k"} {
					everywhere(t, c, key, "1,2")
				}
				require.Equal(t, 3, c.Count(engine.EventShadowed), "by the mergers, once each")
				for _, kind := range []engine.EventKind{engine.EventTrap, engine.EventRestart, engine.EventHandlerDisabled, engine.EventError} {
					require.Zero(t, c.Count(kind), kind)
				}
				require.Zero(t, engine.NumQuarantines(c.Node("a").Engine))
			})
		})
	}
}

func TestAShadowThatMendsATrapIsSeenToEndDifferently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		restart(t, c, 1)
		c.Converge()
		shadow(t, c.Node("a"), "union")
		c.Pass(10 * time.Second)
		r := shadowReport(t, c.Node("b"))
		require.Equal(t, 1, r.Different)
		require.Equal(t, engine.Quarantined, r.Differences[0].Live.State)
		require.Equal(t, "trap", r.Differences[0].Live.Verdict)
		require.Equal(t, engine.Outcome{State: engine.Resolved, Verdict: "value", Value: []byte("1,2")}, r.Differences[0].Shadow)
		require.Equal(t, 1, c.Count(engine.EventRestart))
		quarantined(t, c, "k")
	})
}

func TestAShadowRunsWhereNothingElseDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		shadow(t, c.Node("a"), "union")
		c.Pass(5 * time.Second)
		require.Equal(t, 1, shadowReport(t, c.Node("b")).Different, "compared with the policy")
		everywhere(t, c, "k", "2")
		require.Equal(t, engine.Kept, get(t, c.Node("a"), "k").State)
	})
}

func TestAShadowAndItsReportOutliveRestartsAndReachNodesThatJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		shadow(t, c.Node("a"), "latest")
		fork(t, c.Node("a"), "k", "1", "2")
		c.Pass(5 * time.Second)
		before := shadowReport(t, c.Node("a"))
		require.Equal(t, 1, before.Compared)
		n := c.Restart("a")
		require.NoError(t, n.AwaitReady(t.Context()))
		c.Pass(10 * time.Second)
		require.Equal(t, before.Compared, shadowReport(t, n).Compared, "the same conflict is not counted again")
		c.StartAll("c")
		require.Equal(t, "next", info(t, c.Node("c"), "carts").Shadow.Plugin)
		fork(t, n, "l", "1", "2")
		c.Pass(5 * time.Second)
		require.Equal(t, 2, shadowReport(t, n).Compared)
		require.GreaterOrEqual(t, shadowReport(t, c.Node("c")).Compared, 1, "from the time that it joined")
	})
}

func TestAnEndedShadowSaysWhatItFoundAndRunsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		_, err := c.Node("a").Shadow(t.Context(), "carts")
		require.ErrorIs(t, err, engine.ErrNoShadow)
		_, err = c.Node("a").EndShadow(t.Context(), "carts")
		require.ErrorIs(t, err, engine.ErrNoShadow)
		shadow(t, c.Node("a"), "latest")
		fork(t, c.Node("a"), "k", "1", "2")
		c.Pass(5 * time.Second)
		r, err := c.Node("b").EndShadow(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, 1, r.Different)
		fork(t, c.Node("a"), "l", "1", "2")
		c.Pass(5 * time.Second)
		require.Equal(t, 1, c.Count(engine.EventShadowed))
		_, err = c.Node("a").Shadow(t.Context(), "carts")
		require.ErrorIs(t, err, engine.ErrNoShadow)
		require.Nil(t, info(t, c.Node("a"), "carts").Shadow)
	})
}

func TestANewShadowBeginsANewReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		shadow(t, c.Node("a"), "latest")
		fork(t, c.Node("a"), "k", "1", "2")
		c.Pass(5 * time.Second)
		shadow(t, c.Node("b"), "union 2")
		require.Zero(t, shadowReport(t, c.Node("a")).Different)
		c.Pass(5 * time.Second)
		for _, name := range c.Names() {
			r := shadowReport(t, c.Node(name))
			require.Equal(t, 1, r.Equal)
			require.Zero(t, r.Different)
		}
	})
}

func TestAShadowThatComesIntoForceIsNoShadowAnyMore(t *testing.T) {
	for _, how := range []string{"activate", "rollback"} {
		synctest.Test(t, func(t *testing.T) {
			c := open(t, "latest", "a", "b")
			install(t, c.Node("a"), "carts", "union")
			if how == "rollback" {
				activate(t, c.Node("a"), "carts@2")
				activate(t, c.Node("a"), "carts@1")
			}
			_, err := c.Node("a").ActivateShadow(t.Context(), "carts", "carts@2")
			require.NoError(t, err)
			if how == "rollback" {
				_, err := c.Node("b").Rollback(t.Context(), "carts")
				require.NoError(t, err)
			} else {
				activate(t, c.Node("b"), "carts@2")
			}
			for _, name := range c.Names() {
				all, err := c.Node(name).Plugin(t.Context(), "carts@2")
				require.NoError(t, err)
				require.Equal(t, []string{"carts"}, all[0].Tables, name)
				require.Empty(t, all[0].Shadows, name)
				require.Nil(t, info(t, c.Node(name), "carts").Shadow, name)
			}
			activate(t, c.Node("a"), "carts@1")
			require.Nil(t, info(t, c.Node("b"), "carts").Shadow, "nor when it goes")
		})
	}
}

func TestAShadowOfAnotherModuleThanTheOneActivatedGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		shadow(t, c.Node("a"), "keep")
		install(t, c.Node("a"), "carts", "latest")
		activate(t, c.Node("a"), "carts@2")
		require.Equal(t, "next", info(t, c.Node("b"), "carts").Shadow.Plugin)
	})
}

func TestReportsOnShadowsThatHaveEndedAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		begin := func() {
			shadow(t, c.Node("a"), "latest")
			fork(t, c.Node("a"), "k", "1", "2")
			c.Pass(5 * time.Second)
		}
		pages := func(want int) {
			c.Pass(10 * time.Second)
			for _, name := range c.Names() {
				require.Equal(t, want, engine.NumShadowPages(c.Node(name).Engine), name)
			}
		}
		begin()
		pages(1)
		require.Equal(t, 1, shadowReport(t, c.Node("b")).Compared, "one that goes on is kept")
		_, err := c.Node("b").EndShadow(t.Context(), "carts")
		require.NoError(t, err)
		pages(0)
		begin()
		require.NoError(t, c.Node("a").DropTable(t.Context(), "carts"))
		pages(0)
	})
}

func TestAShadowThatCannotRunHereIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a")
		shadow(t, c.Node("a"), "broken")
		fork(t, c.Node("a"), "k", "1", "2")
		c.Pass(10 * time.Second)
		require.Zero(t, shadowReport(t, c.Node("a")).Compared)
		require.Greater(t, c.Count(engine.EventError), 4)
		everywhere(t, c, "k", "1,2")
	})
}

func TestTheReportKeepsTheLatestDifferencesAndCountsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a")
		shadow(t, c.Node("a"), "latest")
		long := strings.Repeat("x", 1<<20)
		for i := range 30 {
			fork(t, c.Node("a"), string(rune('a'+i)), "1", "2"+long)
			c.Pass(3 * time.Second)
		}
		r := shadowReport(t, c.Node("a"))
		require.Equal(t, 30, r.Different)
		require.Len(t, r.Differences, 20)
		require.Equal(t, string(rune('a'+29)), r.Differences[0].Key)
		require.Empty(t, r.Differences[0].Live.Value, "long values are not kept")
	})
}

func TestAShadowNeedsATableAndAModule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a")
		_, err := c.Node("a").ActivateShadow(t.Context(), "nosuch", "carts")
		require.ErrorIs(t, err, engine.ErrNoTable)
		_, err = c.Node("a").ActivateShadow(t.Context(), "carts", "nosuch")
		require.ErrorIs(t, err, engine.ErrNoPlugin)
		_, err = c.Node("a").Shadow(t.Context(), "nosuch")
		require.ErrorIs(t, err, engine.ErrNoTable)
	})
}
