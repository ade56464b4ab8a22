package replica_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// scrub runs a whole pass and returns what is broken.
func scrub(r *replica.Replica, maxKeys int, maxBytes int64) (broken []string, turns int) {
	var s replica.Scrub
	for {
		done := r.Scrub(&s, maxKeys, maxBytes)
		broken = append(broken, done.Broken...)
		if turns++; done.Done {
			return broken, turns
		}
	}
}

// flip breaks a bit of a version's value.
func flip(r *replica.Replica, key string, sibling int) {
	r.Get(key)[sibling].Value[0] ^= 1
}

// twins returns two replicas with the same keys, each with a version that an actor of its own wrote.
func twins(t *testing.T, keys int) (a, b *replica.Replica) {
	t.Helper()
	a, b = open(1), open(2)
	for i := range keys {
		put(t, a, strconv.Itoa(i), "apple")
	}
	send(t, a, b)
	requireSame(t, a, b)
	return a, b
}

func TestScrubFindsExactlyWhatBrokeWhateverTheTurns(t *testing.T) {
	a, _ := twins(t, 500)
	for _, limits := range [][2]int{{1, 1 << 20}, {7, 1 << 20}, {1000, 1}, {1000, 100}, {1000, 1 << 20}} {
		broken, _ := scrub(a, limits[0], int64(limits[1]))
		require.Empty(t, broken)
	}
	want := []string{"3", "14", "159"}
	for _, key := range want {
		flip(a, key, 0)
	}
	for _, limits := range [][2]int{{1, 1 << 20}, {7, 1 << 20}, {1000, 1}, {1000, 100}, {1000, 1 << 20}} {
		broken, turns := scrub(a, limits[0], int64(limits[1]))
		require.ElementsMatch(t, want, broken, "%v", limits)
		require.LessOrEqual(t, turns, 501)
	}
}

func TestScrubKeepsToItsBudget(t *testing.T) {
	a, _ := twins(t, 500)
	var s replica.Scrub
	done := a.Scrub(&s, 10, 1<<20)
	require.Equal(t, 10, done.Keys)
	require.False(t, done.Done)
	done = a.Scrub(&s, 500, 60)
	require.Less(t, done.Keys, 12, "about 8 bytes a key")
	require.GreaterOrEqual(t, done.Bytes, int64(60))
}

func TestMendGivesBackExactlyWhatWasStored(t *testing.T) {
	a, b := twins(t, 100)
	before := a.Sum()
	held := a.Get("7")[0].Value
	flip(a, "7", 0)
	require.False(t, a.Mend("7", a.Get("7")[:0]), "nothing offered")
	require.False(t, a.Mend("7", b.Get("8")), "something else offered")
	require.Equal(t, []string{"`pple"}, values(a, "7"))
	require.True(t, a.Mend("7", b.Get("7")))
	require.Equal(t, []string{"apple"}, values(a, "7"))
	require.Equal(t, "`pple", string(held), "readers keep what they have")
	require.Equal(t, before, a.Sum())
	requireSame(t, a, b)
	broken, _ := scrub(a, 1000, 1<<20)
	require.Empty(t, broken)
	require.False(t, a.Mend("7", b.Get("8")), "a whole key is not touched")
	flip(b, "7", 0)
	require.Equal(t, []string{"apple"}, values(a, "7"), "the bytes are copies")
}

func TestMendTakesVersionsOneByOneWhenThePeerHasOthersToo(t *testing.T) {
	a, b := open(1), open(2)
	write(t, a, replica.Write{Key: "k", Value: []byte("x"), Context: clock.Context{}})
	write(t, a, replica.Write{Key: "k", Value: []byte("y"), Context: clock.Context{}})
	send(t, a, b)
	write(t, b, replica.Write{Key: "k", Value: []byte("z"), Context: clock.Context{}})
	flip(a, "k", 1)
	require.True(t, a.Mend("k", b.Get("k")))
	require.Equal(t, []string{"x", "y"}, values(a, "k"))
	send(t, b, a)
	requireSame(t, a, b)
}

func TestMendKeepsWhatVersionsHaveOverwritten(t *testing.T) {
	for what, harm := range map[string]func(v *replica.Version){
		"value": func(v *replica.Version) { v.Value[0] ^= 1 },
		"stamp": func(v *replica.Version) { v.Stamp ^= 1 << 40 },
		"dot":   func(v *replica.Version) { v.Dot.Counter ^= 1 << 40 },
	} {
		t.Run(what, func(t *testing.T) {
			a, b := forked(t)
			gather(t, a, b)
			harm(&b.Get("k")[0])
			require.True(t, b.Mend("k", wire(t, a.Pack([]string{"k"}, 1<<20)).Objects[0].Object.Versions))
			requireSame(t, a, b)
			requireBase(t, "before1", a, b)
		})
	}
}

