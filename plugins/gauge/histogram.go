package gauge

import "math/bits"

// Each power of two has 1<<precision buckets of equal width, so that a bucket is at most a 32nd of its numbers wide.
const (
	precision  = 5
	numBuckets = (64 - precision + 1) << precision
)

// histogram counts numbers in buckets, so that quantiles of any count of them take the same room. Its zero value is empty.
type histogram struct {
	buckets [numBuckets]uint64
	count   uint64
	highest uint64
}

func (h *histogram) add(v uint64) {
	h.buckets[bucketOf(v)]++
	h.count++
	h.highest = max(h.highest, v)
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
	h.count += other.count
	h.highest = max(h.highest, other.highest)
}

// quantile is the number that so many percent of all do not exceed, rounded up to the end of its bucket.
func (h *histogram) quantile(percent uint64) uint64 {
	want := (h.count*percent + 99) / 100
	seen := uint64(0)
	for i, n := range h.buckets {
		if seen += n; seen >= want && n > 0 {
			return min(lastOf(i), h.highest)
		}
	}
	return h.highest
}

// bucketOf is the bucket of v: numbers below 1<<precision have one each.
func bucketOf(v uint64) int {
	shift := max(0, bits.Len64(v)-precision-1)
	return shift<<precision + int(v>>shift)
}

// lastOf is the largest number in bucket i.
func lastOf(i int) uint64 {
	shift := max(0, i>>precision-1)
	return (uint64(i-shift<<precision)+1)<<shift - 1
}
