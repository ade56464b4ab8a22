package engine

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/kvnode/kvnode/clock"
)

// An incarnation that is gone for good leaves two things behind: its entry in every clock, and gaps in that entry, for mutations that died with it.
// The smallest actor asks all members about such incarnations, in rounds.
//
//   - First they agree what of its mutations there are. When every known member is connected, reports the same entries and takes part in no transfer, a
//     seal record in the catalogue says so, and every replica closes its entries (replica.Seal). Whoever agrees has fenced the incarnation: nothing that
//     it sends is taken any more. Who turns up with more of its mutations all the same, as a member that was forgotten, makes them again.
//   - Then, once no member has a version left that it wrote, the record says that it is over, and the clocks forget it (replica.Retire). The record
//     stays, for members that were away, until maxRetired others have followed.

const (
	// closingRounds is how many rounds there are in the time for which an incarnation must have been gone.
	closingRounds = 6
	// maxClosing bounds the incarnations of one round.
	maxClosing = 256
	// maxRetired bounds the records of incarnations that are over.
	maxRetired = 256
)

// closingFrame asks about dead incarnations.
type closingFrame struct {
	_      struct{} `cbor:",toarray"`
	Round  uint64
	Actors []closingActor
}

// closingActor is one question: do you have just these entries (Digest), or, when Retire is set: is nothing left of it at your place?
type closingActor struct {
	_      struct{} `cbor:",toarray"`
	Actor  clock.Actor
	Digest uint64
	Retire bool
}

// closingReplyFrame answers a closingFrame, question by question.
type closingReplyFrame struct {
	_      struct{} `cbor:",toarray"`
	Round  uint64
	Agreed []bool
}

// closing is what this node knows of dead incarnations besides the catalogue.
type closing struct {
	// gone is since when an incarnation is named in the clocks here and is nobody's.
	gone map[clock.Actor]time.Time
	// fenced are those to whose end this node has agreed.
	fenced map[clock.Actor]struct{}
	// sealed are those of which the catalogue has a record.
	sealed map[clock.Actor]struct{}
	// retired are those that were removed here.
	retired map[clock.Actor]struct{}
	// digest is of the records.
	digest uint64
	// postponed says that some are over that this node has not removed yet.
	postponed bool
	// round is the last one that this node began, with the answers so far.
	round   uint64
	asked   []closingActor
	answers map[clock.Actor][]bool
}

func newClosing() closing {
	return closing{gone: map[clock.Actor]time.Time{}, fenced: map[clock.Actor]struct{}{}, sealed: map[clock.Actor]struct{}{}, retired: map[clock.Actor]struct{}{}}
}

// closeDead begins a round.
func (c *Core) closeDead() {
	c.keepLostTold()
	if c.space.forgetTold() {
		c.noteSeals()
	}
	c.noteGone()
	c.closing.asked = nil
	if !c.boot.ready || !c.smallestActor() || !c.allHere() {
		return
	}
	c.dropOldSeals()
	c.closing.round++
	c.closing.answers = map[clock.Actor][]bool{}
	for _, q := range c.closingQuestions() {
		if c.agrees(q) {
			c.closing.asked = append(c.closing.asked, q)
		} else if q.Retire && !c.isOver(q.Actor) {
			c.takeOverRecords(q.Actor)
		}
	}
	if len(c.closing.asked) == 0 {
		return
	}
	c.broadcast(c.codec.frame(frameClosing, closingFrame{Round: c.closing.round, Actors: c.closing.asked}))
	c.concludeClosing()
}

// keepLostTold writes the records that were told and whose mutations are lost: else what this node has done because of them would be done nowhere else.
func (c *Core) keepLostTold() {
	if !c.boot.ready {
		return
	}
	for _, rec := range c.space.lostTold() {
		_, events, err := c.putCatalogue(keySeal+rec.Actor.String(), c.codec.record(rec), c.stamp())
		c.reportWritten(events, err)
	}
}

// takeOverRecords makes the records of the catalogue that a dead incarnation wrote this one's, but for the bytes of modules, which are large and few.
func (c *Core) takeOverRecords(a clock.Actor) {
	p := c.space.catalogue
	p.mu.Lock()
	again := p.rep.Reassign(a, func(key string) bool { return !strings.HasPrefix(key, keyModule) })
	p.mu.Unlock()
	c.madeAgain(p, again)
}

// noteGone keeps since when each incarnation that is named here is nobody's.
func (c *Core) noteGone() {
	named := map[clock.Actor]struct{}{}
	for _, p := range c.everyPartition() {
		p.mu.RLock()
		for _, a := range p.rep.Actors() {
			named[a] = struct{}{}
		}
		p.mu.RUnlock()
	}
	for _, s := range c.space.seals() {
		named[s.Actor] = struct{}{}
	}
	live := c.liveActors()
	for a := range named {
		_, alive := live[a]
		_, over := c.closing.retired[a]
		switch since, noted := c.closing.gone[a]; {
		case alive || over:
			delete(c.closing.gone, a)
		case !noted || since.After(c.now):
			c.closing.gone[a] = c.now
		}
	}
	maps.DeleteFunc(c.closing.gone, func(a clock.Actor, _ time.Time) bool {
		_, still := named[a]
		return !still
	})
}

