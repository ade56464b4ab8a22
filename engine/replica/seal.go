package replica

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// Seal closes the entry of a dead actor: e is the entry that every known member reported, while none was taking a transfer, and what e lacks of the
// actor's mutations is lost for all of them. The clock then says that everything up to e's greatest counter is known, so that later mutations of the
// actor stop waiting for lost ones, and rumours of lost ones are dropped. A second seal of an actor changes nothing.
//
// A replica that does hold lost mutations, as that of a member which was forgotten and has come back, makes them again under its own actor: a value as
// a version beside those that stand, and what a mutation removed as a mutation that removes it. Seal returns these, sorted by key.
//
// Of lost mutations whose keys the log has forgotten, what they removed is not known: IsVague is true then, until a full transfer that brings everything
// has shown it. A transfer that is under way here is stale afterwards.
//
// A replica whose clock does not cover e yet, as that of a node which has just joined, closes the entry as soon as its clock does. Closing it earlier
// would make the replica claim to have seen, and removed, versions that are still on their way to it.
//
// ErrOwnActor when the actor is the one that writes here: it must be replaced first, see Adopt.
func (r *Replica) Seal(a clock.Actor, e clock.Entry) (again []Again, err error) {
	if a == r.self {
		return nil, fmt.Errorf("seal: %w", ErrOwnActor)
	}
	if _, known := r.sealed[a]; known {
		return nil, nil
	}
	r.sealed[a] = e.Clone()
	r.sealing[a] = struct{}{}
	again = r.putAgain(a, r.clock.Entry(a).Minus(e))
	r.clock.Cut(a, e.Max())
	r.hash = nil
	r.dropReports()
	r.advance()
	return again, nil
}

// Again is the mutations of one key that a replica has made again: they stand for those of a dead actor.
type Again struct {
	Key  string
	Dots []clock.Dot
}

// putAgain makes the lost mutations of a dead actor again.
func (r *Replica) putAgain(a clock.Actor, lost []clock.Interval) []Again {
	if len(lost) == 0 {
		return nil
	}
	keys := map[string]struct{}{}
	for _, iv := range lost {
		records := r.dots.within(a, iv)
		r.vague = r.vague || uint64(len(records)) <= iv.Hi-iv.Lo
		for _, rec := range records {
			keys[rec.key] = struct{}{}
		}
		r.dots.drop(a, iv)
	}
	for _, key := range r.having(func(v Version) bool { return r.IsLost(v.Dot) }) {
		keys[key] = struct{}{}
	}
	if r.vague {
		r.intake = nil // it may not bring everything
	}
	return r.allAgain(slices.Sorted(maps.Keys(keys)), r.IsLost)
}

func (r *Replica) allAgain(keys []string, givenUp func(clock.Dot) bool) []Again {
	out := make([]Again, 0, len(keys))
	for _, key := range keys {
		out = append(out, Again{Key: key, Dots: r.mutateAgain(key, givenUp)})
	}
	return out
}

// mutateAgain gives the versions whose dots are given up new dots, of this replica. If there are none, a dot without a version stands for what lost
// mutations have removed.
func (r *Replica) mutateAgain(key string, givenUp func(clock.Dot) bool) []clock.Dot {
	old, _ := r.objects.get(key)
	next := Object{Context: old.Context}
	var dots []clock.Dot
	for _, v := range old.Versions {
		if givenUp(v.Dot) {
			v.Dot = r.mint(key)
			v.Past = nil
			dots = append(dots, v.Dot)
		}
		next.Versions = withVersion(next.Versions, v)
	}
	if len(dots) == 0 {
		dots = append(dots, r.mint(key))
	}
	r.swap(key, old, next)
	for _, d := range dots {
		r.outbox.wrote(key, d, false)
	}
	return dots
}

