package gauge

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestBucketsHoldTheirNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Uint64().Draw(t, "v") >> rapid.IntRange(0, 63).Draw(t, "shift")
		i := bucketOf(v)
		require.Less(t, i, numBuckets)
		require.LessOrEqual(t, v, lastOf(i))
		require.LessOrEqual(t, lastOf(i)-v, v/32)
		if i > 0 {
			require.Less(t, lastOf(i-1), v, "buckets do not overlap")
		}
	})
}

func TestQuantilesAreThoseOfTheSortedNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(rapid.Uint64Range(0, 1_000_000), 1, 300).Draw(t, "numbers")
		var h, other histogram
		for i, v := range numbers {
			if i%2 == 0 {
				h.add(v)
			} else {
				other.add(v)
			}
		}
		h.merge(&other)
		slices.Sort(numbers)
		for _, percent := range []uint64{1, 50, 90, 99, 100} {
			exact := numbers[(uint64(len(numbers))*percent+99)/100-1]
			got := h.quantile(percent)
			require.GreaterOrEqual(t, got, exact)
			require.LessOrEqual(t, got-exact, exact/32)
		}
		require.Equal(t, numbers[len(numbers)-1], h.quantile(100))
	})
}

func TestAnEmptyHistogramHasNoQuantiles(t *testing.T) {
	var h histogram
	require.Zero(t, h.quantile(99))
}
