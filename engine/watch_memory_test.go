package engine_test

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// heap returns the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// putMany writes the keys k0, k1... of carts, batch by batch, and lets everybody see each batch.
func putMany(t *testing.T, n *enginetest.Node, count int, value string) {
	t.Helper()
	for done := 0; done < count; done += engine.MaxBatch {
		kvs := make([]engine.KV, min(engine.MaxBatch, count-done))
		for i := range kvs {
			kvs[i] = engine.KV{Key: "k" + strconv.Itoa(done+i), Value: []byte(value)}
		}
		_, err := n.Put(t.Context(), "carts", kvs)
		require.NoError(t, err)
		synctest.Wait()
	}
}

// lastSeen reads a watch to its end and returns the value that each key had last, and what ended it.
func lastSeen(t *testing.T, n *enginetest.Node, ctx context.Context, p engine.Pattern) func() (map[string]string, error) { //nolint:revive // the watch's own context
	t.Helper()
	changes := n.Watch(ctx, "carts", p)
	values := map[string]string{}
	var last error
	var reader sync.WaitGroup
	reader.Go(func() {
		for change, err := range changes {
			if err != nil {
				last = err
				return
			}
			values[change.Entry.Key] = string(change.Entry.Value)
		}
	})
	return func() (map[string]string, error) {
		reader.Wait()
		return values, last
	}
}

func TestTenThousandWatchersOfWhichHalfNeverReadShareOneBoundedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const watchers, keys = 5_000, 2_000
		n := open(t, "", "a").Node("a")
		putMany(t, n, keys, "old")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ends := make([]func() (map[string]string, error), watchers)
		for i := range ends {
			n.Watch(ctx, "carts", engine.Pattern{}) // nobody reads this one
			ends[i] = lastSeen(t, n, ctx, engine.Pattern{Key: "k7"})
		}
		synctest.Wait()
		before := heap()
		putMany(t, n, keys, "new")
		require.Less(t, heap()-before, int64(32<<20), "a copy of the keys for each watcher would take hundreds of megabytes")
		require.Equal(t, 2*watchers, n.Stats().Watchers)
		cancel()
		for _, end := range ends {
			values, err := end()
			require.Equal(t, map[string]string{"k7": "new"}, values)
			require.ErrorIs(t, err, context.Canceled)
		}
		synctest.Wait()
		require.Zero(t, n.Stats().Watchers)
		require.Zero(t, n.Stats().WatchersOverloaded)
	})
}

func TestSlowWatchersEndOverloadedAndTheOthersSeeEveryFinalState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keys = 80_000
		n := open(t, "", "a").Node("a")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		slow := n.Watch(t.Context(), "carts", engine.Pattern{})
		end := lastSeen(t, n, ctx, engine.Pattern{})
		putMany(t, n, keys, "old")
		putMany(t, n, keys, "new")
		for _, err := range slow {
			require.ErrorIs(t, err, engine.ErrOverloaded)
			require.ErrorContains(t, err, "read the entries, and watch again")
		}
		require.EqualValues(t, 1, n.Stats().WatchersOverloaded)
		cancel()
		values, _ := end()
		require.Len(t, values, keys)
		for key, value := range values {
			require.Equal(t, "new", value, key)
		}
	})
}

func TestWatchOfAKeyThatChangesAllTheTimeKeepsOneEntryForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := open(t, "", "a").Node("a")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n.Watch(ctx, "carts", engine.Pattern{}) // nobody reads this one
		put(t, n, "carts", "first", "")
		for i := range 20_000 {
			put(t, n, "carts", "hot", strconv.Itoa(i))
		}
		require.LessOrEqual(t, engine.WatchLog(n.Engine, "carts"), 2048)
		require.Zero(t, n.Stats().WatchersOverloaded)
	})
}
