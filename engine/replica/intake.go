package replica

import (
	"fmt"
	"maps"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// Intake is the receiver's side of one transfer. A replica takes one at a time. What it remembers beside one question is the spans and keys that it
// will ask about, the keys of which versions must go at the end, and those that changed here after the comparison began.
type Intake struct {
	next  Question
	full  bool
	clock clock.Clock // C0, known from StageCompare on
	spans []span      // that differ, whose parts are to be compared
	keys  []string    // whose versions the sender may have removed
	asked Question    // the last one
	// compared has of some keys the versions that stay; of the others those of C0, and those in gone, go at the end. Nil before StageCompare.
	compared map[string][]clock.Dot
	gone     clock.Clock
	// everything says that the sender was asked for all its keys, and again what was made again because of them.
	everything bool
	again      []Again
}

// Bounds of one question, and of the keys among which the one that makes a difference is looked for.
const (
	maxSpans  = 256
	maxSearch = 1 << 16
)

// Begin begins a transfer to this replica. An earlier one that is still under way is forgotten.
func (r *Replica) Begin() *Intake {
	r.intake = &Intake{everything: r.vague}
	return r.intake
}

// MadeAgain returns what the transfer has made this replica make again, see Replica.IsVague, since the last call.
func (in *Intake) MadeAgain() []Again {
	again := in.again
	in.again = nil
	return again
}

// Abandon forgets a transfer that broke off. What it brought stays.
func (r *Replica) Abandon(in *Intake) {
	if r.intake == in {
		r.intake = nil
	}
}

// IsFull reports whether the transfer went beyond the sender's log.
func (in *Intake) IsFull() bool {
	return in.full
}

// Clock returns C0 once a full transfer compares, and an empty clock before. It must not be changed.
func (in *Intake) Clock() clock.Clock {
	return in.clock
}

// Ask returns the next question of about maxBytes at most. It is asked once: either its answer is taken, or the transfer is abandoned.
func (r *Replica) Ask(in *Intake, maxBytes int) Question {
	q := in.next
	if q.Stage == StageCompare {
		for a, iv := range r.clock.Missing(in.clock) {
			q.Beyond.AddRange(a, iv.Lo, iv.Hi)
		}
		for ; maxBytes > 0 && len(in.keys) > 0; in.keys = in.keys[1:] {
			if h := r.held(in.keys[0]); len(h.dots) > 0 {
				q.held = append(q.held, h)
				maxBytes -= h.size()
			}
		}
		for ; maxBytes > 0 && len(in.spans) > 0 && len(q.spans) < maxSpans; in.spans = in.spans[1:] {
			q.spans = append(q.spans, in.spans[0])
			maxBytes -= spanSize
		}
	}
	in.asked = q
	return q
}

// held names the versions of a key.
func (r *Replica) held(key string) heldDots {
	e, _ := r.objects.get(key)
	return heldDots{key, dotsOf(e.Versions)}
}

func dotsOf(vs []Version) []clock.Dot {
	dots := make([]clock.Dot, len(vs))
	for i, v := range vs {
		dots[i] = v.Dot
	}
	return dots
}

// touch remembers the versions of a key before they change for the first time since the comparison began. What C0 has beyond these is late: if the
// sender had it, the receiver would have had it by then.
func (in *Intake) touch(key string, old []Version) {
	if in.compared == nil {
		return
	}
	if _, known := in.compared[key]; !known {
		in.compared[key] = dotsOf(old)
	}
}

// Take takes the answer to the last question. It returns the keys whose versions changed, sorted, and whether the transfer is complete: then the caller
// should call Tidy until that is done. Errors are those of Receive, and ErrStale when the transfer is no longer the replica's or comes to nothing; keys may have
// changed nevertheless.
func (r *Replica) Take(in *Intake, a *Answer) (changed []string, done bool, err error) {
	if r.intake != in {
		return nil, false, fmt.Errorf("take: %w", ErrStale)
	}
	if err := r.admitStep(in, a); err != nil {
		return nil, false, fmt.Errorf("take: %w", err)
	}
	if changed, err = r.Receive(a.Delta); err != nil {
		return nil, false, err
	}
	if a.Owes && r.hearsNothing(in) {
		return sorted(changed), false, fmt.Errorf("take: the sender owes mutations and brings none: %w", ErrStale)
	}
	switch {
	case a.Clock != nil:
		r.beginComparing(in, a)
	case in.next.Stage == StageCompare:
		r.hear(in, a)
	}
	in.next = Question{Stage: a.Stage, Dot: a.Dot, Place: a.Place}
	in.full = in.full || a.Stage == StageWalk || a.Stage == StageCompare
	switch {
	case a.Stage == StageDone:
		r.intake, done = nil, true
	case a.Stage == StageCompare && !a.Owes && len(in.spans)+len(in.keys) == 0:
		changed, done = append(changed, r.finish(in)...), true
	}
	return sorted(changed), done, nil
}

func sorted(keys []string) []string {
	slices.Sort(keys)
	return slices.Compact(keys)
}

// admitStep checks that the answer takes the transfer a step further.
func (r *Replica) admitStep(in *Intake, a *Answer) error {
	from := in.next.Stage
	switch {
	case a.Stage < from || a.Stage > StageDone || (a.Stage == StageDone && from != StageLog):
		return fmt.Errorf("stage %d after %d: %w", a.Stage, from, ErrMalformed)
	case (a.Stage == StageCompare && from != StageCompare) != (a.Clock != nil):
		return fmt.Errorf("clock of stage %d: %w", a.Stage, ErrMalformed)
	case a.Clock != nil && a.Clock.Entry(r.self).Max() > r.clock.Base(r.self):
		return ErrOwnActor
	case slices.ContainsFunc(a.Delta.Objects, r.isFromTheDead):
		return fmt.Errorf("a lost mutation of a dead actor: %w", ErrStale) // else C0 would claim to be complete
	case !in.fits(a):
		return fmt.Errorf("%d sums and %d verdicts, not those that were asked for: %w", len(a.Sums), len(a.Gone), ErrMalformed)
	}
	return nil
}

// hearsNothing reports whether a question for nothing but what is owed has left the receiver as it was: to ask again would be of no use.
func (r *Replica) hearsNothing(in *Intake) bool {
	if in.next.Stage != StageCompare || len(in.asked.spans)+len(in.asked.held) > 0 {
		return false
	}
	had := in.clock.Clone()
	had.Join(in.asked.Beyond)
	return had.Covers(r.clock)
}

// fits reports whether the answer has the sums and verdicts that it should have.
func (in *Intake) fits(a *Answer) bool {
	if a.Clock != nil {
		return len(a.Sums) <= 1 && len(a.Gone) == 0
	}
	dots := 0
	for _, h := range in.asked.held {
		dots += len(h.dots)
	}
	return len(a.Sums) == placeFan*len(in.asked.spans) && len(a.Gone) == dots
}

// beginComparing takes note of C0, and of whether anything differs.
func (r *Replica) beginComparing(in *Intake, a *Answer) {
	in.clock, in.compared = a.Clock.Clone(), map[string][]clock.Dot{}
	if len(a.Sums) == 0 {
		in.spans = []span{{}}
		return
	}
	r.compare(in, span{}, a.Sums[0])
}

// hear takes what the sender says of the last question: parts that differ are asked about next, versions that are gone there must go.
func (r *Replica) hear(in *Intake, a *Answer) {
	later := in.spans
	in.spans = nil
	for i, sum := range a.Sums {
		r.compare(in, in.asked.spans[i/placeFan].part(i%placeFan), sum)
	}
	in.spans = append(in.spans, later...)
	gone := a.Gone
	for _, h := range in.asked.held {
		in.keep(h, gone[:len(h.dots)])
		gone = gone[len(h.dots):]
	}
}

// compare asks about the span if its sum differs from the sender's: about the one key that makes just this difference, about all if they are few, or
// about its parts.
func (r *Replica) compare(in *Intake, s span, theirs uint64) {
	count, ours := r.places.total(s)
	if count == 0 || ours == theirs {
		return
	}
	if count <= maxSearch {
		if key, found := r.places.withSum(s, ours-theirs); found {
			in.keys = append(in.keys, key)
			return
		}
	}
	if count > r.options.ListKeys && s.bits < 64 {
		in.spans = append(in.spans, s)
		return
	}
	for _, k := range r.places.within(s) {
		in.keys = append(in.keys, k.key)
	}
}

// keep notes which of the listed versions stay, if the key loses any.
func (in *Intake) keep(h heldDots, gone []bool) {
	if !slices.Contains(gone, true) {
		return
	}
	var stay []clock.Dot
	for i, d := range h.dots {
		switch {
		case !gone[i]:
			stay = append(stay, d)
		case !in.clock.Has(d):
			in.gone.Add(d)
		}
	}
	in.compared[h.key] = stay
}

// finish removes the versions that are gone, and joins C0 into the clock. Later versions stay.
func (r *Replica) finish(in *Intake) []string {
	r.intake = nil
	var changed []string
	for _, key := range slices.Sorted(maps.Keys(in.compared)) {
		e, _ := r.objects.get(key)
		goes := func(v Version) bool {
			return (in.clock.Has(v.Dot) || in.gone.Has(v.Dot)) && !slices.Contains(in.compared[key], v.Dot)
		}
		if slices.ContainsFunc(e.Versions, goes) {
			r.swap(key, e, Object{Versions: slices.DeleteFunc(slices.Clone(e.Versions), goes), Context: e.Context})
			changed = append(changed, key)
		}
	}
	r.clock.Join(in.clock)
	r.vague = r.vague && !in.everything
	r.cutRumours()
	r.hash = nil
	r.outbox.touchAll()
	r.closeSealed()
	return changed
}
