package engine_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// putAt writes k at a level.
func putAt(t *testing.T, n *enginetest.Node, level engine.AckLevel) (engine.Written, error) {
	t.Helper()
	return n.Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("v")}}, engine.WithAck(level))
}

func TestAckLevelSaysHowManyNodesAreWaitedFor(t *testing.T) {
	for level, want := range map[engine.AckLevel]struct {
		acked int
		err   error
	}{
		engine.AckLocal:  {1, nil},
		engine.AckOne:    {2, nil}, // b and c confirm at one moment
		engine.AckQuorum: {3, nil},
		engine.AckAll:    {3, engine.ErrNotAcknowledged},
	} {
		t.Run(string(level), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := openPatient(t, "a", "b", "c", "d", "e")
				for _, from := range []string{"a", "b", "c"} { // others would pass the write on
					c.Net().CutLink(from, "d")
					c.Net().CutLink(from, "e")
				}
				begin := time.Now()
				w, err := putAt(t, c.Node("a"), level)
				require.ErrorIs(t, err, want.err)
				require.GreaterOrEqual(t, w.Acked, want.acked)
				require.Equal(t, err != nil, time.Since(begin) >= 5*time.Second)
				require.Equal(t, "v", c.Node("a").Value(t.Context(), "carts", "k"))
			})
		})
	}
}

func TestTablesLevelHoldsWhereTheCallNamesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b")
		_, err := c.Node("a").CreateTable(t.Context(), "quick", engine.TableOptions{Ack: engine.AckLocal})
		require.NoError(t, err)
		c.Net().Cut([]string{"a"}, []string{"b"})
		begin := time.Now()
		put(t, c.Node("a"), "quick", "k", "v")
		require.Less(t, time.Since(begin), time.Second)
	})
}

func TestQuorumIsOfTheKnownMembersAlsoOfThoseThatAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		c.Crash("c")
		c.Pass(2 * time.Second)
		w, err := putAt(t, c.Node("a"), engine.AckQuorum)
		require.NoError(t, err)
		require.Equal(t, 2, w.Acked)
	})
}

func TestNoQuorumRefusesBeforeAnythingIsApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		c.Crash("b")
		c.Crash("c")
		c.Pass(2 * time.Second)
		before := digest(t, c.Node("a"))
		for _, level := range []engine.AckLevel{engine.AckOne, engine.AckQuorum} {
			_, err := putAt(t, c.Node("a"), level)
			require.ErrorIs(t, err, engine.ErrNoQuorum, level)
		}
		require.Equal(t, before, digest(t, c.Node("a")))
		everywhere(t, c, "k", "(key not found)")
	})
}

func TestAllIsLocalForANodeThatIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		c.Crash("b")
		c.Pass(2 * time.Second)
		begin := time.Now()
		w, err := putAt(t, c.Node("a"), engine.AckAll)
		require.NoError(t, err)
		require.Equal(t, 1, w.Acked)
		require.Less(t, time.Since(begin), 100*time.Millisecond)
	})
}

func TestMemberThatLeavesIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		c.Net().Cut([]string{"a", "b"}, []string{"c"})
		begin := time.Now()
		w, err := putAt(t, c.Node("a"), engine.AckAll)
		require.NoError(t, err)
		require.Equal(t, 2, w.Acked)
		require.Less(t, time.Since(begin), 2*time.Second)
	})
}

func TestWriteThatIsNotAcknowledgedIsAppliedAndSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b")
		c.Net().Cut([]string{"a"}, []string{"b"})
		begin := time.Now()
		w, err := putAt(t, c.Node("a"), engine.AckAll)
		require.ErrorIs(t, err, engine.ErrNotAcknowledged)
		require.Equal(t, 1, w.Acked)
		require.InDelta(t, 5, time.Since(begin).Seconds(), 0.1)
		c.Converge()
		everywhere(t, c, "k", "v")
	})
}

func TestLostAckIsMadeUpForByAHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b")
		c.Net().CutLink("b", "a")
		time.AfterFunc(time.Second, c.Net().Heal)
		begin := time.Now()
		w, err := putAt(t, c.Node("a"), engine.AckAll)
		require.NoError(t, err)
		require.Equal(t, 2, w.Acked)
		require.Less(t, time.Since(begin), 1500*time.Millisecond)
	})
}

func TestWriterThatGivesUpIsToldThatTheWriteMaySpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b")
		c.Net().Cut([]string{"a"}, []string{"b"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Node("a").Put(ctx, "carts", []engine.KV{{Key: "k"}})
		require.ErrorIs(t, err, engine.ErrNotAcknowledged)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestWriteThatWaitsIsToldThatItsNodeCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b")
		c.Net().Cut([]string{"a"}, []string{"b"})
		a := c.Node("a")
		time.AfterFunc(time.Second, func() { c.Crash("a") })
		_, err := putAt(t, a, engine.AckAll)
		require.ErrorIs(t, err, engine.ErrClosed)
		require.ErrorIs(t, err, engine.ErrNotAcknowledged, "it is applied there, and may have spread")
	})
}

func TestClosedNodeTakesNoWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		a := c.Node("a")
		c.Crash("a")
		for range 20 {
			_, err := putAt(t, a, engine.AckLocal)
			require.ErrorIs(t, err, engine.ErrClosed)
			_, err = a.Get(t.Context(), "carts", "k")
			require.ErrorIs(t, err, engine.ErrClosed)
		}
	})
}

func TestLostFramesAreRepairedAndNoWriteIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		c.Net().SetFaults(bus.Faults{Drop: 0.3, Duplicate: 0.2, Reorder: 0.3, Jitter: 20 * time.Millisecond})
		for i := range 60 {
			n := c.Node(c.Names()[i%3])
			_, err := n.Put(t.Context(), "carts", []engine.KV{{Key: strconv.Itoa(i), Value: []byte("v")}})
			if err != nil {
				require.ErrorIs(t, err, engine.ErrNotAcknowledged)
			}
		}
		c.Net().SetFaults(bus.Faults{})
		c.Converge()
		for _, name := range c.Names() {
			require.Equal(t, 60, info(t, c.Node(name), "carts").Keys)
		}
		require.Zero(t, c.Count(engine.EventAlarm))
		require.Zero(t, c.Count(engine.EventDiverged))
	})
}
