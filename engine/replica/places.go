package replica

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

const (
	placeFan  = 16 // branches of a node, and parts of a span
	placeBits = 4  // bits of a place that choose the branch
	leafKeys  = 64 // a leaf that grows beyond this becomes a node
	fewKeys   = 16 // a node with fewer becomes a leaf
)

// placeOf returns the key's place: the hash by which repair orders the keys, the same at every node. The order of the keys themselves would need an
// ordered index in every table, and ranges of it would fill unevenly. The hash is one of which nobody can make many keys of one place: each of
// those would cost a look at all others.
func placeOf(key string) uint64 {
	sum := sha256.Sum256([]byte(key))
	return binary.BigEndian.Uint64(sum[:])
}

// span is a range of places: those whose first bits are the first bits of lo. bits is a multiple of placeBits.
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

// part returns the i-th of the spans that s consists of.
func (s span) part(i int) span {
	return span{lo: s.lo | uint64(i)<<(64-s.bits-placeBits), bits: s.bits + placeBits}
}

// branch returns which part of a span of so many bits has the place.
func branch(place uint64, bits int) int {
	return int(place >> (64 - placeBits - bits) % placeFan)
}

// placed is a key at its place, with the low half of its fingerprint.
type placed struct {
	place uint64
	sum   uint64
	key   string
}

// places is all keys of which something is stored, by place: a trie of places with small leaves, which knows the number of keys and the sum of their
// fingerprints of every span. A change costs one way down. Repair compares and walks spans with it.
type places struct {
	count int
	sum   uint64
	keys  []placed // of a leaf, in no order
	nodes *[placeFan]*places
}

// put adds a key that is not there.
func (p *places) put(k placed) {
	p.putAt(k, 0)
}

func (p *places) putAt(k placed, bits int) {
	for ; ; bits += placeBits {
		p.count++
		p.sum += k.sum
		if p.nodes == nil {
			break
		}
		next := &p.nodes[branch(k.place, bits)]
		if *next == nil {
			*next = &places{}
		}
		p = *next
	}
	p.keys = append(p.keys, k)
	if len(p.keys) > leafKeys && bits < 64 {
		p.split(bits)
	}
}

// split turns a leaf into a node.
func (p *places) split(bits int) {
	keys := p.keys
	p.keys, p.nodes, p.count, p.sum = nil, &[placeFan]*places{}, 0, 0
	for _, k := range keys {
		p.putAt(k, bits)
	}
}

// change replaces the fingerprint of a key that is there. The key is found by itself: of its fingerprint there is a copy here, which may have broken.
func (p *places) change(key string, old, next uint64) {
	place := placeOf(key)
	for bits := 0; ; bits += placeBits {
		p.sum += next - old
		if p.nodes == nil {
			break
		}
		p = p.nodes[branch(place, bits)]
	}
	p.keys[p.index(key)].sum = next
}

// remove takes out a key that is there, with its fingerprint.
func (p *places) remove(key string, sum uint64) {
	place := placeOf(key)
	for bits := 0; ; bits += placeBits {
		p.count--
		p.sum -= sum
		if p.nodes != nil && p.count < fewKeys {
			p.join()
		}
		if p.nodes == nil {
			break
		}
		next := &p.nodes[branch(place, bits)]
		if (*next).count > 1 {
			p = *next
			continue
		}
		*next = nil // it was the only key there
		return
	}
	i, last := p.index(key), len(p.keys)-1
	p.keys[i] = p.keys[last]
	p.keys[last] = placed{}
	p.keys = p.keys[:last]
	if last <= cap(p.keys)/looseRatio {
		p.keys = slices.Clone(p.keys)
	}
}

// join turns a node with few keys into a leaf.
func (p *places) join() {
	keys := make([]placed, 0, fewKeys)
	p.each(func(k placed) bool {
		keys = append(keys, k)
		return true
	})
	p.keys, p.nodes = keys, nil
}

// index finds a key of a leaf.
func (p *places) index(key string) int {
	return slices.IndexFunc(p.keys, func(k placed) bool { return k.key == key })
}

// down returns the node of the span, or the leaf that has its keys among others; nil when there are none.
func (p *places) down(s span) *places {
	for bits := 0; bits < s.bits && p != nil && p.nodes != nil; bits += placeBits {
		p = p.nodes[branch(s.lo, bits)]
	}
	return p
}

// total returns the number of the span's keys and the sum of their fingerprints.
func (p *places) total(s span) (count int, sum uint64) {
	p = p.down(s)
	switch {
	case p == nil:
		return 0, 0
	case p.nodes != nil:
		return p.count, p.sum
	}
	for _, k := range p.keys {
		if s.has(k.place) {
			count, sum = count+1, sum+k.sum
		}
	}
	return count, sum
}

// parts returns the sums of the span's parts.
func (p *places) parts(s span) (sums [placeFan]uint64) {
	p = p.down(s)
	switch {
	case p == nil:
	case p.nodes != nil:
		for i, next := range p.nodes {
			if next != nil {
				sums[i] = next.sum
			}
		}
	default:
		for _, k := range p.keys {
			if s.has(k.place) {
				sums[branch(k.place, s.bits)] += k.sum
			}
		}
	}
	return sums
}

// withSum returns the key of the span that has the fingerprint, if there is one.
func (p *places) withSum(s span, sum uint64) (key string, found bool) {
	p.down(s).each(func(k placed) bool {
		if k.sum == sum && s.has(k.place) {
			key, found = k.key, true
		}
		return !found
	})
	return key, found
}

// each yields all keys, in no order.
func (p *places) each(yield func(placed) bool) bool {
	switch {
	case p == nil:
		return true
	case p.nodes == nil:
		return !slices.ContainsFunc(p.keys, func(k placed) bool { return !yield(k) })
	}
	return !slices.ContainsFunc(p.nodes[:], func(next *places) bool { return !next.each(yield) })
}

// within returns the keys of the span, in the order of their places.
func (p *places) within(s span) []placed {
	var out []placed
	p.down(s).each(func(k placed) bool {
		if s.has(k.place) {
			out = append(out, k)
		}
		return true
	})
	slices.SortFunc(out, placed.compare)
	return out
}

func (k placed) compare(other placed) int {
	return cmp.Or(cmp.Compare(k.place, other.place), cmp.Compare(k.key, other.key))
}

// ascend yields the keys from a place on, in the order of their places.
func (p *places) ascend(from uint64, yield func(placed) bool) bool {
	return p.ascendIn(span{}, from, yield)
}

func (p *places) ascendIn(s span, from uint64, yield func(placed) bool) bool {
	switch {
	case p == nil || s.hi() < from:
		return true
	case p.nodes == nil:
		for _, k := range slices.SortedFunc(slices.Values(p.keys), placed.compare) {
			if k.place >= from && !yield(k) {
				return false
			}
		}
		return true
	}
	for i, next := range p.nodes {
		if !next.ascendIn(s.part(i), from, yield) {
			return false
		}
	}
	return true
}