// IsVague reports whether this replica knows of lost mutations of dead actors without their keys. A transfer that begins then must be full, and is to
// be asked for with an empty clock: where its objects have versions that are gone here, the replica makes mutations that remove them.
func (r *Replica) IsVague() bool {
	return r.vague
}

// removeAgain makes a mutation that stands for lost ones which removed some of these versions of a peer.
func (r *Replica) removeAgain(key string, theirs []Version) {
	if r.intake == nil || !r.intake.everything {
		return
	}
	e, _ := r.objects.get(key)
	if slices.ContainsFunc(theirs, func(v Version) bool { return !hasDot(e.Versions, v.Dot) }) {
		none := func(clock.Dot) bool { return false }
		r.intake.again = append(r.intake.again, Again{Key: key, Dots: r.mutateAgain(key, none)})
	}
}

// closeSealed closes the entries of dead actors that the clock covers by now.
func (r *Replica) closeSealed() {
	for a := range r.sealing {
		agreed := r.sealed[a]
		if !r.clock.Entry(a).Covers(agreed) {
			continue
		}
		r.clock.Seal(a, agreed.Max())
		r.hash = nil
		if delete(r.sealing, a); len(r.sealing) == 0 {
			r.sealing = map[clock.Actor]struct{}{} // a map keeps the room of what it once had
		}
		r.dropWaits(a)
	}
}

// cutRumours removes from the clock what another's clock has claimed of dead actors beyond what counts.
func (r *Replica) cutRumours() {
	for a, e := range r.sealed {
		r.clock.Cut(a, e.Max())
	}
}

// credible returns n, or for a dead actor at most its last counter that counts: what a context says beyond that is a rumour of lost mutations.
// The rest of what it says stays true, which matters while the entry is not closed here.
func (r *Replica) credible(a clock.Actor, n uint64) uint64 {
	if e, dead := r.sealed[a]; dead {
		return min(n, e.Max())
	}
	return n
}

// isFromTheDead reports whether the object brings a mutation of a dead actor that is lost: every member agreed that nobody has it. Such an object
// left its sender before that, or comes from a member that was forgotten and will make its mutations again. What it replaced still stands everywhere, so
// that no part of it may be taken.
func (r *Replica) isFromTheDead(p Packed) bool {
	if len(r.sealed) == 0 {
		return false
	}
	for _, v := range p.Object.Versions {
		if r.IsLost(v.Dot) {
			return true
		}
	}
	return slices.ContainsFunc(p.Dots, r.IsLost)
}

// IsLost reports whether d is a mutation of a dead actor that its closed entry does not count: the clock may say that it is known, and nobody has it.
func (r *Replica) IsLost(d clock.Dot) bool {
	e, dead := r.sealed[d.Actor]
	return dead && !e.Has(d.Counter)
}

// Reassign makes the versions that a dead actor wrote again under the actor that writes here, for the keys that match, so that the dead one can be
// retired though they stand. What another replica writes over them at the same time stands beside them. It returns them sorted by key.
func (r *Replica) Reassign(a clock.Actor, match func(key string) bool) []Again {
	if r.writers[a] == 0 {
		return nil
	}
	isOf := func(d clock.Dot) bool { return d.Actor == a }
	keys := r.having(func(v Version) bool { return isOf(v.Dot) })
	return r.allAgain(slices.DeleteFunc(keys, func(key string) bool { return !match(key) }), isOf)
}

// IsOver reports whether nothing is left of a dead actor here but its closed entry: no version that it wrote, and nothing that may still arrive. Once
// that is so it stays so.
func (r *Replica) IsOver(a clock.Actor) bool {
	_, sealed := r.sealed[a]
	_, open := r.sealing[a]
	return sealed && !open && r.writers[a] == 0
}

// NumVersions returns the number of versions here that the actor wrote.
func (r *Replica) NumVersions(a clock.Actor) int {
	return r.writers[a]
}

