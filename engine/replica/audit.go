package replica

import (
	"bytes"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// A dot names one mutation, hence one stamp and one value, at every replica and for ever. So versions with one dot can be compared whatever else the
// replicas know, and where they differ one of them is wrong.

// Fingerprint is a hash of a key with the dots, stamps and values of its versions: the key's share of Sum, high word first. It is zero for a key without
// versions.
type Fingerprint [2]uint64

// Fingerprint returns the fingerprint that was stored with the versions of the key, and the one that they have. They differ only when memory broke.
func (r *Replica) Fingerprint(key string) (stored, actual Fingerprint) {
	e, _ := r.objects.get(key)
	sum, _ := fingerprint(nil, key, e.Versions)
	return Fingerprint(e.sum), Fingerprint(sum)
}

// Pack returns the objects of the keys, as Receive and Mend take them, as far as about maxBytes go, but at least one. Keys without an object have an
// empty one. It only reads.
func (r *Replica) Pack(keys []string, maxBytes int) Delta {
	out := r.packer(maxBytes)
	for _, key := range keys {
		if !out.add(r.pack(key, nil)) {
			break
		}
	}
	return out.delta
}

// Mend gives a broken key back what was stored, out of the versions that a peer holds, and reports whether the key is whole now. What comes of it has
// exactly the fingerprint that was stored. When the peer holds what is here, the data stand, and their fingerprint is stored anew.
func (r *Replica) Mend(key string, theirs []Version) bool {
	e, _ := r.objects.get(key)
	actual := r.fingerprint(key, e.Versions)
	if actual == e.sum {
		return false
	}
	for _, vs := range [][]Version{corrected(e.Versions, theirs), taken(theirs, e.Versions)} {
		if r.fingerprint(key, vs) == e.sum {
			r.swap(key, e, Object{Versions: vs, Context: e.Context})
			return true
		}
	}
	if r.fingerprint(key, theirs) != actual {
		return false
	}
	next := e
	next.sum = actual
	r.store(key, e, next)
	return true
}

// Correct replaces the stamps and values of versions of the key by those that the given versions have under the same dots, and reports whether
// anything changed. It is no mutation: whoever calls it knows that the given versions are the right ones. The values are copied.
func (r *Replica) Correct(key string, right []Version) bool {
	old, _ := r.objects.get(key)
	next := entry{Object: Object{Versions: corrected(old.Versions, right), Context: old.Context}}
	next.sum = r.fingerprint(key, next.Versions)
	r.store(key, old, next)
	return next.sum != old.sum
}

// Reissue writes the values of versions anew, each as a sibling under a dot of its own, in the given order; together they cover everything that is known
// of the key. It ends a dispute about what a dot stands for: whatever other replicas hold under the covered dots, all will have these. The values are
// copied.
func (r *Replica) Reissue(key string, vs []Version, now clock.Timestamp) []clock.Dot {
	old, _ := r.objects.get(key)
	next := Object{Context: r.stripped(old.Context)}
	floor := max(latest(old.Versions), latest(vs))
	var dots []clock.Dot
	for _, v := range vs {
		dot := r.mint(key)
		next.Versions = withVersion(next.Versions, Version{Dot: dot, Stamp: r.hybrid.Next(now, floor), Value: bytes.Clone(v.Value), Deleted: v.Deleted})
		r.outbox.wrote(key, dot, false)
		dots = append(dots, dot)
	}
	r.swap(key, old, next)
	return dots
}

// latest returns the greatest stamp of the versions.
func latest(vs []Version) (t clock.Timestamp) {
	for _, v := range vs {
		t = max(t, v.Stamp)
	}
	return t
}

// taken returns a copy of what a peer holds. Its versions have the pasts that are remembered of them here, or else there: an author fixes them.
func taken(theirs, here []Version) []Version {
	out := corrected(theirs, theirs)
	for i, v := range out {
		out[i].Past = pastOfDot(here, v.Dot)
	}
	recall(out, here, theirs)
	return out
}

// corrected returns a copy of vs in which versions that right has too are those of right.
func corrected(vs, right []Version) []Version {
	out := slices.Clone(vs)
	for i, v := range out {
		if at := slices.IndexFunc(right, func(w Version) bool { return w.Dot == v.Dot }); at >= 0 {
			out[i] = right[at]
			out[i].Value = bytes.Clone(right[at].Value)
			out[i].Past = v.Past
		}
	}
	return out
}
