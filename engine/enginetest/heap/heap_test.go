package heap_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

const (
	// maxLeft bounds what all members together may keep of a table whose entries were deleted, in bytes.
	maxLeft = 64 << 10
	// patience is how long after the delete was acknowledged it is measured.
	patience = 10 * time.Second
	// keys is how many keys a test puts and deletes.
	keys = 17_000
	// stay is the number of keys that are never deleted.
	stay = 64
)

// TestMain sets the rate of the profile before anything is allocated that counts: exact for tests, a sample every 512 bytes for benchmarks.
func TestMain(m *testing.M) {
	flag.Parse()
	runtime.MemProfileRate = 1
	if flag.Lookup("test.bench").Value.String() != "" {
		runtime.MemProfileRate = 512
	}
	m.Run()
}

// profile is the bytes in use, by the function of this module that allocated them.
type profile map[string]int64

// measure takes a heap profile of what this module's code has allocated and still holds.
func measure() profile {
	for range 3 { // a profile shows the heap as the last but one collection left it
		runtime.GC()
	}
	var records []runtime.MemProfileRecord
	for n, ok := runtime.MemProfile(nil, false); !ok; n, ok = runtime.MemProfile(records, false) {
		records = make([]runtime.MemProfileRecord, n+100)
	}
	p := profile{}
	for _, r := range records {
		if where, ours := allocator(r.Stack()); ours && r.InUseBytes() > 0 {
			p[where] += unsampled(r)
		}
	}
	return p
}

// unsampled estimates the bytes in use that a record of the profile stands for: an allocation of n bytes is in it with probability 1-exp(-n/rate).
func unsampled(r runtime.MemProfileRecord) int64 {
	if runtime.MemProfileRate == 1 {
		return r.InUseBytes()
	}
	size := float64(r.InUseBytes()) / float64(r.InUseObjects())
	return int64(float64(r.InUseBytes()) / (1 - math.Exp(-size/float64(runtime.MemProfileRate))))
}

// allocator names the function of this module that is innermost in the stack, if any is, with those that called it. What the network keeps is left out:
// it has one buffer for each sender.
func allocator(stack []uintptr) (string, bool) {
	const module = "github.com/kvnode/kvnode/"
	var names []string
	for frames, more := runtime.CallersFrames(stack), true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if name, ours := strings.CutPrefix(f.Function, module); ours {
			names = append(names, fmt.Sprintf("%s:%d", name, f.Line))
		}
	}
	if len(names) == 0 || strings.HasPrefix(names[0], "bus.") {
		return "", false
	}
	where := strings.Join(names[:min(len(names), 3)], " < ")
	return where, !strings.Contains(where, "heap_test.measure")
}

func (p profile) total() (n int64) {
	for _, bytes := range p {
		n += bytes
	}
	return n
}

// growth says where the most bytes came since before.
func (p profile) growth(before profile) string {
	grown := maps.Clone(p)
	for where, bytes := range before {
		grown[where] -= bytes
	}
	var b strings.Builder
	for _, where := range slices.SortedFunc(maps.Keys(grown), func(v, w string) int { return cmp.Compare(grown[w], grown[v]) })[:min(12, len(grown))] {
		fmt.Fprintf(&b, "%9d %s\n", grown[where], where)
	}
	return b.String()
}

// scene is a cluster of three nodes with the table carts.
type scene struct {
	*enginetest.Cluster
	tb testing.TB
}

func open(tb testing.TB, options engine.TableOptions) scene {
	tb.Helper()
	s := scene{enginetest.NewCluster(tb, 1), tb}
	quiet := func(cfg *engine.Config) { cfg.Events = func(engine.Event) {} }
	for _, name := range []string{"a", "b", "c"} {
		s.Start(name, quiet)
	}
	for _, name := range s.Names() {
		require.NoError(tb, s.Node(name).AwaitReady(tb.Context()))
	}
	_, err := s.Node("a").CreateTable(tb.Context(), "carts", options)
	require.NoError(tb, err)
	return s
}

