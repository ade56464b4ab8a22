package replica

import "slices"

// Scrub is one pass of a replica's audit of itself, some keys at a time. The zero Scrub is about to begin; it belongs to one replica.
type Scrub struct {
	next    uint64 // place of the first key that was not looked at
	leaf    []placed
	scratch []byte
}

// Scrubbed is what one turn of a Scrub has found.
type Scrubbed struct {
	// Broken is the keys whose versions are not those that were stored, in the order of their places.
	Broken []string
	// Keys and Bytes are how much was looked at.
	Keys  int
	Bytes int64
	// Done says that the pass is over.
	Done bool
}

// Scrub computes the fingerprints of up to maxKeys keys anew, from where s is, and compares them with those that were stored with them; it ends earlier
// after maxBytes bytes of keys and values. One key is always looked at. It only reads the replica: such calls, and others that read, may run side by
// side, each with its own Scrub. Keys that are written during the pass are looked at, or not.
func (r *Replica) Scrub(s *Scrub, maxKeys int, maxBytes int64) Scrubbed {
	var out Scrubbed
	out.Done = r.places.leaves(span{}, s.next, func(leaf *places) bool {
		s.leaf = append(s.leaf[:0], leaf.keys...)
		slices.SortFunc(s.leaf, placed.compare)
		for _, k := range s.leaf {
			if k.place < s.next {
				continue
			}
			s.next = k.place
			if out.Keys > 0 && (out.Keys >= maxKeys || out.Bytes >= maxBytes) {
				return false
			}
			r.scrubKey(s, k.key, &out)
		}
		return true
	})
	return out
}

func (r *Replica) scrubKey(s *Scrub, key string, out *Scrubbed) {
	e, _ := r.objects.get(key)
	var actual sum128
	if actual, s.scratch = fingerprint(s.scratch, key, e.Versions); actual != e.sum {
		out.Broken = append(out.Broken, key)
	}
	out.Keys++
	out.Bytes += size(key, e.Versions)
}

// leaves yields the leaves of s, the span of p, that may have keys from a place on, in order.
func (p *places) leaves(s span, from uint64, yield func(*places) bool) bool {
	switch {
	case p == nil || s.hi() < from:
		return true
	case p.nodes == nil:
		return yield(p)
	}
	for i, next := range p.nodes {
		if !next.leaves(s.part(i), from, yield) {
			return false
		}
	}
	return true
}
