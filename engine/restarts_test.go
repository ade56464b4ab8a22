package engine_test

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// maxClockBytes is what a partition's clock may take once the dead incarnations are gone from it.
const maxClockBytes = 4 << 10

// restarts is five nodes that restart one after the other while keys are overwritten.
type restarts struct {
	*enginetest.Cluster
	tb     testing.TB
	config func(*engine.Config)
	keys   int
	pause  time.Duration // between two restarts
	done   int
	// bytes and incarnations are the greatest that any node has reported of a partition's clock.
	bytes, incarnations int
}

func openRestarts(tb testing.TB, closeAfter time.Duration, keys int, pause time.Duration) *restarts {
	tb.Helper()
	config := func(cfg *engine.Config) { cfg.CloseAfter, cfg.Events = closeAfter, func(engine.Event) {} }
	r := &restarts{Cluster: enginetest.NewCluster(tb, 1), tb: tb, config: config, keys: keys, pause: pause}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		r.Start(name, config)
		require.NoError(tb, r.Node(name).AwaitReady(tb.Context()))
	}
	_, err := r.Node("a").CreateTable(tb.Context(), "carts", engine.TableOptions{})
	require.NoError(tb, err)
	return r
}

// turn restarts the next node, with its replicas or, every third time, without its memory, and overwrites a key there and one elsewhere.
func (r *restarts) turn() {
	r.tb.Helper()
	names := r.Names()
	name := names[r.done%len(names)]
	if r.done%3 == 2 {
		r.Crash(name)
		r.Start(name, r.config)
	} else {
		r.Restart(name)
	}
	require.NoError(r.tb, r.Node(name).AwaitReady(r.tb.Context()))
	r.put(name, r.done)
	r.put(names[(r.done+2)%len(names)], r.done+r.keys/2)
	r.done++
	r.Pass(r.pause)
}

func (r *restarts) put(node string, i int) {
	r.tb.Helper()
	kvs := []engine.KV{{Key: strconv.Itoa(i % r.keys), Value: fmt.Append(nil, i)}}
	_, err := r.Node(node).Put(r.tb.Context(), "carts", kvs, engine.WithAck(engine.AckLocal))
	require.NoError(r.tb, err)
}

// look returns the largest clock of any node.
func (r *restarts) look() (bytes, incarnations int) {
	r.tb.Helper()
	for _, name := range r.Names() {
		s, err := r.Node(name).Status(r.tb.Context())
		require.NoError(r.tb, err)
		bytes, incarnations = max(bytes, s.ClockBytes), max(incarnations, s.Incarnations)
	}
	r.bytes, r.incarnations = max(r.bytes, bytes), max(r.incarnations, incarnations)
	return bytes, incarnations
}

// settle overwrites what the dead have written, and lets them go.
func (r *restarts) settle() (bytes, incarnations int) {
	r.tb.Helper()
	for i := range r.keys {
		r.put("a", i)
	}
	r.Pass(5 * time.Minute)
	return r.look()
}

func TestClocksStaySmallThroughHundredsOfRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := openRestarts(t, 10*time.Second, 10, 2*time.Second)
		for r.done < 200 {
			r.turn()
			r.look()
		}
		bytes, incarnations := r.settle()
		t.Logf("at the end %d bytes, %d incarnations; at most %d bytes, %d incarnations", bytes, incarnations, r.bytes, r.incarnations)
		require.Less(t, bytes, maxClockBytes)
		require.LessOrEqual(t, incarnations, len(r.Names()))
		require.Less(t, r.incarnations, 60, "the dead go also while others restart, more often than one must have been gone")
	})
}

// BenchmarkRestarts is a number of restarts of nodes in a cluster of five, one every five seconds, with the default CloseAfter of a minute. clock-B is the
// size of the largest clock of a partition and incarnations the number of those that it names, at the end and at most on the way; heap-B is what the
// five nodes together hold more than after the first hundred restarts.
func BenchmarkRestarts(b *testing.B) {
	for _, count := range []int{1_000, 10_000} {
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			for b.Loop() {
				measureRestarts(b, count)
			}
		})
	}
}

func measureRestarts(b *testing.B, count int) {
	b.Helper()
	inVirtualTime(b, func(t *testing.T) {
		t.Helper()
		r := openRestarts(t, 0, 100, 5*time.Second)
		first := int64(0)
		for r.done < count {
			r.turn()
			r.look()
			if r.done == 100 {
				r.settle()
				first = heap()
			}
		}
		bytes, incarnations := r.settle()
		b.ReportMetric(float64(bytes), "clock-B")
		b.ReportMetric(float64(r.bytes), "max-clock-B")
		b.ReportMetric(float64(incarnations), "incarnations")
		b.ReportMetric(float64(r.incarnations), "max-incarnations")
		b.ReportMetric(float64(heap()-first), "heap-B")
	})
}

// inVirtualTime runs a part of a benchmark in a bubble, which package synctest gives to tests alone.
func inVirtualTime(b *testing.B, f func(t *testing.T)) {
	b.Helper()
	all := func(string, string) (bool, error) { return true, nil }
	bubble := testing.InternalTest{Name: b.Name(), F: func(t *testing.T) {
		t.Helper()
		synctest.Test(t, f)
	}}
	require.True(b, testing.RunTests(all, []testing.InternalTest{bubble}))
}

// The records of incarnations that are over are kept for members that were away, but not for ever: 256 of them, and those of the last rounds.
func TestRecordsOfTheDeadDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := openRestarts(t, 10*time.Second, 10, 2*time.Second)
		for r.done < 320 {
			r.turn()
		}
		r.settle()
		for _, name := range r.Names() {
			require.LessOrEqual(t, engine.NumSeals(r.Node(name).Engine), 260, name)
		}
	})
}
