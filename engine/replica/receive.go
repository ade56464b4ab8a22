package replica

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// Delta is objects on their way to a peer. Base is the bases of the sender's clock when the objects were read: it fills their contexts, and says
// nothing about which mutations the receiver may take for known.
type Delta struct {
	Base    clock.Context
	Objects []Packed
}

// Packed is the object of one key, stripped by the clock whose bases are Delta.Base.
type Packed struct {
	Key    string
	Object Object
	// Dots is the mutations, besides those of the versions, that the receiver has once it has taken the object; sorted.
	Dots []clock.Dot

	told bool // the values of the past need not travel
}

// Receive merges what a peer sent and returns the keys whose versions changed. Loss, repetition and disorder of deltas do no harm. It fails
// before anything is changed: ErrOwnActor when the peer knows mutations that were never made here, ErrMalformed when a version is not covered by
// its object's context. The replica keeps no part of the delta's values.
func (r *Replica) Receive(d Delta) ([]string, error) {
	if err := r.admit(d); err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	var changed []string
	ahead := r.stripped(d.Base)
	for _, p := range d.Objects {
		if r.take(p, d.Base, ahead) {
			changed = append(changed, p.Key)
		}
	}
	r.advance()
	return changed, nil
}

// admit checks the whole delta before any of it is taken.
func (r *Replica) admit(d Delta) error {
	if err := r.admitContext(d.Base); err != nil {
		return err
	}
	for _, p := range d.Objects {
		if err := r.admitObject(p, d.Base); err != nil {
			return fmt.Errorf("key %q: %w", p.Key, err)
		}
	}
	return nil
}

func (r *Replica) admitObject(p Packed, base clock.Context) error {
	if err := r.admitContext(p.Object.Context); err != nil {
		return err
	}
	if slices.ContainsFunc(p.Dots, r.isForged) {
		return ErrOwnActor
	}
	for i, v := range p.Object.Versions {
		switch {
		case r.isForged(v.Dot):
			return ErrOwnActor
		case !base.Covers(v.Dot) && !p.Object.Context.Covers(v.Dot):
			return fmt.Errorf("version %v is not covered by its context: %w", v.Dot, ErrMalformed)
		case i > 0 && p.Object.Versions[i-1].Dot.Compare(v.Dot) >= 0:
			return fmt.Errorf("version %v is out of order: %w", v.Dot, ErrMalformed)
		}
	}
	return nil
}

func (r *Replica) admitContext(ctx clock.Context) error {
	if r.isForged(clock.Dot{Actor: r.self, Counter: ctx[r.self]}) {
		return ErrOwnActor
	}
	return nil
}

// isForged reports whether d is a mutation of this incarnation that was never made.
func (r *Replica) isForged(d clock.Dot) bool {
	return d.Actor == r.self && d.Counter > r.clock.Base(r.self)
}

// take merges one object of a peer and returns whether the versions changed. base fills the object; ahead is the part of base that is ahead of
// this replica's clock. The local object is filled with the clock as it is before the object's dots are added to it: afterwards that clock would
// claim that the new versions were seen, and removed, here.
func (r *Replica) take(p Packed, base, ahead clock.Context) bool {
	if r.isFromTheDead(p) {
		return false
	}
	old, _ := r.objects.get(p.Key)
	seenHere := func(d clock.Dot) bool { return r.clock.Base(d.Actor) >= d.Counter || old.Context.Covers(d) }
	seenThere := func(d clock.Dot) bool { return base.Covers(d) || p.Object.Context.Covers(d) }
	versions := merge(old.Versions, p.Object.Versions, seenHere, seenThere)
	own(versions, old.Versions)
	recall(versions, old.Versions, p.Object.Versions)
	r.ownForgotten(versions)
	for _, v := range p.Object.Versions {
		r.learn(v.Dot, p.Key)
	}
	for _, d := range p.Dots {
		r.learn(d, p.Key)
	}
	r.outbox.touch(p.Key)
	changed := r.swap(p.Key, old, Object{Versions: versions, Context: r.joined(old.Context, p.Object.Context, ahead)})
	r.removeAgain(p.Key, p.Object.Versions)
	return changed
}

// joined returns the stripped join of the contexts. ahead is stripped, and shared by all keys of a delta to which the other contexts add nothing.
func (r *Replica) joined(old, incoming, ahead clock.Context) clock.Context {
	if len(old) == 0 && len(incoming) == 0 {
		return ahead
	}
	return r.stripped(old, incoming, ahead)
}

// own replaces the values of versions that are not in old by copies of their own, and takes their pasts away: see recall.
func own(versions, old []Version) {
	for i, v := range versions {
		if !hasDot(old, v.Dot) {
			versions[i].Value = bytes.Clone(v.Value)
			versions[i].Past = nil
		}
	}
}

// ownForgotten lets all pasts that are not remembered be one.
func (r *Replica) ownForgotten(versions []Version) {
	for i, v := range versions {
		if v.Past.isForgotten() {
			versions[i].Past = r.forgotten
		}
	}
}