// Retire removes all that is known of a dead actor, when it is over at every known member (IsOver): its entry leaves the clock. The caller keeps what
// peers send free of the actor from then on, see Delta.Without. A replica that has versions of it, as that of a member which was away, loses them: all
// others know what replaced them. Retire returns the keys of these, sorted. A transfer that is under way here is stale afterwards.
func (r *Replica) Retire(a clock.Actor) (changed []string) {
	if a == r.self {
		return nil
	}
	r.intake = nil
	r.dots.drop(a, clock.Interval{Lo: 1, Hi: math.MaxUint64})
	if r.writers[a] > 0 {
		changed = r.purge(a)
	}
	r.clock.Drop(a)
	for _, mark := range r.marks {
		mark.Drop(a)
	}
	r.dropReports()
	if delete(r.sealed, a); len(r.sealed) == 0 {
		r.sealed = map[clock.Actor]clock.Entry{}
	}
	delete(r.sealing, a)
	r.hash = nil
	r.dropFromContexts(a)
	delete(r.waits, a)
	return changed
}

// purge removes the versions that the actor wrote.
func (r *Replica) purge(a clock.Actor) []string {
	isOf := func(v Version) bool { return v.Dot.Actor == a }
	keys := r.having(isOf)
	for _, key := range keys {
		e, _ := r.objects.get(key)
		r.swap(key, e, Object{Versions: slices.DeleteFunc(slices.Clone(e.Versions), isOf), Context: e.Context})
	}
	return keys
}

// dropFromContexts removes the actor from all stored contexts. Each of these waits for one of its actors.
func (r *Replica) dropFromContexts(a clock.Actor) {
	var keys []string
	for _, list := range r.waits {
		list.Scan(func(w wait) bool {
			keys = append(keys, w.key)
			return true
		})
	}
	for _, key := range keys {
		e, ok := r.objects.get(key)
		if _, has := e.Context[a]; !ok || !has {
			continue
		}
		ctx := e.Context.Clone()
		delete(ctx, a)
		if len(ctx) == 0 {
			ctx = nil
		}
		r.swap(key, e, Object{Versions: e.Versions, Context: ctx})
	}
}

// Without returns the delta without the actors for which gone is true: versions that they wrote count as replaced, what is said of their mutations as
// known. It returns d itself when it does not name them; else what it returns shares the rest with d.
func (d Delta) Without(gone func(clock.Actor) bool) Delta {
	if !d.names(gone) {
		return d
	}
	out := Delta{Base: without(d.Base, gone), Objects: slices.Clone(d.Objects)}
	for i := range out.Objects {
		p := &out.Objects[i]
		p.Object.Context = without(p.Object.Context, gone)
		p.Object.Versions = slices.DeleteFunc(slices.Clone(p.Object.Versions), func(v Version) bool { return gone(v.Dot.Actor) })
		p.Dots = slices.DeleteFunc(slices.Clone(p.Dots), func(d clock.Dot) bool { return gone(d.Actor) })
	}
	return out
}

// names reports whether the delta names an actor for which gone is true.
func (d Delta) names(gone func(clock.Actor) bool) bool {
	isIn := func(ctx clock.Context) bool {
		for a := range ctx {
			if gone(a) {
				return true
			}
		}
		return false
	}
	return isIn(d.Base) || slices.ContainsFunc(d.Objects, func(p Packed) bool {
		return isIn(p.Object.Context) ||
			slices.ContainsFunc(p.Object.Versions, func(v Version) bool { return gone(v.Dot.Actor) }) ||
			slices.ContainsFunc(p.Dots, func(d clock.Dot) bool { return gone(d.Actor) })
	})
}

// without returns a copy of the context without the actors for which gone is true; nil stays nil.
func without(ctx clock.Context, gone func(clock.Actor) bool) clock.Context {
	out := ctx.Clone()
	maps.DeleteFunc(out, func(a clock.Actor, _ uint64) bool { return gone(a) })
	return out
}
