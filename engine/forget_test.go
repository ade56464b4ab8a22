package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

func TestForgottenMemberHoldsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		c.Crash("c")
		c.Pass(2 * time.Second)
		a := c.Node("a")
		put(t, a, "carts", "k", "1")
		c.Pass(2 * time.Second)
		require.Equal(t, 1, info(t, a, "carts").Unstable)
		require.NoError(t, a.Forget(t.Context(), "c"))
		require.Equal(t, 1, c.Count(engine.EventForgotten), "the node that was asked says so")
		c.Pass(2 * time.Second)
		for _, name := range []string{"a", "b"} {
			require.Zero(t, info(t, c.Node(name), "carts").Unstable)
			members, err := c.Node(name).Members(t.Context())
			require.NoError(t, err)
			require.Len(t, members, 2)
		}
	})
}

func TestConnectedOrUnknownMembersAreNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		require.ErrorIs(t, c.Node("a").Forget(t.Context(), "b"), engine.ErrMemberConnected)
		require.ErrorIs(t, c.Node("a").Forget(t.Context(), "a"), engine.ErrMemberConnected)
		require.ErrorIs(t, c.Node("a").Forget(t.Context(), "z"), engine.ErrNoMember)
	})
}

func TestMemberThatWasForgottenWhileAwayComesBackWithItsWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		for _, name := range []string{"a", "b", "c"} {
			c.Start(name, func(cfg *engine.Config) { cfg.ForgetAfter = time.Minute })
			require.NoError(t, c.Node(name).AwaitReady(t.Context()))
		}
		create(t, c.Node("a"), "carts", "union")
		put(t, c.Node("a"), "carts", "k", "x")
		put(t, c.Node("a"), "carts", "gone", "x")
		isolate(c)
		put(t, c.Node("a"), "carts", "k", "x,a")
		put(t, c.Node("b"), "carts", "k", "x,b")
		_, err := c.Node("b").Delete(t.Context(), "carts", []string{"gone"})
		require.NoError(t, err)
		c.Pass(90 * time.Second)
		require.NotZero(t, c.Count(engine.EventForgotten))
		require.Zero(t, info(t, c.Node("b"), "carts").Unstable)
		c.Net().Heal()
		c.Pass(10 * time.Second)
		for _, name := range []string{"a", "b", "c"} {
			require.Equal(t, "a,b,x", c.Node(name).Value(t.Context(), "carts", "k"))
			_, err := c.Node(name).Get(t.Context(), "carts", "gone")
			require.ErrorIs(t, err, engine.ErrNotFound)
			members, err := c.Node(name).Members(t.Context())
			require.NoError(t, err)
			require.Len(t, members, 3)
			require.Zero(t, info(t, c.Node(name), "carts").Unstable)
		}
	})
}