func TestDataThatAPeerHoldsTooStandAndAreSummedAnew(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "apple")
	flip(a, "k", 0) // before it leaves
	send(t, a, b)
	require.NotEqual(t, a.Sum(), b.Sum())
	require.True(t, a.Mend("k", b.Get("k")))
	requireSame(t, a, b)
	broken, _ := scrub(a, 1000, 1<<20)
	require.Empty(t, broken)
	require.Equal(t, b.Survey(replica.Span{}), a.Survey(replica.Span{}))
}

func TestBrokenFingerprintIsStoredAnewAndTheSumsStay(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		a, b := replica.New(actor(1), replica.Options{Ordered: ordered}), open(2)
		for i := range 100 {
			put(t, a, strconv.Itoa(i), "apple")
		}
		send(t, a, b)
		replica.BreakFingerprint(a, "7", 1)
		broken, _ := scrub(a, 1000, 1<<20)
		require.Equal(t, []string{"7"}, broken)
		require.True(t, a.Mend("7", b.Get("7")))
		broken, _ = scrub(a, 1000, 1<<20)
		require.Empty(t, broken)
		requireSame(t, a, b)
		require.Equal(t, b.Survey(replica.Span{}), a.Survey(replica.Span{}))
		put(t, a, "7", "pear")
		send(t, a, b)
		requireSame(t, a, b)
	}
}

// TestWritesGetOverABrokenFingerprint breaks what is stored beside the data, and changes the key before the audit has found it. The sums must be those
// of a replica on which nothing broke.
func TestWritesGetOverABrokenFingerprint(t *testing.T) {
	breaks := map[string]func(r *replica.Replica, key string){
		"high half": func(r *replica.Replica, key string) { replica.BreakFingerprint(r, key, 0) },
		"low half":  func(r *replica.Replica, key string) { replica.BreakFingerprint(r, key, 1) },
		"index":     replica.BreakPlaced,
		"value":     func(r *replica.Replica, key string) { flip(r, key, 0) },
	}
	changes := map[string]func(a, b *replica.Replica, key string){
		"put":            func(a, _ *replica.Replica, key string) { put(t, a, key, "pear") },
		"delete":         func(a, _ *replica.Replica, key string) { write(t, a, replica.Write{Key: key, Delete: true}) },
		"receive put":    func(_, b *replica.Replica, key string) { put(t, b, key, "pear") },
		"receive delete": func(_, b *replica.Replica, key string) { write(t, b, replica.Write{Key: key, Delete: true}) },
	}
	for what, spoil := range breaks {
		for how, change := range changes {
			for _, keys := range []int{1, 2, 300} {
				t.Run(fmt.Sprintf("%s, %s, %d keys", what, how, keys), func(t *testing.T) {
					a, b := twins(t, keys)
					spoil(a, "0")
					change(a, b, "0")
					send(t, a, b)
					send(t, b, a)
					requireSame(t, a, b)
					requireWhole(t, a, b)
				})
			}
		}
	}
}

// requireWhole expects that nothing is broken in a, and that its index by place has what that of b has.
func requireWhole(t *testing.T, a, b *replica.Replica) {
	t.Helper()
	broken, _ := scrub(a, 1000, 1<<20)
	require.Empty(t, broken)
	found, _ := divergent(a, b)
	require.Empty(t, found)
	require.Equal(t, b.Survey(replica.Span{}), a.Survey(replica.Span{}))
}

func TestCorrectReplacesValuesUnderTheSameDotsOnly(t *testing.T) {
	a, b := twins(t, 10)
	v := a.Get("7")[0]
	require.True(t, a.Correct("7", []replica.Version{{Dot: v.Dot, Stamp: v.Stamp + 1, Value: []byte("poison")}}))
	require.Equal(t, []string{"poison"}, values(a, "7"))
	require.NotEqual(t, a.Sum(), b.Sum())
	require.True(t, a.Clock().Equal(b.Clock()), "it is no mutation")
	require.Zero(t, a.Pending())
	broken, _ := scrub(a, 1000, 1<<20)
	require.Empty(t, broken)
	require.False(t, a.Correct("7", b.Get("8")), "other dots")
	require.Equal(t, []string{"poison"}, values(a, "7"))
	require.True(t, a.Correct("7", b.Get("7")))
	require.False(t, a.Correct("7", b.Get("7")), "it is so")
	requireSame(t, a, b)
}

