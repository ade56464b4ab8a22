package replica

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// Write is a local mutation of one key.
type Write struct {
	Key string
	// Value becomes the property of the replica: the caller must not change it any more.
	Value []byte
	// Delete makes the key lose what the context covers; Value is ignored.
	Delete bool
	// Visible makes a delete a version without a value, which stands beside what it has not seen, until a write covers it or Reap ends it. Puts
	// ignore it.
	Visible bool
	// Context is what the writer has seen, from an earlier read here or at another node: those versions are replaced, the others stay as
	// siblings. Nil stands for everything known here; an empty context covers nothing.
	Context clock.Context
	// IfCovered makes the write conditional: ErrConflict unless Context covers every version of the key.
	IfCovered bool
	// Now is the time, for the stamp.
	Now clock.Timestamp
}

// Written is the outcome of a Write.
type Written struct {
	// Dot names the mutation. When New is false it is the one to wait for instead: that of the version which is there already, or for a
	// delete that of the last mutation of the key which is not yet everywhere; the zero Dot when there is none.
	Dot clock.Dot
	// New is false when the write changed nothing, made no mutation and will not be sent.
	New bool
	// Previous is the versions before, sorted by dot.
	Previous []Version
	// Context is everything known of the key after the write, as a new map.
	Context clock.Context
}

// Check returns the error that Write would return, and changes nothing.
func (r *Replica) Check(w Write) error {
	old, _ := r.objects.get(w.Key)
	_, err := r.check(w, old)
	return err
}

// Write applies a local mutation and puts it into the outbox. Errors are ErrContextAhead, ErrConflict and ErrTooManySiblings; nothing is
// changed then.
func (r *Replica) Write(w Write) (Written, error) {
	old, _ := r.objects.get(w.Key)
	kept, err := r.check(w, old)
	if err != nil {
		return Written{}, fmt.Errorf("write %q: %w", w.Key, err)
	}
	if dot, ok := r.alreadySo(w, old, kept); ok {
		return Written{Dot: dot, Previous: old.Versions, Context: r.filled(old.Object)}, nil
	}
	past := r.pastOf(w, old, kept)
	lean := w.Context == nil || r.dots.covered(w.Key, w.Context)
	dot := r.mint(w.Key)
	next := Object{Versions: kept, Context: r.stripped(old.Context, w.Context)}
	switch {
	case !w.Delete:
		next.Versions = withVersion(kept, Version{Dot: dot, Stamp: r.stamp(w, old), Value: w.Value, Past: past})
	case w.Visible:
		next.Versions = withVersion(kept, Version{Dot: dot, Stamp: r.stamp(w, old), Deleted: true, Past: past})
	}
	r.swap(w.Key, old, next)
	r.outbox.wrote(w.Key, dot, lean)
	return Written{Dot: dot, New: true, Previous: old.Versions, Context: r.filled(next)}, nil
}

// check returns the versions that the write leaves standing, or why it is refused.
func (r *Replica) check(w Write, old entry) ([]Version, error) {
	if w.Context[r.self] > r.clock.Base(r.self) {
		return nil, ErrContextAhead
	}
	kept := uncovered(old.Versions, w.Context)
	replacesNone := len(kept) == len(old.Versions)
	switch {
	case w.IfCovered && len(kept) > 0:
		return nil, ErrConflict
	case (!w.Delete || w.Visible) && replacesNone && r.isCrowded(w.Key, kept):
		return nil, ErrTooManySiblings
	}
	return kept, nil
}

// uncovered returns the versions that ctx does not cover, the slice itself when it covers none. A nil context covers all.
func uncovered(vs []Version, ctx clock.Context) []Version {
	isCovered := func(v Version) bool { return ctx.Covers(v.Dot) }
	switch {
	case ctx == nil:
		return nil
	case !slices.ContainsFunc(vs, isCovered):
		return vs
	default:
		return slices.DeleteFunc(slices.Clone(vs), isCovered)
	}
}

func (r *Replica) isCrowded(key string, vs []Version) bool {
	return len(vs) >= r.options.MaxSiblings || size(key, vs)-int64(len(key)) >= int64(r.options.MaxSiblingBytes)
}

// alreadySo reports whether the write would change nothing, here or anywhere, and the dot to wait for then. The context must bring no news: one
// that covers versions which have not arrived yet removes them by its dot, also when what it writes is here already.
//
// A put changes nothing when its value is the only version, and is covered. A delete changes nothing when no value here is covered: whatever
// the context covers is known here, hence was removed by a mutation that travels by itself. A visible one changes nothing where there is no value:
// beside one that it has not seen it has to stand.
func (r *Replica) alreadySo(w Write, old entry, kept []Version) (clock.Dot, bool) {
	switch {
	case !old.Context.CoversAll(r.stripped(w.Context)):
		return clock.Dot{}, false
	case w.Delete && w.Visible:
		return r.dots.newest(w.Key), IsAbsent(old.Versions)
	case w.Delete:
		return r.dots.newest(w.Key), countPuts(kept) == countPuts(old.Versions)
	case len(old.Versions) != 1 || len(kept) != 0 || old.Versions[0].Deleted || !bytes.Equal(old.Versions[0].Value, w.Value):
		return clock.Dot{}, false
	default:
		return old.Versions[0].Dot, true
	}
}

// countPuts returns the number of versions that are no deletes.
func countPuts(vs []Version) (n int) {
	for _, v := range vs {
		if v.isPut() {
			n++
		}
	}
	return n
}

// stamp returns the stamp of the write: beyond those of all versions that are here.
func (r *Replica) stamp(w Write, old entry) clock.Timestamp {
	var floor clock.Timestamp
	for _, v := range old.Versions {
		floor = max(floor, v.Stamp)
	}
	return r.hybrid.Next(w.Now, floor)
}

// withVersion returns a new slice with v in its place.
func withVersion(vs []Version, v Version) []Version {
	out := make([]Version, 0, len(vs)+1)
	i, _ := slices.BinarySearchFunc(vs, v.Dot, func(v Version, d clock.Dot) int { return v.Dot.Compare(d) })
	out = append(append(out, vs[:i]...), v)
	return append(out, vs[i:]...)
}

// mint returns the next dot of this replica, for a mutation of the key.
func (r *Replica) mint(key string) clock.Dot {
	d := clock.Dot{Actor: r.self, Counter: r.clock.Base(r.self) + 1}
	r.learn(d, key)
	return d
}

// learn puts the mutation d of the key into the clock and the log, unless the clock has it already: then it is in the log, or was and is
// known to be everywhere.
func (r *Replica) learn(d clock.Dot, key string) {
	if r.clock.Has(d) {
		return
	}
	r.clock.Add(d)
	r.hash = nil
	r.dots.add(d, key)
}