// put writes keys at all nodes in turn; all acknowledge.
func (s scene) put(prefix string, count int) {
	s.tb.Helper()
	for i, keys := range s.batches(prefix, count) {
		kvs := make([]engine.KV, len(keys))
		for j, key := range keys {
			kvs[j] = engine.KV{Key: key, Value: fmt.Appendf(nil, "%064d", j)}
		}
		_, err := s.Node(s.Names()[i%3]).Put(s.tb.Context(), "carts", kvs)
		require.NoError(s.tb, err)
	}
}

// remove deletes keys at all nodes in turn; all acknowledge.
func (s scene) remove(prefix string, count int) {
	s.tb.Helper()
	for i, keys := range s.batches(prefix, count) {
		_, err := s.Node(s.Names()[(i+1)%3]).Delete(s.tb.Context(), "carts", keys)
		require.NoError(s.tb, err)
	}
}

func (s scene) batches(prefix string, count int) func(func(int, []string) bool) {
	return func(yield func(int, []string) bool) {
		for i := 0; i*engine.MaxBatch < count; i++ {
			keys := make([]string, min(engine.MaxBatch, count-i*engine.MaxBatch))
			for j := range keys {
				keys[j] = fmt.Sprintf("%s/%09d", prefix, i*engine.MaxBatch+j)
			}
			if !yield(i, keys) {
				return
			}
		}
	}
}

func (s scene) info(name string) engine.TableInfo {
	s.tb.Helper()
	info, err := s.Node(name).Table(s.tb.Context(), "carts")
	require.NoError(s.tb, err)
	return info
}

// cycle measures before keys are put, with them, and some seconds after all members have acknowledged their delete.
func (s scene) cycle(keys int) (before, with, after profile) {
	s.tb.Helper()
	s.put("stay", stay)
	s.put("warm", 100)
	s.remove("warm", 100)
	s.Pass(patience)
	before = measure()
	s.put("gone", keys)
	with = measure()
	s.remove("gone", keys)
	s.Pass(patience)
	after = measure()
	for _, name := range s.Names() {
		require.Equal(s.tb, stay, s.info(name).Keys)
		require.Zero(s.tb, s.info(name).Unstable)
	}
	return before, with, after
}

// watch reads all changes of carts at all nodes until the test ends.
func (s scene) watch() {
	for _, name := range s.Names() {
		changes := s.Node(name).Watch(s.tb.Context(), "carts", engine.Pattern{})
		go func() {
			for _, err := range changes {
				if err != nil {
					return
				}
			}
		}()
	}
}

// kinds are the tables that are measured.
func kinds() (out []engine.TableOptions) {
	for _, deletes := range []engine.Deletes{engine.HiddenDeletes, engine.VisibleDeletes} {
		for _, kind := range []engine.TableType{engine.Set, engine.OrderedSet} {
			out = append(out, engine.TableOptions{Type: kind, Deletes: deletes})
		}
	}
	return out
}

// title names a table in the output.
func title(o engine.TableOptions) string { return fmt.Sprintf("%s %s", o.Type, o.Deletes) }

func TestNothingRemainsOfDeletedEntries(t *testing.T) {
	for _, options := range kinds() {
		t.Run(title(options), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, options)
				s.watch()
				before, with, after := s.cycle(keys)
				require.Greater(t, with.total()-before.total(), int64(3*keys*(64+14)), "the profile must show the entries")
				require.Less(t, after.total()-before.total(), int64(maxLeft), after.growth(before))
			})
		})
	}
}

// BenchmarkCollect puts a million keys at three nodes in real time, deletes them, and reports the bytes in use of all three together: with the keys, and
// what is left of them ten seconds after the delete was acknowledged.
func BenchmarkCollect(b *testing.B) {
	for _, options := range kinds() {
		b.Run(title(options), func(b *testing.B) {
			for b.Loop() {
				s := open(b, options)
				before, with, after := s.cycle(1_000_000)
				b.ReportMetric(float64(with.total()-before.total()), "held-B")
				b.ReportMetric(float64(after.total()-before.total()), "left-B")
			}
		})
	}
}
