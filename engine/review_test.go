package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// epochs remembers the highest epoch of a table that anybody has seen.
type epochs struct {
	mu      sync.Mutex
	highest uint64
	back    int
}

func (e *epochs) look(ctx context.Context, n *enginetest.Node, table string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i, err := n.Table(ctx, table)
	if err != nil {
		return // dropped meanwhile
	}
	if i.Epoch < e.highest {
		e.back++
	}
	e.highest = max(e.highest, i.Epoch)
}

func TestEpochNeverGoesBackWhenManyCreateAndDropATable(t *testing.T) {
	c := enginetest.NewCluster(t, 1)
	c.StartAll("a")
	n := c.Node("a")
	const tables, callers, rounds = 60, 4, 10
	for i := range tables {
		name := fmt.Sprint("t", i)
		var seen epochs
		var calls sync.WaitGroup
		errs := make(chan error, callers*rounds)
		for range callers {
			calls.Go(func() {
				for range rounds {
					_, err := n.CreateTable(t.Context(), name, engine.TableOptions{})
					seen.look(t.Context(), n, name)
					errs <- errors.Join(err, n.DropTable(t.Context(), name))
				}
			})
		}
		calls.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				require.ErrorIs(t, err, engine.ErrNoTable, "another caller dropped it first")
			}
		}
		require.Zero(t, seen.back, name)
		require.Positive(t, seen.highest, name)
	}
}

func TestEqualValueReturnsPromptlyAfterAMemberCameBackEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		put(t, c.Node("a"), "carts", "k", "1")
		c.Pass(3 * time.Second)
		c.Crash("b")
		c.Pass(3 * time.Second)
		require.NoError(t, c.Start("b").AwaitReady(t.Context()))
		c.Converge()
		c.Pass(20 * time.Second)
		begin := time.Now()
		w, err := c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("1")}})
		require.NoError(t, err)
		require.Equal(t, 2, w.Acked)
		require.Less(t, time.Since(begin), time.Second)
	})
}

func TestTrapInALocalTableRestartsOnceAndItsQuarantineStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b", "c")
		_, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Local: true})
		require.NoError(t, err)
		_, err = c.Node("a").InstallPlugin(t.Context(), "carts", []byte("poison"), engine.Limits{})
		require.NoError(t, err)
		c.Pass(3 * time.Second)
		fork(t, c.Node("b"), "poison", "1", "2")
		restart(t, c, 1)
		c.Pass(5 * time.Minute)
		require.Equal(t, 1, c.Count(engine.EventRestart))
		require.Empty(t, c.Node("b").Ended())
		require.Equal(t, engine.Quarantined, get(t, c.Node("b"), "poison").State)
		for _, name := range c.Names() {
			require.Equal(t, 1, engine.NumQuarantines(c.Node(name).Engine), name)
		}
	})
}

func TestOfTwoNodesOfOneNameThatStartTogetherExactlyOneEnds(t *testing.T) {
	for _, link := range []struct{ delay, apart time.Duration }{
		{0, 0},
		{60 * time.Millisecond, 0},
		{60 * time.Millisecond, 30 * time.Millisecond},
		{300 * time.Millisecond, 5 * time.Millisecond},
		{300 * time.Millisecond, 50 * time.Millisecond}, // the elder's second hello passes the first answer to the younger one
		{300 * time.Millisecond, 249 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("delay %v, %v apart", link.delay, link.apart), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := enginetest.NewCluster(t, 1)
				c.Net().SetFaults(bus.Faults{Delay: link.delay})
				first := c.Start("a")
				c.Pass(link.apart)
				second := c.Start("twin", func(cfg *engine.Config) { cfg.Name, cfg.ExpectPeers = "a", false })
				c.Pass(5 * time.Second)
				require.Equal(t, 1, len(first.Ended())+len(second.Ended()))
				ended := first
				if len(second.Ended()) > 0 {
					ended = second
				}
				require.ErrorIs(t, (<-ended.Ended()).Err, engine.ErrNameTaken)
			})
		})
	}
}

func TestJoinerWhoseDonorVanishesWaitsAgainBeforeItServesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		for i := range 100 {
			put(t, c.Node("a"), "carts", strconv.Itoa(i), "v")
		}
		c.Net().SetFaults(bus.Faults{Delay: 300 * time.Millisecond})
		b := c.Start("b", func(cfg *engine.Config) { cfg.SuspectAfter, cfg.ReadyWait = 2*time.Second, 1500*time.Millisecond })
		c.Await("b to know the table", func() bool {
			s, err := b.Status(t.Context())
			require.NoError(t, err)
			return s.Tables == 1
		})
		require.False(t, b.Ready())
		c.Net().Cut([]string{"a"}, []string{"b"})
		c.Await("b to miss a", func() bool { return len(eventsOf(c, "b", engine.EventMemberDown)) > 0 })
		took := c.Await("b to serve alone", b.Ready)
		require.InDelta(t, 1.5, took.Seconds(), 0.2)
	})
}

