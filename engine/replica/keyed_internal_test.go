package replica

import (
	"maps"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestKeyedIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var k keyed[int]
		want := map[string]int{}
		for i := range rapid.IntRange(1, 60).Draw(t, "runs") {
			first, n := rapid.IntRange(0, 400).Draw(t, "first"), rapid.IntRange(1, 400).Draw(t, "keys")
			removes := rapid.Bool().Draw(t, "removes")
			for j := first; j < first+n; j++ {
				key := strconv.Itoa(j)
				if removes {
					k.remove(key)
					delete(want, key)
				} else {
					k.set(key, i)
					want[key] = i
				}
				v, ok := k.get(key)
				require.Equal(t, !removes, ok)
				require.Equal(t, want[key], v)
				require.Equal(t, len(want), k.len())
			}
			require.Equal(t, want, maps.Collect(k.all()))
		}
	})
}

func TestKeyedGivesRoomBack(t *testing.T) {
	var k keyed[int]
	const keys = 100_000
	for i := range keys {
		k.set(strconv.Itoa(i), i)
	}
	for i := range keys - 100 {
		k.remove(strconv.Itoa(i))
	}
	require.Nil(t, k.old)
	require.LessOrEqual(t, k.peak, looseRatio*100+movedKeys)
	for i := keys - 100; i < keys; i++ {
		v, ok := k.get(strconv.Itoa(i))
		require.True(t, ok)
		require.Equal(t, i, v)
		k.remove(strconv.Itoa(i))
	}
	require.Zero(t, k.len())
	require.LessOrEqual(t, k.peak, looseKeys)
}
