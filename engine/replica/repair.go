package replica

import (
	"fmt"
	"maps"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// Plan is the sender's side of one transfer: what a peer lacks, as it was when the transfer began.
type Plan struct {
	// Full is true when everything travels, because the peer asked for it or lacks a mutation whose key is no longer in the log.
	Full bool
	// Clock is the sender's clock when the transfer began. The receiver may adopt it after the last chunk, not before.
	Clock clock.Clock
	// Keys is the keys that travel, sorted.
	Keys []string
	// Dots is the mutations in the sender's log that the receiver lacks, of a full transfer all in the log, with their keys.
	Dots map[clock.Dot]string
}

// Plan returns what a peer with the given clock lacks, nil when that is nothing and full is false. It changes nothing.
func (r *Replica) Plan(theirs clock.Clock, full bool) *Plan {
	p := &Plan{Full: full || !r.isLogged(theirs), Clock: r.Clock(), Dots: map[clock.Dot]string{}}
	if p.Full {
		r.planAll(p)
		return p
	}
	keys := map[string]struct{}{}
	for a, iv := range r.clock.Missing(theirs) {
		for _, rec := range r.dots.within(a, iv) {
			p.Dots[rec.dot] = rec.key
			keys[rec.key] = struct{}{}
		}
	}
	if len(p.Dots) == 0 {
		return nil
	}
	p.Keys = slices.Sorted(maps.Keys(keys))
	return p
}

// isLogged reports whether every mutation that theirs lacks is in the log.
func (r *Replica) isLogged(theirs clock.Clock) bool {
	for a, iv := range r.clock.Missing(theirs) {
		if uint64(len(r.dots.within(a, iv))) <= iv.Hi-iv.Lo {
			return false
		}
	}
	return true
}

// planAll plans every key, also those of which only a context is known, and every mutation in the log.
func (r *Replica) planAll(p *Plan) {
	p.Keys = make([]string, 0, r.objects.len())
	for key := range r.objects.all() {
		p.Keys = append(p.Keys, key)
	}
	slices.Sort(p.Keys)
	for _, records := range r.dots.actors {
		for _, rec := range records {
			p.Dots[rec.dot] = rec.key
		}
	}
}

// Chunk returns the objects of the plan's keys from the index from on, as they are now, up to maxBytes of encoding but at least one, and the index
// of the next chunk, which is len(p.Keys) after the last. A key that is gone by now travels as an empty object. Every object carries all
// mutations of its key that may be unknown elsewhere: it may be all that the receiver gets of this transfer.
func (r *Replica) Chunk(p *Plan, from, maxBytes int) (Delta, int) {
	out := r.packer(maxBytes)
	next := from
	for next < len(p.Keys) && out.add(r.pack(p.Keys[next], r.dots.of(p.Keys[next]))) {
		next++
	}
	return out.delta, next
}

// Intake is the receiver's side of one transfer. A transfer that breaks off is forgotten with its Intake; what its chunks brought stays.
type Intake struct {
	full bool
	seen map[string]struct{}
}

// NewIntake begins a transfer; full says what the Plan says.
func NewIntake(full bool) *Intake {
	return &Intake{full: full, seen: map[string]struct{}{}}
}

// TakeChunk merges one chunk, as Receive does and with its errors, and returns the keys whose versions changed.
func (r *Replica) TakeChunk(in *Intake, d Delta) ([]string, error) {
	changed, err := r.Receive(d)
	if err != nil || !in.full {
		return changed, err
	}
	for _, p := range d.Objects {
		in.seen[p.Key] = struct{}{}
	}
	return changed, nil
}

// Finish ends a transfer after its last chunk: c0 is Plan.Clock and dots is Plan.Dots. Keys that a full transfer did not mention lose the versions
// that c0 covers, since the sender had seen and removed them by then; later versions stay. Then the sender's log and clock are taken over.
// It returns the keys whose versions changed, sorted. ErrOwnActor, before any change, says what it says for Receive.
func (r *Replica) Finish(in *Intake, c0 clock.Clock, dots map[clock.Dot]string) ([]string, error) {
	if c0.Entry(r.self).Max() > r.clock.Base(r.self) {
		return nil, fmt.Errorf("finish transfer: %w", ErrOwnActor)
	}
	var changed []string
	if in.full {
		changed = r.removeUnseen(in, c0)
		r.outbox.touchAll()
	}
	for _, d := range slices.SortedFunc(maps.Keys(dots), clock.Dot.Compare) {
		if c0.Has(d) && !r.clock.Has(d) {
			r.dots.add(d, dots[d])
			r.outbox.touch(dots[d])
		}
	}
	r.clock.Join(c0)
	r.hash = nil
	r.advance()
	return changed, nil
}

// removeUnseen joins every key that the transfer did not mention with the empty object, filled with c0.
func (r *Replica) removeUnseen(in *Intake, c0 clock.Clock) []string {
	gone := map[string]entry{}
	for key, e := range r.objects.all() {
		_, seen := in.seen[key]
		removed := func(v Version) bool { return v.Dot.Counter <= c0.Base(v.Dot.Actor) }
		if !seen && slices.ContainsFunc(e.Versions, removed) {
			gone[key] = e
		}
	}
	changed := slices.Sorted(maps.Keys(gone))
	empty, bases := Packed{}, c0.Bases()
	for _, key := range changed {
		empty.Key = key
		r.take(empty, bases, nil)
	}
	return changed
}
