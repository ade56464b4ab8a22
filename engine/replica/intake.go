package replica

import (
	"fmt"
	"maps"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// Intake is the receiver's side of one transfer. A replica takes one at a time. What it remembers beside one question is the keys of which versions
// must go at the end, and those that changed here after they were compared.
type Intake struct {
	next  Question
	full  bool
	clock clock.Clock // C0, known from StageCompare on
	queue []span      // spans that differ, in order
	asked []asked     // what the last question was about
	// compared has of some keys the versions of C0 that stay, others go at the end; nil before StageCompare.
	compared map[string][]Version
}

// asked is a span that was asked about.
type asked struct {
	span  span
	split bool
	keys  []listed
}

// listed is a key of which versions were listed.
type listed struct {
	key      string
	versions []Version
}

// maxSpans bounds the spans of one question.
const maxSpans = 1024

// Begin begins a transfer to this replica. An earlier one that is still under way is forgotten.
func (r *Replica) Begin() *Intake {
	r.intake = &Intake{}
	return r.intake
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
	if q.Stage != StageCompare {
		return q
	}
	for a, iv := range r.clock.Missing(in.clock) {
		q.Beyond.AddRange(a, iv.Lo, iv.Hi)
	}
	in.asked = nil
	room := maxBytes
	for len(in.queue) > 0 && room > 0 && len(in.asked) < maxSpans {
		s := in.queue[0]
		in.queue = in.queue[1:]
		it, about := r.itemOf(in, s)
		if !about.split && it.held == nil {
			continue // nothing that could have to go
		}
		in.asked = append(in.asked, about)
		q.items = append(q.items, it)
		room -= itemSize + it.numVerdicts()*heldSize
	}
	return q
}

// itemOf asks about a span.
func (r *Replica) itemOf(in *Intake, s span) (item, asked) {
	it, about := item{span: s}, asked{span: s}
	count, _ := r.places.total(s, r.lowSum)
	if count > r.options.ListKeys && s.bits+spanBits <= 64 {
		about.split = true
		for i := range it.sums {
			_, it.sums[i] = r.places.total(s.child(i, spanBits), r.lowSum)
		}
		return it, about
	}
	for _, k := range r.places.within(s) {
		e, _ := r.objects.get(k.key)
		old := slices.DeleteFunc(slices.Clone(e.Versions), func(v Version) bool { return !in.clock.Has(v.Dot) })
		for _, v := range old {
			it.held = append(it.held, heldVersion{k.place, v.Dot})
		}
		if len(old) > 0 {
			about.keys = append(about.keys, listed{k.key, old})
		}
	}
	return it, about
}

// touch remembers the versions of a key before they change for the first time since the comparison began. What C0 has beyond these is late: if the
// sender had it, the receiver would have had it by then.
func (in *Intake) touch(key string, old []Version) {
	if in.compared == nil {
		return
	}
	if _, known := in.compared[key]; !known {
		in.compared[key] = old
	}
}

// Take takes the answer to the last question. When a transfer is complete, the caller should call Tidy until that is done. Take returns the keys whose versions changed, sorted, and whether the transfer is complete. Errors are
// those of Receive, and ErrStale when the transfer is no longer the replica's.
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
	if in.next.Stage == StageCompare {
		in.hear(a.Verdicts)
	}
	in.next = Question{Stage: a.Stage, Dot: a.Dot, Place: a.Place}
	in.full = in.full || a.Stage == StageWalk || a.Stage == StageCompare
	if a.Clock != nil {
		in.clock, in.queue, in.compared = a.Clock.Clone(), []span{{}}, map[string][]Version{}
		return sorted(changed), false, nil
	}
	switch {
	case a.Stage == StageDone:
		done = true
	case a.Stage == StageCompare && len(in.queue) == 0:
		changed = append(changed, r.finish(in)...)
		done = true
	}
	if done {
		r.intake = nil
	}
	return sorted(changed), done, nil
}

func sorted(keys []string) []string {
	slices.Sort(keys)
	return slices.Compact(keys)
}

// admitStep checks that the answer takes the transfer a step further.
func (r *Replica) admitStep(in *Intake, a *Answer) error {
	from := in.next
	want := 0
	for _, about := range in.asked {
		want += about.numVerdicts()
	}
	switch {
	case a.Stage < from.Stage || a.Stage > StageDone || (a.Stage == StageDone && from.Stage != StageLog):
		return fmt.Errorf("stage %d after %d: %w", a.Stage, from.Stage, ErrMalformed)
	case (a.Stage == StageCompare && from.Stage != StageCompare) != (a.Clock != nil):
		return fmt.Errorf("clock of stage %d: %w", a.Stage, ErrMalformed)
	case a.Clock != nil && a.Clock.Entry(r.self).Max() > r.clock.Base(r.self):
		return ErrOwnActor
	case slices.ContainsFunc(a.Delta.Objects, r.isFromTheDead):
		return fmt.Errorf("a lost mutation of a dead actor: %w", ErrStale) // else C0 would claim to be complete
	case from.Stage == StageCompare && a.Verdicts != nil && len(a.Verdicts) != want:
		return fmt.Errorf("%d verdicts, %d asked: %w", len(a.Verdicts), want, ErrMalformed)
	}
	return nil
}

func (a asked) numVerdicts() int {
	if a.split {
		return spanFan
	}
	n := 0
	for _, k := range a.keys {
		n += len(k.versions)
	}
	return n
}

// hear takes the verdicts: quarters that differ are asked about next, versions that are not there must go. No verdicts mean: ask again.
func (in *Intake) hear(verdicts []bool) {
	var again []span
	for _, about := range in.asked {
		switch {
		case verdicts == nil:
			again = append(again, about.span)
		case about.split:
			for i, differs := range verdicts[:spanFan] {
				if differs {
					again = append(again, about.span.child(i, spanBits))
				}
			}
			verdicts = verdicts[spanFan:]
		default:
			verdicts = in.keep(about.keys, verdicts)
		}
	}
	in.asked = nil
	in.queue = append(again, in.queue...)
}

// keep notes which of the listed versions stay, for the keys that lose any, and returns the verdicts that follow.
func (in *Intake) keep(keys []listed, verdicts []bool) []bool {
	for _, k := range keys {
		gone := verdicts[:len(k.versions)]
		verdicts = verdicts[len(k.versions):]
		if !slices.Contains(gone, true) {
			continue
		}
		var stay []Version
		for i, v := range k.versions {
			if !gone[i] {
				stay = append(stay, v)
			}
		}
		in.compared[k.key] = stay
	}
	return verdicts
}

// finish removes the versions of C0 that do not stay, and joins C0 into the clock. Later versions stay.
func (r *Replica) finish(in *Intake) []string {
	r.intake = nil
	var changed []string
	for _, key := range slices.Sorted(maps.Keys(in.compared)) {
		e, _ := r.objects.get(key)
		goes := func(v Version) bool { return in.clock.Has(v.Dot) && !hasDot(in.compared[key], v.Dot) }
		if slices.ContainsFunc(e.Versions, goes) {
			r.swap(key, e, Object{Versions: slices.DeleteFunc(slices.Clone(e.Versions), goes), Context: e.Context})
			changed = append(changed, key)
		}
	}
	r.clock.Join(in.clock)
	r.cutRumours()
	r.hash = nil
	r.outbox.touchAll()
	r.closeSealed()
	return changed
}