// liveActors are the incarnations that somebody is: this node, the connected, and the known members.
func (c *Core) liveActors() map[clock.Actor]struct{} {
	live := map[clock.Actor]struct{}{c.cfg.Actor: {}}
	for a := range c.members.peers {
		live[a] = struct{}{}
	}
	for _, a := range c.knownActors() {
		live[a] = struct{}{}
	}
	return live
}

// allHere says whether every known member is connected, as the incarnation that is known.
func (c *Core) allHere() bool {
	return !slices.ContainsFunc(c.knownActors(), func(a clock.Actor) bool { return c.members.peers[a] == nil })
}

// closingQuestions are the next steps of the incarnations that have been gone for long enough.
func (c *Core) closingQuestions() []closingActor {
	var out []closingActor
	for _, a := range slices.SortedFunc(maps.Keys(c.closing.gone), clock.Actor.Compare) {
		if len(out) == maxClosing {
			break
		}
		if c.now.Sub(c.closing.gone[a]) < c.cfg.CloseAfter {
			continue
		}
		_, sealed := c.space.seal(a)
		q := closingActor{Actor: a, Retire: sealed}
		if !sealed {
			q.Digest = c.entriesDigest(c.entriesOf(a))
		}
		out = append(out, q)
	}
	return out
}

// entriesOf collects what this node has of an incarnation.
func (c *Core) entriesOf(a clock.Actor) []sealEntry {
	var out []sealEntry
	for _, p := range c.everyPartition() {
		p.mu.RLock()
		e := p.rep.Entry(a)
		p.mu.RUnlock()
		if e.IsEmpty() {
			continue
		}
		s := sealEntry{ID: p.id}
		for _, iv := range e.Intervals() {
			s.Known = append(s.Known, iv.Lo, iv.Hi)
		}
		out = append(out, s)
	}
	return out
}

func (c *Core) entriesDigest(entries []sealEntry) uint64 {
	return xxh3.Hash(c.codec.record(entries))
}

// agrees answers a question. Whoever agrees to a seal takes nothing from the incarnation any more.
func (c *Core) agrees(q closingActor) bool {
	_, alive := c.liveActors()[q.Actor]
	if alive || !c.boot.ready || c.leaving != nil || len(c.repair.taking)+len(c.repair.serving) > 0 {
		return false
	}
	if q.Retire {
		return c.isOver(q.Actor)
	}
	if c.entriesDigest(c.entriesOf(q.Actor)) != q.Digest {
		return false
	}
	c.closing.fenced[q.Actor] = struct{}{}
	return true
}

// isOver says whether nothing is left here of an incarnation whose entries are closed.
func (c *Core) isOver(a clock.Actor) bool {
	return !slices.ContainsFunc(c.everyPartition(), func(p *partition) bool {
		p.mu.RLock()
		defer p.mu.RUnlock()
		return !p.rep.IsOver(a)
	})
}

// isFenced says whether nothing is taken from an incarnation any more.
func (c *Core) isFenced(a clock.Actor) bool {
	_, fenced := c.closing.fenced[a]
	_, sealed := c.closing.sealed[a]
	return fenced || sealed
}

func (c *Core) onClosing(from clock.Actor, f closingFrame) error {
	reply := closingReplyFrame{Round: f.Round}
	for _, q := range f.Actors[:min(len(f.Actors), maxClosing)] {
		reply.Agreed = append(reply.Agreed, c.agrees(q))
	}
	c.send(from, LaneFast, c.codec.frame(frameClosingReply, reply))
	return nil
}

func (c *Core) onClosingReply(from clock.Actor, f closingReplyFrame) error {
	if f.Round != c.closing.round || len(f.Agreed) != len(c.closing.asked) || len(f.Agreed) == 0 {
		return nil
	}
	c.closing.answers[from] = f.Agreed
	c.concludeClosing()
	return nil
}

// concludeClosing writes the records of a round to which all members have answered.
func (c *Core) concludeClosing() {
	missing := slices.ContainsFunc(c.members.sorted, func(p *peer) bool { return c.closing.answers[p.actor] == nil })
	if missing || !c.allHere() {
		return
	}
	asked := c.closing.asked
	c.closing.asked = nil
	for i, q := range asked {
		unanimous := c.agrees(q)
		for _, p := range c.members.sorted {
			unanimous = unanimous && c.closing.answers[p.actor][i]
		}
		if unanimous {
			c.writeSeal(q)
		}
	}
}

func (c *Core) writeSeal(q closingActor) {
	rec, known := c.space.seal(q.Actor)
	if !known {
		rec = sealRecord{Actor: q.Actor, Entries: c.entriesOf(q.Actor)}
	}
	rec.Retired, rec.Time = q.Retire, uint64(c.now.UnixMilli())
	_, events, err := c.putCatalogue(keySeal+q.Actor.String(), c.codec.record(rec), c.stamp())
	c.reportWritten(events, err)
}

// dropOldSeals deletes the oldest records of incarnations that are over, beyond the bound.
func (c *Core) dropOldSeals() {
	var over []sealRecord
	for _, s := range c.space.seals() {
		if s.Retired {
			over = append(over, s)
		}
	}
	if len(over) <= maxRetired {
		return
	}
	slices.SortStableFunc(over, func(a, b sealRecord) int { return cmp.Compare(a.Time, b.Time) })
	for _, s := range over[:len(over)-maxRetired] {
		_, events, err := c.deleteCatalogue(keySeal+s.Actor.String(), c.stamp())
		c.reportWritten(events, err)
	}
}
