package replica_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestBothIndexesAnswerLikeAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hash, tree := open(1), replica.New(actor(1), replica.Options{Ordered: true})
		model := map[string]string{}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			w := replica.Write{Key: rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 1, 3, -1).Draw(t, "key"), Delete: rapid.Bool().Draw(t, "delete")}
			w.Value = strconv.AppendInt(nil, int64(len(model)), 10)
			for _, r := range []*replica.Replica{hash, tree} {
				_, err := r.Write(w)
				require.NoError(t, err)
			}
			if w.Delete {
				delete(model, w.Key)
			} else {
				model[w.Key] = string(w.Value)
			}
		}
		from := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 0, 2, -1).Draw(t, "from")
		requireModel(t, hash, model, from)
		requireModel(t, tree, model, from)
		require.Equal(t, hash.Sum(), tree.Sum())
		require.Equal(t, slices.Sorted(maps.Keys(model)), slices.Collect(keysOf(tree.All())), "an ordered replica yields all in order")
	})
}

func requireModel(t *rapid.T, r *replica.Replica, model map[string]string, from string) {
	var keys, prefixed []string
	size := 0
	for _, key := range slices.Sorted(maps.Keys(model)) {
		require.Equal(t, []string{model[key]}, values(r, key))
		size += len(key) + len(model[key])
		if key >= from {
			keys = append(keys, key)
		}
		if strings.HasPrefix(key, from) {
			prefixed = append(prefixed, key)
		}
	}
	require.Equal(t, len(model), r.Len())
	require.Equal(t, int64(size), r.Bytes())
	require.Equal(t, keys, slices.Collect(keysOf(r.Ascend(from))))
	require.Equal(t, prefixed, slices.Collect(keysOf(r.Prefix(from))))
	after := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return key == from })
	require.Equal(t, append([]string{}, after[:min(2, len(after))]...), append([]string{}, r.Keys(from, 2)...))
	require.Len(t, contents(r), len(model))
}

func keysOf(seq func(func(string, []replica.Version) bool)) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range seq {
			if !yield(key) {
				return
			}
		}
	}
}

func TestIterationsEndWhenTheirConsumerDoes(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		r := replica.New(actor(1), replica.Options{Ordered: ordered})
		for i := range 5 {
			write(t, r, replica.Write{Key: fmt.Sprint("k", i), Value: []byte("v")})
			write(t, r, replica.Write{Key: fmt.Sprint("k", i), Value: []byte("w"), Context: clock.Context{}})
		}
		for name, seq := range map[string]func(func(string, []replica.Version) bool){"all": r.All(), "ascend": r.Ascend("k1"), "prefix": r.Prefix("k")} {
			count := 0
			for range seq {
				count++
				break
			}
			require.Equal(t, 1, count, name)
		}
		for key := range r.Conflicts() {
			require.Equal(t, "k0", key)
			break
		}
		require.Empty(t, r.Keys("", 0))
	}
}

func TestConflictsAreTheKeysWithSiblings(t *testing.T) {
	a, b := open(1), open(2)
	for _, key := range []string{"z", "m", "a"} {
		put(t, a, key, "from a")
		put(t, b, key, "from b")
	}
	put(t, a, "alone", "v")
	send(t, b, a)
	require.Equal(t, []string{"a", "m", "z"}, slices.Collect(a.Conflicts()))
	put(t, a, "m", "settled")
	del(t, a, "z")
	require.Equal(t, []string{"a"}, slices.Collect(a.Conflicts()))
	require.Equal(t, 1, a.NumConflicts())
}

func TestSumIsThatOfTheContents(t *testing.T) {
	a, b := open(1), open(2)
	require.Zero(t, a.Sum())
	put(t, a, "k", "v")
	first := a.Sum()
	require.NotZero(t, first)
	put(t, a, "k2", "v")
	require.NotEqual(t, first, a.Sum())
	del(t, a, "k2")
	require.Equal(t, first, a.Sum())
	send(t, a, b)
	require.Equal(t, first, b.Sum())
	put(t, a, "k", "w")
	put(t, a, "k", "v")
	require.NotEqual(t, first, a.Sum(), "the same value by another write is another version")
}

func TestZeroActorCannotWrite(t *testing.T) {
	require.Panics(t, func() { replica.New(clock.Actor{}, replica.Options{}) })
	require.Panics(t, func() { open(1).Adopt(clock.Actor{}) })
}

func TestReceiveReportsTheKeysWhoseVersionsChanged(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "v")
	put(t, a, "gone", "v")
	del(t, a, "gone")
	d := drain(t, a)
	require.Equal(t, []string{"k"}, receive(t, b, d))
	require.Empty(t, receive(t, b, d), "a repetition changes nothing")
	requireSame(t, a, b)
}

func TestReplicaKeepsNothingOfAFrame(t *testing.T) {
	a, b := open(1), open(2)
	put(t, a, "k", "value")
	d, _ := a.Drain(1 << 20)
	frame := d.AppendBinary(nil)
	parsed, err := replica.ParseDelta(frame)
	require.NoError(t, err)
	receive(t, b, parsed)
	clear(frame)
	require.Equal(t, []string{"value"}, values(b, "k"))
}

func TestGetAllocatesNothing(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		r := replica.New(actor(1), replica.Options{Ordered: ordered})
		put(t, r, "k", "v")
		require.Zero(t, testing.AllocsPerRun(100, func() { r.Get("k") }))
	}
}
