package engine_test

import (
	"encoding/base64"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// Each of these is a rule that other tests pass without.

func TestDropWinsOverACreationThatItHasNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b", "c")
		isolate(c)
		create(t, c.Node("a"), "carts", "")
		put(t, c.Node("a"), "carts", "k", "v")
		create(t, c.Node("b"), "carts", "")
		require.NoError(t, c.Node("b").DropTable(t.Context(), "carts"))
		c.Converge()
		for _, name := range c.Names() {
			_, err := c.Node(name).Get(t.Context(), "carts", "k")
			require.ErrorIs(t, err, engine.ErrNoTable, name)
		}
	})
}

func TestSecondActivationOfASideWinsOverALaterFirstOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "keep", "a", "b", "c")
		for name, module := range map[string]string{"first": "union", "second": "latest", "third": "delete"} {
			_, err := c.Node("a").InstallPlugin(t.Context(), name, []byte(module), engine.Limits{})
			require.NoError(t, err)
		}
		isolate(c)
		for _, step := range []struct{ node, plugin string }{{"a", "first"}, {"a", "second"}, {"b", "third"}} {
			_, err := c.Node(step.node).Activate(t.Context(), "carts", step.plugin)
			require.NoError(t, err)
			c.Pass(time.Second)
		}
		c.Converge()
		for _, name := range c.Names() {
			require.Equal(t, "second", info(t, c.Node(name), "carts").Active.Plugin, name)
		}
	})
}

func TestOneMemberJudgesAConflictThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b", "c")
		c.Pass(time.Second) // all know that all are ready
		fork(t, c.Node("a"), "k", "1", "2")
		merger := journal(t, c.Node("a"))[0].Merger
		c.Pass(10 * time.Second)
		judged := eventsOf(c, "", engine.EventJudged)
		require.Len(t, judged, 1)
		require.Equal(t, merger, judged[0].Node)
	})
}

func TestMergerOnASlowNetworkGoesDownWhenItsQuarantineHasArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b", "c")
		c.Net().SetFaults(bus.Faults{Delay: 300 * time.Millisecond})
		fork(t, c.Node("a"), "k", "1", "2")
		<-c.Node(whoRestarts(t, c, 1)).Ended()
		for _, name := range c.Names() {
			require.Equal(t, 1, engine.NumQuarantines(c.Node(name).Engine), name)
		}
	})
}

func TestMemberThatWasForgottenAndCameBackIsWaitedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		for _, name := range []string{"a", "b", "c"} {
			c.Start(name, func(cfg *engine.Config) { cfg.ForgetAfter = time.Minute })
			require.NoError(t, c.Node(name).AwaitReady(t.Context()))
		}
		create(t, c.Node("a"), "carts", "")
		isolate(c)
		c.Pass(90 * time.Second)
		c.Converge()
		c.Pass(10 * time.Second)
		isolate(c)
		put(t, c.Node("b"), "carts", "k", "v")
		c.Pass(10 * time.Second)
		require.Equal(t, 1, info(t, c.Node("b"), "carts").Unstable)
	})
}

func TestTokenWhoseCodeIsWrongIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		text := token(t, c.Node("a"), "carts", "k")
		b, err := base64.RawURLEncoding.DecodeString(text)
		require.NoError(t, err)
		b[len(b)-1] ^= 1
		forged := base64.RawURLEncoding.EncodeToString(b)
		_, err = c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k"}}, engine.WithContext(forged))
		require.ErrorIs(t, err, engine.ErrBadContext)
	})
}
