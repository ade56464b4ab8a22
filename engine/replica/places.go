package replica

import (
	"cmp"
	"slices"

	"github.com/zeebo/xxh3"
)

const (
	placeFan  = 16 // branches of a node
	placeBits = 4  // bits of a place that choose the branch
	leafKeys  = 64 // a leaf that grows beyond this becomes a node
)

// placeOf returns the key's place: the 64-bit hash by which repair orders the keys, the same at every node. The order of the keys themselves would
// need an ordered index in every table, and ranges of it would fill unevenly.
func placeOf(key string) uint64 {
	return xxh3.HashString(key)
}

// span is a range of places: those whose first bits are the first bits of lo.
type span struct {
	lo   uint64
	bits int
}

// hi returns the last place of the span.
func (s span) hi() uint64 {
	if s.bits == 0 {
		return 1<<64 - 1
	}
	return s.lo | (1<<(64-s.bits) - 1)
}

func (s span) has(place uint64) bool {
	return s.lo <= place && place <= s.hi()
}

// child returns the i-th of the spans that s consists of, which have more bits by the given number.
func (s span) child(i, bits int) span {
	return span{lo: s.lo | uint64(i)<<(64-s.bits-bits), bits: s.bits + bits}
}

// placed is a key at its place.
type placed struct {
	place uint64
	key   string
}

// places is all keys of which something is stored, by place: a trie of places, with small leaves and in each leaf the sum of its keys' fingerprints
// (their low halves). A change costs one way down; the sum of a span costs the leaves in it. Repair compares and walks spans with it.
type places struct {
	keys  []placed // of a leaf, in no order
	sum   uint64   // of a leaf
	nodes *[placeFan]*places
}

func (p *places) isEmpty() bool {
	return p.nodes == nil && len(p.keys) == 0
}

// branch returns which branch of a node at the given depth leads to the place.
func branch(place uint64, depth int) int {
	return int(place >> (64 - placeBits*(depth+1)) % placeFan)
}

// leaf returns the leaf of the place and its depth, and makes it if it is not there.
func (p *places) leaf(place uint64) (*places, int) {
	depth := 0
	for ; p.nodes != nil; depth++ {
		next := &p.nodes[branch(place, depth)]
		if *next == nil {
			*next = &places{}
		}
		p = *next
	}
	return p, depth
}

// put adds the key, which is not there, with its fingerprint. fingerprint returns those of the keys that are there.
func (p *places) put(key string, sum uint64, fingerprint func(string) uint64) {
	place := placeOf(key)
	leaf, depth := p.leaf(place)
	leaf.keys = append(leaf.keys, placed{place, key})
	leaf.sum += sum
	if len(leaf.keys) > leafKeys && placeBits*(depth+1) <= 64 {
		leaf.split(depth, func(k string) uint64 {
			if k == key {
				return sum
			}
			return fingerprint(k)
		})
	}
}

// split turns a leaf into a node.
func (p *places) split(depth int, fingerprint func(string) uint64) {
	p.nodes = &[placeFan]*places{}
	for _, k := range p.keys {
		next := &p.nodes[branch(k.place, depth)]
		if *next == nil {
			*next = &places{}
		}
		(*next).keys = append((*next).keys, k)
		(*next).sum += fingerprint(k.key)
	}
	p.keys, p.sum = nil, 0
}

// change replaces the fingerprint of a key that is there.
func (p *places) change(key string, old, next uint64) {
	leaf, _ := p.leaf(placeOf(key))
	leaf.sum += next - old
}

// remove takes out a key that is there, with its fingerprint.
func (p *places) remove(key string, sum uint64) {
	p.removeAt(placed{placeOf(key), key}, sum, 0)
}

func (p *places) removeAt(k placed, sum uint64, depth int) {
	if p.nodes == nil {
		i := slices.Index(p.keys, k)
		last := len(p.keys) - 1
		p.keys[i] = p.keys[last]
		p.keys[last] = placed{}
		p.keys = p.keys[:last]
		p.sum -= sum
		return
	}
	next := &p.nodes[branch(k.place, depth)]
	(*next).removeAt(k, sum, depth+1)
	if !(*next).isEmpty() {
		return
	}
	*next = nil
	if *p.nodes == [placeFan]*places{} {
		p.nodes = nil
	}
}

// ascend yields the keys from a place on, in the order of their places.
func (p *places) ascend(from uint64, yield func(placed) bool) bool {
	return p.ascendIn(span{}, from, yield)
}

func (p *places) ascendIn(s span, from uint64, yield func(placed) bool) bool {
	if p == nil || s.hi() < from {
		return true
	}
	if p.nodes == nil {
		return p.ascendLeaf(from, yield)
	}
	for i, next := range p.nodes {
		if !next.ascendIn(s.child(i, placeBits), from, yield) {
			return false
		}
	}
	return true
}

func (p *places) ascendLeaf(from uint64, yield func(placed) bool) bool {
	sorted := slices.SortedFunc(slices.Values(p.keys), func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.key, b.key))
	})
	for _, k := range sorted {
		if k.place >= from && !yield(k) {
			return false
		}
	}
	return true
}

// within returns the keys of the span, in the order of their places.
func (p *places) within(s span) []placed {
	var out []placed
	p.ascend(s.lo, func(k placed) bool {
		if !s.has(k.place) {
			return false
		}
		out = append(out, k)
		return true
	})
	return out
}

// total returns the number of the span's keys and the sum of their fingerprints.
func (p *places) total(of span, fingerprint func(string) uint64) (count int, sum uint64) {
	return p.totalIn(span{}, of, fingerprint)
}

func (p *places) totalIn(s, of span, fingerprint func(string) uint64) (count int, sum uint64) {
	switch {
	case p == nil || s.hi() < of.lo || of.hi() < s.lo:
		return 0, 0
	case p.nodes != nil:
		for i, next := range p.nodes {
			n, t := next.totalIn(s.child(i, placeBits), of, fingerprint)
			count, sum = count+n, sum+t
		}
		return count, sum
	case of.bits <= s.bits:
		return len(p.keys), p.sum
	}
	for _, k := range p.keys {
		if of.has(k.place) {
			count, sum = count+1, sum+fingerprint(k.key)
		}
	}
	return count, sum
}
