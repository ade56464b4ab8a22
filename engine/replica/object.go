package replica

import (
	"bytes"
	"maps"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// Version is one value of a key, as one put stored it, or a delete that stays beside what it has not seen. Value is never changed after it was
// stored: whoever gets a Version must not change it either, and may keep it.
type Version struct {
	Dot   clock.Dot
	Stamp clock.Timestamp
	Value []byte
	// Deleted says that this version is a delete; Value is nil then.
	Deleted bool
	// Past is what the version has overwritten; nil when nothing, or when its author did not know. One that is of no use any more is forgotten. See Base.
	Past *Past
}

// IsAbsent reports whether readers see nothing in these versions: there are none, or deletes alone.
func IsAbsent(vs []Version) bool {
	return !slices.ContainsFunc(vs, Version.isPut)
}

// Equals reports whether readers see the same in both versions: the same bytes, or a delete.
func (v Version) Equals(w Version) bool {
	return v.Deleted == w.Deleted && bytes.Equal(v.Value, w.Value)
}

func (v Version) isPut() bool {
	return !v.Deleted
}

// Object is what is known of one key: its siblings, sorted by Dot, and the context of mutations of the key that are known. A stored context is
// stripped of what the replica's clock says anyway; in the steady state there is one version and a nil context. An object's slice and map are
// never changed once the object was stored or has travelled.
type Object struct {
	Versions []Version
	Context  clock.Context
}

// Sync merges two filled objects: the versions that both have, and those of each that the other has not heard of. It is commutative,
// associative and idempotent for objects whose contexts cover their versions. It is sync of DottedDB (Gonçalves et al., SRDS 2017).
func Sync(a, b Object) Object {
	ctx := make(clock.Context, len(a.Context)+len(b.Context))
	ctx.Join(a.Context)
	ctx.Join(b.Context)
	return Object{Versions: merge(a.Versions, b.Versions, a.Context.Covers, b.Context.Covers), Context: ctx}
}

// Fill returns the object with its context joined with bases, the bases of the clock of the replica that the object comes from.
func Fill(o Object, bases clock.Context) Object {
	ctx := make(clock.Context, len(bases)+len(o.Context))
	ctx.Join(bases)
	ctx.Join(o.Context)
	return Object{Versions: o.Versions, Context: ctx}
}

// Strip returns the object without the parts of its context that the clock says anyway. A context of which nothing is left becomes nil.
func Strip(o Object, c clock.Clock) Object {
	ctx := o.Context.Clone()
	maps.DeleteFunc(ctx, func(a clock.Actor, n uint64) bool { return n <= c.Base(a) })
	if len(ctx) == 0 {
		ctx = nil
	}
	return Object{Versions: o.Versions, Context: ctx}
}

// Canonical returns a copy of the versions in the order that handlers and readers see: by stamp, then the actor's bytes, then the counter.
func Canonical(vs []Version) []Version {
	out := slices.Clone(vs)
	slices.SortFunc(out, Version.compareAge)
	return out
}

// merge returns a new slice with, sorted by dot, the versions in both lists and those in one that the other side has not seen.
func merge(a, b []Version, seenA, seenB func(clock.Dot) bool) []Version {
	var out []Version
	for len(a) > 0 || len(b) > 0 {
		order := compareHeads(a, b)
		switch {
		case order == 0:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		case order < 0:
			if !seenB(a[0].Dot) {
				out = append(out, a[0])
			}
			a = a[1:]
		default:
			if !seenA(b[0].Dot) {
				out = append(out, b[0])
			}
			b = b[1:]
		}
	}
	return out
}

// compareHeads says which list's first version comes first; an empty list comes last.
func compareHeads(a, b []Version) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	default:
		return a[0].Dot.Compare(b[0].Dot)
	}
}
