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
//   - What remains is versions that the receiver has and the sender has removed, by mutations whose keys are forgotten. The sender tells sums of
//     spans of places. Where a sum differs by just the fingerprint of one key of the receiver, the sender most likely lacks that key; else the
//     parts of the span are compared next, down to some keys. Of these the receiver names its versions, and the sender says which are gone: it
//     knows of them, and does not have them.
//   - At the end the receiver joins every key of which versions are gone with (those that stay, filled with C0, the sender's clock when the transfer
//     began), and C0 into its clock.
//
// Why a span with equal sums needs nothing else. Let H be what the receiver knows of a key, G0 what the sender knew at the moment of C0, and G what
// it knew when it told the sum. If both show the same, max(H) = max(G), this is also max(H ∪ G): a version that neither side has superseded stays, and
// each other one is superseded on the side where it is known. So the receiver may keep its object and claim C0, provided that it gets what G has
// beyond G0: something of G0 may be gone because of it. So may what closed a gap of C0 at the sender, without which the receiver would need the
// contexts that were stripped there. Hence:
//
//   - The sender compares only while its log tells the key of every mutation beyond C0 that the receiver lacks (else ErrStale), and the receiver does
//     not end before it has all of them up to the last sum (Answer.Owes). Later ones may be under way for ever: nothing waits for these.
//   - The receiver remembers the versions of keys that change while spans are compared: what a late frame brings of C0 goes at the end.
//
// The same reason lets a version go that is beyond C0: what the sender knows of it by then reaches the receiver before the end.

// Plan is the sender's side of one transfer.
type Plan struct {
	// Full is true when everything is compared, because the peer asked for it or lacks a mutation whose key is no longer in the log.
	Full bool
	// Clock is C0, the sender's clock when the transfer began.
	Clock clock.Clock

	to     clock.Actor
	deaf   bool        // the receiver asks for everything, whatever it is known to have
	theirs clock.Clock // what the receiver has, as far as the sender knows
	sent   clock.Clock // what the first stage has sent
	told   clock.Clock // what the sums and verdicts that were given tell of
}

// walkKeys bounds what is looked at under one lock.
const walkKeys = 4096

// Plan begins a transfer to the member to, whose clock is theirs. It returns nil when that lacks nothing and full is false. It changes nothing.
func (r *Replica) Plan(to clock.Actor, theirs clock.Clock, full bool) *Plan {
	if !full && theirs.Covers(r.clock) {
		return nil
	}
	return &Plan{Full: full || !r.isLogged(r.clock, theirs), Clock: r.Clock(), to: to, deaf: full && theirs.Len() == 0, theirs: theirs.Clone()}
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
	p.hear(r.marks[p.to])
	left := walkKeys
	switch {
	case a.Stage == StageLog:
		more = r.answerLog(p, q.Dot, a, &left)
	case a.Stage == StageWalk:
		more = r.answerWalk(p, a, &left)
	case a.Stage == StageCompare && a.Clock != nil:
		r.answerFirst(p, a)
	case a.Stage == StageCompare:
		err = r.answerCompare(p, q, a)
	}
	if len(a.out.delta.Objects) > 0 {
		a.Delta = a.out.delta
	}
	return more, err
}

