package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// openExiting is a ready cluster whose processes end when the handler of carts traps.
func openExiting(t *testing.T, names ...string) *enginetest.Cluster {
	t.Helper()
	c := enginetest.NewCluster(t, 1)
	for _, name := range names {
		c.Start(name, func(cfg *engine.Config) { cfg.OnTrap = engine.ExitProcess })
		require.NoError(t, c.Node(name).AwaitReady(t.Context()))
	}
	create(t, c.Node(names[0]), "carts", "trap")
	return c
}

func TestNodeThatWentDownIsNotTakenForAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a", "b", "c")
		fork(t, c.Node("a"), "k", "1", "2")
		who := whoRestarts(t, c, 1)
		before := c.Count(engine.EventMemberUp)
		c.Pass(3 * time.Second) // its requests take so long to end
		require.Equal(t, before, c.Count(engine.EventMemberUp))
		for _, name := range c.Names() {
			if name != who {
				require.False(t, member(t, c.Node(name), who).Connected, name)
			}
		}
	})
}

func TestNodeThatGoesDownTakesNoMoreWrites(t *testing.T) {
	for _, exiting := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := openExiting(t, "a", "b")
			if !exiting {
				c = open(t, "trap", "a", "b")
			}
			fork(t, c.Node("a"), "k", "1", "2")
			n := c.Node(whoRestarts(t, c, 1))
			before := digest(t, n)
			for _, level := range []engine.AckLevel{engine.AckLocal, engine.AckAll} {
				_, err := putAt(t, n, level)
				require.ErrorIs(t, err, engine.ErrClosed)
				require.NotErrorIs(t, err, engine.ErrNotAcknowledged, "it is not applied")
			}
			require.Equal(t, before, digest(t, n))
			require.Equal(t, exiting, (<-n.Ended()).Exit)
		})
	}
}

// TestExitDoesNotWaitForSilence has a peer write all the time, so that no two heartbeats find the nodes equal.
func TestExitDoesNotWaitForSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openExiting(t, "a", "b", "c")
		c.Pass(3 * time.Second)
		quit, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for {
				for _, name := range c.Names() {
					_, _ = c.Node(name).Put(t.Context(), "carts", []engine.KV{{Key: "busy", Value: []byte(time.Now().String())}}, engine.WithAck(engine.AckLocal)) // refused by the node that goes down
				}
				select {
				case <-quit:
					return
				case <-time.After(3 * time.Millisecond):
				}
			}
		}()
		fork(t, c.Node("a"), "k", "1", "2")
		why := <-c.Node(whoRestarts(t, c, 1)).Ended()
		close(quit)
		<-ended
		require.True(t, why.Exit)
	})
}
