package replica

import (
	"fmt"
	"iter"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// A transfer brings to a receiver what it lacks of a sender, in steps that the receiver asks for. Between the steps both go on with everything
// else. Each object travels with the clock that fills it, read together with it, and with all dots of its key that may be unknown elsewhere, so that
// a transfer may break off at any time and leave nothing wrong behind.
//
// If every missing mutation is in the sender's log, the keys of these are all. Otherwise (FULL) three things follow:
//
//   - The sender goes through all its keys and sends those with a version that the receiver's clock lacks, or with a stored context.
//   - What remains is versions that the receiver has and the sender has removed, by mutations whose keys are forgotten. Both compare sums of
//     spans of places, and in the smallest spans the receiver lists the versions that the sender's clock C0 has; the sender says which of
//     these it does not have.
//   - At the end the receiver joins every key of which versions are to go with (those that stay, filled with C0), and C0 into its clock.
//
// Why a span with equal sums needs nothing else. Let H be what the receiver knows of a key, and G0 what the sender knew of it at the moment of C0.
// If both show the same, max(H) = max(G0), this is also max(H ∪ G0): a version that neither side has superseded stays, and each other one is
// superseded on the side where it is known. So the receiver may keep its object and claim C0, and nothing later: with equal sums under a later
// clock, something of G0 may be gone because of a mutation that the receiver would not get. Hence the sender compares only while its log tells every
// key that changed since C0, and sends those with each comparison; with them the receiver gets what closed gaps of C0 at the sender since, without
// which it would need the contexts that were stripped there. And the receiver remembers the versions of keys that change while spans are compared:
// what a late frame brings of C0 goes at the end.

// Plan is the sender's side of one transfer.
type Plan struct {
	// Full is true when everything is compared, because the peer asked for it or lacks a mutation whose key is no longer in the log.
	Full bool
	// Clock is C0, the sender's clock when the transfer began.
	Clock clock.Clock

	theirs clock.Clock // the receiver's clock then
	sent   clock.Clock // what the first stage has sent
}

// walkKeys bounds what is looked at under one lock.
const walkKeys = 4096

// Plan begins a transfer to a peer with the given clock. It returns nil when the peer lacks nothing and full is false. It changes nothing.
func (r *Replica) Plan(theirs clock.Clock, full bool) *Plan {
	if !full && theirs.Covers(r.clock) {
		return nil
	}
	return &Plan{Full: full || !r.isLogged(r.clock, theirs), Clock: r.Clock(), theirs: theirs.Clone()}
}

// isLogged reports whether every mutation of c that theirs lacks is in the log.
func (r *Replica) isLogged(c, theirs clock.Clock) bool {
	for a, iv := range r.missing(c, theirs) {
		if uint64(len(r.dots.within(a, iv))) <= iv.Hi-iv.Lo {
			return false
		}
	}
	return true
}

// missing yields the mutations of c that theirs lacks, without those of dead actors that do not count: there is nothing to send of these.
func (r *Replica) missing(c, theirs clock.Clock) iter.Seq2[clock.Actor, clock.Interval] {
	return func(yield func(clock.Actor, clock.Interval) bool) {
		for a, iv := range c.Missing(theirs) {
			parts := []clock.Interval{iv}
			if e, dead := r.sealed[a]; dead {
				parts = e.Within(iv)
			}
			for _, part := range parts {
				if !yield(a, part) {
					return
				}
			}
		}
	}
}

// NewAnswer begins the answer to a question.
func NewAnswer(q Question) *Answer {
	return &Answer{Stage: q.Stage, Dot: q.Dot, Place: q.Place}
}

// Answer adds to the answer until it has about maxBytes (one object more if that is larger), or some thousand keys were looked at; it returns true
// when the caller may go on with the same answer, after others had their turn at the lock. It only reads, except that it keeps notes in p and a.
// ErrStale ends the transfer.
func (r *Replica) Answer(p *Plan, q Question, a *Answer, maxBytes int) (more bool, err error) {
	if !r.open(a, maxBytes) {
		return false, nil
	}
	left := walkKeys
	switch a.Stage {
	case StageLog:
		more = r.answerLog(p, q.Dot, a, &left)
	case StageWalk:
		more = r.answerWalk(p, a, &left)
	case StageCompare:
		if a.Clock == nil { // else the receiver must ask first
			err = r.answerCompare(p, q, a)
		}
	case StageDone:
	}
	if len(a.out.delta.Objects) > 0 {
		a.Delta = a.out.delta
	}
	return more, err
}

// open prepares the answer for more objects. All objects of an answer are filled by one context: when that has changed since, the answer ends.
func (r *Replica) open(a *Answer, maxBytes int) bool {
	switch {
	case a.out != nil && a.out.delta.Base.Equal(r.clock.Bases()):
	case a.out != nil && len(a.out.delta.Objects) > 0:
		return false
	default:
		a.out = r.packer(maxBytes)
	}
	if a.seen == nil {
		a.seen = map[string]struct{}{}
	}
	return true
}

// answerLog packs the keys of logged mutations of C0 that the receiver lacks, from a.Dot on. began is where this answer did.
func (r *Replica) answerLog(p *Plan, began clock.Dot, a *Answer, left *int) (more bool) {
	for actor, iv := range r.missing(p.Clock, p.theirs) {
		if iv.Lo = startOf(actor, iv, a.Dot); iv.Lo > iv.Hi {
			continue
		}
		records := r.dots.within(actor, iv)
		p.Full = p.Full || uint64(len(records)) <= iv.Hi-iv.Lo
		for _, rec := range records {
			a.Dot = rec.dot
			if *left--; *left < 0 {
				return true
			}
			if r.isDue(p, rec, began, a) && !r.send(rec.key, a) {
				return false
			}
			p.sent.Add(rec.dot)
		}
	}
	if a.Stage, a.Dot = StageDone, (clock.Dot{}); p.Full {
		a.Stage = StageWalk
	}
	return p.Full
}

// startOf returns the first counter of the actor's interval that is not before from.
func startOf(a clock.Actor, iv clock.Interval, from clock.Dot) uint64 {
	switch order := a.Compare(from.Actor); {
	case order < 0:
		return iv.Hi + 1
	case order == 0:
		return max(iv.Lo, from.Counter)
	default:
		return iv.Lo
	}
}

// isDue reports whether the record is the first of its key: neither this answer nor one before has sent the key.
func (r *Replica) isDue(p *Plan, rec *record, began clock.Dot, a *Answer) bool {
	if _, seen := a.seen[rec.key]; seen {
		return false
	}
	for other := r.dots.keys[rec.key].newest; other != nil; other = other.older {
		if other.dot.Compare(began) < 0 && p.Clock.Has(other.dot) && !p.theirs.Has(other.dot) {
			a.seen[rec.key] = struct{}{}
			return false
		}
	}
	return true
}

// send packs the key if there is room.
func (r *Replica) send(key string, a *Answer) bool {
	if !a.out.add(r.pack(key, r.dots.of(key))) {
		return false
	}
	a.seen[key] = struct{}{}
	return true
}

// answerWalk packs the keys from a.Place on that have something which the receiver may lack.
func (r *Replica) answerWalk(p *Plan, a *Answer, left *int) (more bool) {
	room := true
	ended := r.places.ascend(a.Place, func(k placed) bool {
		a.Place = k.place
		if *left--; *left < 0 {
			return false
		}
		if e, _ := r.objects.get(k.key); p.isNews(e) {
			room = a.out.add(r.pack(k.key, r.dots.of(k.key)))
		}
		return room
	})
	if !ended {
		return room
	}
	c0 := p.Clock
	a.Stage, a.Place, a.Clock = StageCompare, 0, &c0
	return false
}

// isNews reports whether the receiver may lack something of the entry: a version, or a context that its clock will not say.
func (p *Plan) isNews(e entry) bool {
	isNew := func(v Version) bool { return !p.theirs.Has(v.Dot) && !p.sent.Has(v.Dot) }
	return len(e.Context) > 0 || slices.ContainsFunc(e.Versions, isNew)
}

// answerCompare compares the items, unless more keys have changed since C0 than one answer can hold: then these go first. ErrStale means that the
// log does not tell every key that changed.
func (r *Replica) answerCompare(p *Plan, q Question, a *Answer) error {
	has := p.Clock.Clone()
	has.Join(q.Beyond)
	if !r.isLogged(r.clock, has) {
		return fmt.Errorf("compare: %w", ErrStale)
	}
	if !r.packMissing(has, a) {
		return nil
	}
	a.Verdicts = []bool{}
	for _, it := range q.items {
		a.Verdicts = r.judge(it, a.Verdicts)
	}
	return nil
}

// packMissing packs the keys of all logged mutations that has lacks, and reports whether they fit.
func (r *Replica) packMissing(has clock.Clock, a *Answer) bool {
	for actor, iv := range r.missing(r.clock, has) {
		for _, rec := range r.dots.within(actor, iv) {
			if _, seen := a.seen[rec.key]; !seen && !r.send(rec.key, a) {
				return false
			}
		}
	}
	return true
}

// judge appends to the verdicts whether the quarters of the item have other sums here, or whether the versions of the item are not here.
func (r *Replica) judge(it item, verdicts []bool) []bool {
	if it.held == nil {
		for i, theirs := range it.sums {
			_, sum := r.places.total(it.span.child(i, spanBits), r.lowSum)
			verdicts = append(verdicts, sum != theirs)
		}
		return verdicts
	}
	for _, h := range it.held {
		verdicts = append(verdicts, !r.holds(h))
	}
	return verdicts
}

// holds reports whether the version is here.
func (r *Replica) holds(h heldVersion) (found bool) {
	r.places.ascend(h.place, func(k placed) bool {
		if k.place != h.place {
			return false
		}
		e, _ := r.objects.get(k.key)
		found = found || hasDot(e.Versions, h.dot)
		return true
	})
	return found
}