func TestRestartedNodeIsListedAlthoughItsWallClockWentBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		c.Crash("b")
		c.Pass(3 * time.Second)
		c.Net().Cut([]string{"a"}, []string{"b"})
		b := c.Start("b", func(cfg *engine.Config) {
			cfg.Now = func() time.Time { return time.Now().Add(-time.Hour) }
		})
		require.NoError(t, b.AwaitReady(t.Context()))
		c.Pass(5 * time.Second)
		c.Converge()
		put(t, c.Node("a"), "carts", "k", "1")
		c.Await("the write to be stable", func() bool { return info(t, c.Node("a"), "carts").Unstable == 0 })
		w, err := c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("2")}}, engine.WithAck(engine.AckQuorum))
		require.NoError(t, err)
		require.Equal(t, 2, w.Acked)
		isolate(c)
		m := member(t, c.Node("a"), "b")
		require.False(t, m.Connected)
		require.Equal(t, actor(t, b), m.Incarnation)
	})
}

func TestRestartPolicyWithoutAHandlerDisablesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b")
		_, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Unresolved: engine.RestartNode})
		require.NoError(t, err)
		for i := range 3 {
			fork(t, c.Node("a"), fmt.Sprint("k", i), "1", "2")
			restart(t, c, i+1)
		}
		fork(t, c.Node("a"), "k3", "1", "2")
		c.Await("the policy to be applied", func() bool { return c.Count(engine.EventTrap) == 4 })
		c.Pass(5 * time.Second)
		require.Equal(t, 3, c.Count(engine.EventRestart))
		require.Zero(t, c.Count(engine.EventHandlerDisabled))
		for _, name := range c.Names() {
			require.Nil(t, info(t, c.Node(name), "carts").Active, name)
		}
		_, err = c.Node("b").InstallPlugin(t.Context(), "carts", []byte("union"), engine.Limits{})
		require.NoError(t, err)
		everywhere(t, c, "k3", "1,2")
	})
}

func TestViewsOfEndedConflictsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		const keys = 30
		for i := range keys {
			fork(t, c.Node("a"), strconv.Itoa(i), "1", "2")
			everywhere(t, c, strconv.Itoa(i), "1,2")
		}
		for _, name := range c.Names() {
			require.Equal(t, keys, engine.NumViews(c.Node(name).Engine, "carts"), name)
		}
		for i := range keys {
			put(t, c.Node("a"), "carts", strconv.Itoa(i), "3")
		}
		c.Pass(10 * time.Second)
		for _, name := range c.Names() {
			require.Zero(t, info(t, c.Node(name), "carts").Conflicts, name)
			require.Zero(t, engine.NumViews(c.Node(name).Engine, "carts"), name)
		}
	})
}

func TestQuorumCountsMembersThatConfirmedAndThenLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b", "c", "d", "e")
		c.Pass(time.Second)
		for _, name := range []string{"d", "e"} {
			_, err := c.Node(name).Close()
			require.NoError(t, err)
		}
		c.Await("a to miss d and e", func() bool { return !member(t, c.Node("a"), "d").Connected && !member(t, c.Node("a"), "e").Connected })
		c.Net().Cut([]string{"a", "b"}, []string{"c"})
		quorum := make(chan error, 1)
		go func() {
			_, err := c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("1")}}, engine.WithAck(engine.AckQuorum))
			quorum <- err
		}()
		c.Await("b to have the write", func() bool { return c.Node("b").Value(t.Context(), "carts", "k") == "1" })
		c.Pass(100 * time.Millisecond)
		_, err := c.Node("b").Close()
		require.NoError(t, err)
		c.Await("a to miss b", func() bool { return !member(t, c.Node("a"), "b").Connected })
		require.Empty(t, quorum, "two of five are no quorum")
		c.Net().Heal()
		require.NoError(t, <-quorum, "a, b and c are one, though b has left")
	})
}

func TestModuleWhoseBytesWereLostIsInstalledAgainAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		a := c.Node("a")
		limits := engine.Limits{Fuel: 77}
		sha := install(t, a, "carts", "union").SHA256
		before, err := a.InstallPlugin(t.Context(), "carts", []byte("union"), limits, engine.WithCheck(checkReport(sha, 10)))
		require.NoError(t, err)
		activate(t, a, "carts")
		require.NoError(t, engine.LoseModule(a.Engine, sha))
		lost, err := a.Plugins(t.Context())
		require.NoError(t, err)
		require.False(t, lost[0].Here)
		c.Pass(time.Second)
		require.Equal(t, before, install(t, a, "carts", "union"), "nothing else was given")
		require.Equal(t, limits, info(t, a, "carts").Active.Limits)
	})
}
