package kvnode_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/plugins/plugintest/hostile"
)

const (
	// hostileBytes is the size up to which hostile modules are installed in these tests.
	hostileBytes = 8 << 10
	// leftBytes is what may stay in the heap of a node that has run them all.
	leftBytes = 32 << 20
	// writtenKeys is how many keys are written meanwhile, again and again.
	writtenKeys = 1000
)

// acknowledged writes 0, 1 and so on to the keys of a table in turn until stop is closed, each until it is acknowledged, and returns how many were.
func acknowledged(n *kvnode.Node, table string, stop <-chan struct{}) (count int, err error) {
	for {
		select {
		case <-stop:
			return count, nil
		default:
		}
		kvs := []kvnode.KV{{Key: strconv.Itoa(count % writtenKeys), Value: []byte(strconv.Itoa(count))}}
		switch _, err := n.Put(context.Background(), table, kvs); {
		case err == nil:
			count++
		case !isRestarting(err):
			return count, err
		}
	}
}

// suffer installs a hostile module for the table named like it and has it judge a conflict, by a read.
func suffer(t *testing.T, n *kvnode.Node, name string, m hostile.Module) {
	t.Helper()
	ctx := patient(t)
	_, err := n.CreateTable(ctx, name, kvnode.TableOptions{})
	require.NoError(t, err)
	_, err = n.InstallPlugin(ctx, name, m.Code, kvnode.Limits{})
	if m.Want == hostile.Refused {
		require.ErrorIs(t, err, engine.ErrBadModule, m.Name)
		return
	}
	require.NoError(t, err, m.Name)
	_, err = n.Activate(ctx, name, name)
	require.NoError(t, err, m.Name)
	fork(t, n, name, "k", "x", "y")
	e, err := n.Get(ctx, name, "k")
	require.NoError(t, err)
	want := map[hostile.Fate][]engine.State{
		hostile.Trapped: {kvnode.Quarantined}, hostile.Judged: {kvnode.Kept, kvnode.Resolved},
	}[m.Want]
	require.Contains(t, want, e.State, m.Name)
	require.Len(t, e.Siblings, 2, m.Name)
	require.NoError(t, n.DropTable(ctx, name))
}

func TestHostileHandlersOfOneTableHarmNoOther(t *testing.T) {
	n := open(t, local("a"))
	ctx := patient(t)
	_, err := n.CreateTable(ctx, "other", kvnode.TableOptions{})
	require.NoError(t, err)
	before := reachable()

	stop := make(chan struct{})
	var writer sync.WaitGroup
	var writes int
	var writeErr error
	writer.Go(func() { writes, writeErr = acknowledged(n, "other", stop) })
	for i, m := range hostile.Modules() {
		if len(m.Code) > hostileBytes {
			continue
		}
		suffer(t, n, "victim"+strconv.Itoa(i), m)
	}
	close(stop)
	writer.Wait()
	require.NoError(t, writeErr)
	require.Greater(t, writes, writtenKeys)
	for i := writes - writtenKeys; i < writes; i++ {
		e, err := n.Get(ctx, "other", strconv.Itoa(i%writtenKeys))
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(i), string(e.Value), "the last write that was acknowledged")
	}
	left := reachable() - before
	t.Logf("%d writes beside; %d KiB left", writes, left>>10)
	require.Less(t, left, leftBytes)
}