func TestReissueReplacesWhatAllHoldByAllValues(t *testing.T) {
	a, b := twins(t, 1)
	c := open(3)
	pull(t, a, c, true)
	v := b.Get("0")[0]
	b.Correct("0", []replica.Version{{Dot: v.Dot, Stamp: v.Stamp + 1000, Value: []byte("poison")}})
	dots := a.Reissue("0", []replica.Version{a.Get("0")[0], b.Get("0")[0]}, 1)
	require.Len(t, dots, 2)
	send(t, a, b, c)
	for _, r := range []*replica.Replica{a, b, c} {
		require.Equal(t, []string{"apple", "poison"}, values(r, "0"))
		for i, w := range r.Get("0") {
			require.Equal(t, dots[i], w.Dot)
			require.Greater(t, w.Stamp, v.Stamp+1000)
		}
		requireSame(t, a, r)
	}
	require.Equal(t, 1, a.NumConflicts())
}

// divergent descends from all places to the keys of which the two hold different versions.
func divergent(a, b *replica.Replica) (keys []string, steps int) {
	queue := []replica.Span{{}}
	for ; len(queue) > 0; steps++ {
		parts, found := a.Differences(queue[0], b.Survey(queue[0]))
		queue = append(queue[1:], parts...)
		keys = append(keys, found...)
	}
	return keys, steps
}

func TestSurveysFindTheKeysThatDiffer(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		n := 1 + rnd.IntN(3000)
		a, b := twins(t, n)
		var want []string
		for range rnd.IntN(20) {
			key := strconv.Itoa(rnd.IntN(n))
			v := a.Get(key)[0]
			a.Correct(key, []replica.Version{{Dot: v.Dot, Value: []byte("poison")}})
			want = append(want, key)
		}
		put(t, a, "here alone", "1")
		put(t, b, "there alone", "1")
		want = append(want, "here alone", "there alone")
		slices.Sort(want)
		keys, steps := divergent(a, b)
		require.ElementsMatch(t, slices.Compact(want), keys, "seed %d, %d keys", seed, n)
		require.LessOrEqual(t, steps, 1+64*len(want), "seed %d", seed)
	}
}

func TestSurveysOfEqualReplicasFindNothing(t *testing.T) {
	a, b := twins(t, 3000)
	keys, steps := divergent(a, b)
	require.Empty(t, keys)
	require.Equal(t, 1, steps)
}

func TestPackHoldsWhatFitsButAtLeastOne(t *testing.T) {
	a, _ := twins(t, 10)
	require.Len(t, wire(t, a.Pack([]string{"1", "2", "none"}, 1<<20)).Objects, 3)
	require.Len(t, wire(t, a.Pack([]string{"1", "2", "none"}, 1)).Objects, 1)
	require.Empty(t, wire(t, a.Pack(nil, 1)).Objects)
}

func TestSpansThatAreNoneAreKnown(t *testing.T) {
	for _, s := range []replica.Span{{}, {First: 0xf << 60, Bits: 4}, {First: 1, Bits: 64}} {
		require.True(t, s.IsValid(), "%+v", s)
	}
	for _, s := range []replica.Span{{Bits: -4}, {Bits: 2}, {Bits: 68}, {First: 1}, {First: 1, Bits: 60}} {
		require.False(t, s.IsValid(), "%+v", s)
	}
}

// BenchmarkScrub looks at the keys of a partition whose data do not fit into the processor's caches.
func BenchmarkScrub(b *testing.B) {
	for _, size := range []int{16, 256, 4096} {
		b.Run(fmt.Sprintf("value=%d", size), func(b *testing.B) {
			keys := min(1<<20, 256<<20/size) / 2
			r := open(1)
			for i := range keys {
				mustWrite(b, r, replica.Write{Key: "user/" + strconv.Itoa(i), Value: make([]byte, size)})
			}
			settle(r)
			var s replica.Scrub
			seen, bytes := 0, int64(0)
			b.ReportAllocs()
			for b.Loop() {
				done := r.Scrub(&s, 256, 256<<10)
				seen += done.Keys
				bytes += done.Bytes
				if done.Done {
					s = replica.Scrub{}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(seen), "ns/key")
			b.SetBytes(bytes / int64(b.N))
		})
	}
}