// hear takes note of what else the receiver is known to have: it need not travel, and may have left the log.
func (p *Plan) hear(mark *clock.Clock) {
	if mark != nil && !p.deaf {
		p.theirs.Join(*mark)
	}
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
			if r.isDue(p, rec, began, a) && !r.send(p, rec.key, a) {
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
	k, _ := r.dots.keys.get(rec.key)
	for other := k.newest; other != nil; other = other.older {
		if other.dot.Compare(began) < 0 && p.Clock.Has(other.dot) && !p.theirs.Has(other.dot) {
			a.seen[rec.key] = struct{}{}
			return false
		}
	}
	return true
}

// send packs the key if there is room.
func (r *Replica) send(p *Plan, key string, a *Answer) bool {
	if !a.out.add(r.packFor(p, key)) {
		return false
	}
	a.seen[key] = struct{}{}
	return true
}

// packFor packs the key. A receiver that has heard of all that a lone version has overwritten has the values, or no use for them: mutations that make
// others known travel with the values, unless all members have these.
func (r *Replica) packFor(p *Plan, key string) Packed {
	out := r.pack(key, r.dots.of(key))
	vs := out.Object.Versions
	out.told = len(vs) == 1 && !slices.ContainsFunc(vs[0].Past.list(), func(e elder) bool { return !p.theirs.Has(e.Dot) })
	return out
}

// answerWalk packs the keys from a.Place on that have something which the receiver may lack.
func (r *Replica) answerWalk(p *Plan, a *Answer, left *int) (more bool) {
	room := true
	ended := r.places.ascend(a.Place, func(k placed) bool {
		a.Place = k.place
		if *left--; *left < 0 {
			return false
		}
		if e, _ := r.objects.get(k.key); p.isNews(e) || r.isAhead(e.Context) {
			room = a.out.add(r.packFor(p, k.key))
		}
		return room
	})
	if !ended {
		return room
	}
	c0 := p.Clock
	a.Stage, a.Place, a.Clock = StageCompare, 0, &c0
	return true
}

// isNews reports whether the receiver may lack a version of the entry, or the value of one that it has overwritten.
func (p *Plan) isNews(e entry) bool {
	mayLack := func(d clock.Dot) bool { return !p.theirs.Has(d) && !p.sent.Has(d) }
	return slices.ContainsFunc(e.Versions, func(v Version) bool {
		return mayLack(v.Dot) || slices.ContainsFunc(v.Past.list(), func(a elder) bool { return mayLack(a.Dot) })
	})
}

// isAhead reports whether a stored context says more than the clock: then the receiver needs it. Others are only not stripped yet.
func (r *Replica) isAhead(ctx clock.Context) bool {
	for a, n := range ctx {
		if n > r.clock.Base(a) {
			return true
		}
	}
	return false
}

// answerFirst tells the sum of everything, unless the receiver must first say what else it has.
func (r *Replica) answerFirst(p *Plan, a *Answer) {
	p.told = r.Clock()
	if r.owe(p, p.Clock.Clone(), a) {
		a.Sums = []uint64{r.places.sum}
	}
}

// answerCompare tells the sums of the question's spans and what is gone of its versions, with as many keys that have changed since C0 as there is room
// for. ErrStale means that the log does not tell all of these.
func (r *Replica) answerCompare(p *Plan, q Question, a *Answer) error {
	has := p.Clock.Clone()
	has.Join(q.Beyond)
	if len(q.spans)+len(q.held) > 0 {
		p.told = r.Clock()
	}
	if !r.owe(p, has, a) {
		return fmt.Errorf("compare: %w", ErrStale)
	}
	for _, s := range q.spans {
		sums := r.places.parts(s)
		a.Sums = append(a.Sums, sums[:]...)
	}
	for _, h := range q.held {
		a.Gone = r.appendGone(a.Gone, h)
	}
	return nil
}

// owe packs the keys of the mutations that p.told has and the receiver lacks, which has the given ones besides, as far as there is room, and notes
// whether more are due. It returns false when the log does not tell all these keys.
func (r *Replica) owe(p *Plan, has clock.Clock, a *Answer) bool {
	has.Join(p.theirs)
	if !r.isLogged(p.told, has) {
		return false
	}
	clear(a.seen) // a key that went with this answer before may have changed since
	for actor, iv := range r.missing(p.told, has) {
		for _, rec := range r.dots.within(actor, iv) {
			if _, seen := a.seen[rec.key]; !seen && !r.send(p, rec.key, a) {
				a.Owes = true
				return true
			}
		}
	}
	return true
}

// appendGone appends for each of the versions whether it is known here that it was superseded.
func (r *Replica) appendGone(gone []bool, h heldDots) []bool {
	e, _ := r.objects.get(h.key)
	for _, d := range h.dots {
		isKnown := d.Counter <= r.clock.Base(d.Actor) || e.Context.Covers(d)
		gone = append(gone, isKnown && !hasDot(e.Versions, d))
	}
	return gone
}