// reachable is the heap after a collection.
func reachable() int {
	runtime.GC()
	runtime.GC() // the first one runs finalizers
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// BenchmarkOtherTablesBesideHostileHandlers writes and reads one table, by turns alone and while another one's handler runs for ever, takes all memory or
// keeps the compiler busy. Of each the best of the turns counts, so that other load on the machine does not. It takes ten seconds a case: -benchtime 1x.
func BenchmarkOtherTablesBesideHostileHandlers(b *testing.B) {
	modules := map[string][]byte{}
	for _, m := range hostile.Modules() {
		modules[m.Name] = m.Code
	}
	for _, c := range []struct {
		name string
		harm func(*testing.B, *kvnode.Node, int)
		each time.Duration
	}{
		{"nothing", func(*testing.B, *kvnode.Node, int) {}, time.Second},
		{"an endless loop each second", judging(modules["endless loop"]), time.Second},
		{"ten endless loops each second", judging(modules["endless loop"]), time.Second / 10},
		{"long loops at all processors", flooding(modules["long loop"]), time.Microsecond},
		{"all memory ten times each second", judging(modules["all memory, written to"]), time.Second / 10},
		{"compilations without end", compiling(modules["6,500 branches"]), time.Microsecond},
	} {
		b.Run(c.name, func(b *testing.B) {
			n, err := kvnode.Open(b.Context(), local("a"))
			require.NoError(b, err)
			defer func() { require.NoError(b, n.Close(context.WithoutCancel(b.Context()))) }()
			for _, table := range []string{"other", "victim"} {
				_, err = n.CreateTable(b.Context(), table, kvnode.TableOptions{})
				require.NoError(b, err)
			}
			for b.Loop() {
				alone, beside, calls := unmeasured(), unmeasured(), 0
				for range benchTurns {
					alone = alone.best(latencies(b, n))
					ctx, cancel := context.WithCancel(b.Context())
					var harm sync.WaitGroup
					harm.Go(func() { repeat(ctx, c.each, func() { c.harm(b, n, calls); calls++ }) })
					beside = beside.best(latencies(b, n))
					cancel()
					harm.Wait()
				}
				alone.report(b, "alone")
				beside.report(b, "beside")
			}
		})
	}
}

// repeat does something every so often, or without a pause where it takes longer, until the context ends.
func repeat(ctx context.Context, each time.Duration, do func()) {
	tick := time.NewTicker(each)
	defer tick.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// judging has a module judge one conflict after the other.
func judging(module []byte) func(*testing.B, *kvnode.Node, int) {
	return func(b *testing.B, n *kvnode.Node, i int) {
		b.Helper()
		if i == 0 {
			_, err := n.InstallPlugin(context.Background(), "victim", module, kvnode.Limits{})
			require.NoError(b, err)
		}
		unlessRestarting(b, func() error {
			err := siblings(context.Background(), n, "victim", strconv.Itoa(i), "x", "y")
			if err != nil {
				return err
			}
			_, err = n.Get(context.Background(), "victim", strconv.Itoa(i))
			return err
		})
	}
}

// flooding has a module judge a conflict at each processor, and one more.
func flooding(module []byte) func(*testing.B, *kvnode.Node, int) {
	judge := judging(module)
	return func(b *testing.B, n *kvnode.Node, i int) {
		b.Helper()
		many := runtime.GOMAXPROCS(0) + 1
		if i == 0 {
			judge(b, n, 0)
		}
		var readers sync.WaitGroup
		for r := range many {
			readers.Go(func() { judge(b, n, i*many+r+1) })
		}
		readers.Wait()
	}
}

// compiling installs one module after the other, whose bytes differ in a custom section that means nothing.
func compiling(module []byte) func(*testing.B, *kvnode.Node, int) {
	return func(b *testing.B, n *kvnode.Node, i int) {
		b.Helper()
		other := append(slices.Clone(module), 0, 6, 1, 'n', byte(i), byte(i>>8), byte(i>>16), byte(i>>24))
		_, err := n.InstallPlugin(context.Background(), "victim", other, kvnode.Limits{})
		require.NoError(b, err)
	}
}

const (
	benchTurns    = 5
	benchTime     = time.Second
	benchInterval = 500 * time.Microsecond
)

// figures are how long a write and a read took together.
type figures struct{ p50, p99, longest time.Duration }

// unmeasured is worse than anything that is measured.
func unmeasured() figures { return figures{time.Hour, time.Hour, time.Hour} }

// best takes the better ones.
func (f figures) best(g figures) figures {
	return figures{min(f.p50, g.p50), min(f.p99, g.p99), min(f.longest, g.longest)}
}

func (f figures) report(b *testing.B, when string) {
	b.Helper()
	b.ReportMetric(float64(f.p50.Microseconds()), "p50-"+when+"-µs")
	b.ReportMetric(float64(f.p99.Microseconds()), "p99-"+when+"-µs")
	b.ReportMetric(float64(f.longest.Microseconds()), "longest-"+when+"-µs")
}

// latencies writes and reads a key every so often.
func latencies(b *testing.B, n *kvnode.Node) figures {
	b.Helper()
	var all []time.Duration
	tick := time.NewTicker(benchInterval)
	defer tick.Stop()
	for end := time.Now().Add(benchTime); time.Now().Before(end); {
		<-tick.C
		key := strconv.Itoa(len(all) % 1000)
		from := time.Now()
		unlessRestarting(b, func() error {
			_, err := n.Put(b.Context(), "other", []kvnode.KV{{Key: key, Value: []byte("v")}})
			return err
		})
		unlessRestarting(b, func() error {
			_, err := n.Get(b.Context(), "other", key)
			return err
		})
		all = append(all, time.Since(from))
	}
	slices.Sort(all)
	return figures{all[len(all)/2], all[len(all)*99/100], all[len(all)-1]}
}

// unlessRestarting does something, again while the node restarts for a trap.
func unlessRestarting(b *testing.B, do func() error) {
	b.Helper()
	err := do()
	for isRestarting(err) {
		err = do()
	}
	require.NoError(b, err)
}

func isRestarting(err error) bool {
	return errors.Is(err, engine.ErrClosed) || errors.Is(err, engine.ErrNotReady)
}
