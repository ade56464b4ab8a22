package engine

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
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

// sealRecord says which mutations of a dead incarnation count. Retired says that nothing of it is left.
type sealRecord struct {
	_       struct{} `cbor:",toarray"`
	Actor   clock.Actor
	Time    uint64 // unix milliseconds
	Retired bool
	Entries []sealEntry // those that are not empty, in the order of the partitions
}

// sealEntry is what counts in one partition: intervals of counters, as pairs of their ends.
type sealEntry struct {
	_     struct{} `cbor:",toarray"`
	ID    partitionID
	Known []uint64
}

// sealsFrame tells which incarnations its sender knows to be closed.
type sealsFrame struct {
	_     struct{} `cbor:",toarray"`
	Seals []sealRecord
}

// sealsPatience is the pause before a member is asked again which incarnations it knows to be closed.
const sealsPatience = 200 * time.Millisecond

// knowsSeals says whether this node knows all that the member knows to be closed: what the member sends then means the same here. Else its clocks may
// claim mutations that only this node has, and would have to make again first; the member is asked.
func (c *Core) knowsSeals(member clock.Actor, digest uint64) bool {
	p, ok := c.members.peers[member]
	switch {
	case !ok:
		return false
	case digest == 0 || digest == p.covered:
		return true
	case digest == c.closing.digest:
		p.covered = digest
		return true
	}
	if c.now.Sub(p.asked) >= sealsPatience {
		p.asked = c.now
		c.send(member, LaneFast, c.codec.frame(frameAskSeals, struct{}{}))
	}
	return false
}

// tellSeals answers a member that asks.
func (c *Core) tellSeals(to clock.Actor) {
	c.send(to, LaneFast, c.codec.frame(frameSeals, sealsFrame{Seals: c.space.seals()}))
}

// onSeals learns which incarnations a member knows to be closed, and makes again what only this node has of them, before it takes data from the member.
func (c *Core) onSeals(from clock.Actor, f sealsFrame) error {
	news := false
	for _, s := range f.Seals {
		news = c.space.tell(s) || news
	}
	if news {
		c.noteSeals()
	}
	if p, ok := c.members.peers[from]; ok && !c.stopped {
		p.covered, p.nextSync = c.digestSeals(f.Seals), c.now
		c.advance()
	}
	return nil
}

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
		} else if q.Retire {
			c.takeOverRecords(q.Actor)
		}
	}
	if len(c.closing.asked) == 0 {
		return
	}
	c.broadcast(c.codec.frame(frameClosing, closingFrame{Round: c.closing.round, Actors: c.closing.asked}))
	c.concludeClosing()
}

// takeOverRecords makes the records of the catalogue that a dead incarnation wrote this one's, but for the bytes of modules, which are large and few.
func (c *Core) takeOverRecords(a clock.Actor) {
	p := c.space.catalogue
	p.mu.Lock()
	again := p.rep.Reassign(a, func(key string) bool { return !strings.HasPrefix(key, keyModule) })
	p.mu.Unlock()
	c.madeAgain(p, again)
}

// MadeAgain is mutations of a key of a table that a node has made again, because they were of a closed incarnation.
type MadeAgain struct {
	Table string
	Epoch uint64
	replica.Again
}

// madeAgain sends what a replica has made again.
func (c *Core) madeAgain(p *partition, again []replica.Again) {
	if len(again) == 0 {
		return
	}
	keys := make([]string, len(again))
	for i, m := range again {
		keys[i] = m.Key
		c.again = append(c.again, MadeAgain{Table: p.id.Table, Epoch: p.id.Epoch, Again: m})
	}
	c.space.touch(p)
	c.changed(p, keys)
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

// entry returns what counts of the incarnation in a partition.
func (s sealRecord) entry(id partitionID) clock.Entry {
	var known clock.Clock
	for _, e := range s.Entries {
		if e.ID != id {
			continue
		}
		for i := 0; i+1 < len(e.Known); i += 2 {
			known.AddRange(s.Actor, e.Known[i], e.Known[i+1])
		}
	}
	return known.Entry(s.Actor).Clone()
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
	c.report(events...)
	if err != nil {
		c.report(Event{Kind: EventError, Err: err})
	}
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
	slices.SortStableFunc(over, func(a, b sealRecord) int { return int(int64(a.Time) - int64(b.Time)) })
	for _, s := range over[:len(over)-maxRetired] {
		_, events, err := c.deleteCatalogue(keySeal+s.Actor.String(), c.stamp())
		c.report(events...)
		if err != nil {
			c.report(Event{Kind: EventError, Err: err})
		}
	}
}

// noteSeals does what the records of dead incarnations say.
func (c *Core) noteSeals() {
	seals := c.space.seals()
	if slices.ContainsFunc(seals, func(s sealRecord) bool { return s.Actor == c.cfg.Actor }) {
		c.reincarnate()
		return
	}
	c.learnSealed(seals)
	c.closing.postponed = false
	for _, s := range seals {
		if s.Retired {
			c.retire(s)
		} else {
			c.seal(s)
		}
	}
}

// reincarnate ends an incarnation that the others have given up while it was away: the next one makes again what only this one had.
func (c *Core) reincarnate() {
	if c.stopped {
		return
	}
	c.stopped = true
	const reason = "the other members have closed this incarnation while it was away"
	c.report(Event{Kind: EventRestart, Attrs: []slog.Attr{slog.String("reason", reason)}})
	c.sayBye()
	c.do(Restart{Reason: reason})
}

// seal closes the entries of a dead incarnation, also in tables that have come since.
func (c *Core) seal(s sealRecord) {
	keys := 0
	for _, p := range c.everyPartition() {
		p.mu.Lock()
		again, err := p.rep.Seal(s.Actor, s.entry(p.id))
		p.mu.Unlock()
		if err != nil {
			c.report(Event{Kind: EventError, Table: p.id.Table, Err: err})
		}
		keys += len(again)
		c.madeAgain(p, again)
	}
	if keys > 0 {
		c.report(Event{Kind: EventRestored, Peer: s.Actor.Short(), Attrs: []slog.Attr{slog.Int("keys", keys)}})
	}
}

// retire removes what is left of a dead incarnation. A node that was away from the agreement lacks what the others know, of that incarnation and of what
// replaced its values: it takes everything anew from a ready member first. While there is none it shows what it has.
func (c *Core) retire(s sealRecord) {
	if _, done := c.closing.retired[s.Actor]; done {
		return
	}
	missed := c.missesAnyOf(s)
	c.seal(s) // makes again what does not count
	switch {
	case !missed:
		c.removeRetired(s)
		return
	case !c.boot.ready:
		c.takeAllAnew()
	case c.anyReady():
		c.reincarnate()
	}
	c.closing.postponed = true
}

// retirePostponed retires the incarnations that were over before this node came, now that it has all that the others have.
func (c *Core) retirePostponed() {
	c.closing.postponed = false
	for _, s := range c.space.seals() {
		if _, done := c.closing.retired[s.Actor]; s.Retired && !done {
			c.removeRetired(s)
		}
	}
}

func (c *Core) removeRetired(s sealRecord) {
	c.closing.retired[s.Actor] = struct{}{}
	c.report(Event{Kind: EventRetired, Peer: s.Actor.Short()})
	c.members.former = slices.DeleteFunc(c.members.former, func(a clock.Actor) bool { return a == s.Actor })
	c.space.setRetired(c.closing.retired)
	for _, p := range c.everyPartition() {
		p.mu.Lock()
		changed := p.rep.Retire(s.Actor)
		p.mu.Unlock()
		c.changed(p, changed)
	}
}

// missesAnyOf says whether this node lacks mutations of the incarnation, or what replaced its values.
func (c *Core) missesAnyOf(s sealRecord) bool {
	return slices.ContainsFunc(c.everyPartition(), func(p *partition) bool {
		p.mu.RLock()
		defer p.mu.RUnlock()
		return p.rep.NumVersions(s.Actor) > 0 || !p.rep.Entry(s.Actor).Covers(s.entry(p.id))
	})
}

// learnSealed notes which incarnations have a record, and drops what is remembered of those whose record is gone.
func (c *Core) learnSealed(seals []sealRecord) {
	kept := map[clock.Actor]struct{}{}
	for _, s := range seals {
		kept[s.Actor] = struct{}{}
		delete(c.closing.fenced, s.Actor) // the record fences it from now on
		if _, known := c.closing.sealed[s.Actor]; !known {
			c.report(Event{Kind: EventClosed, Peer: s.Actor.Short()})
		}
	}
	c.closing.sealed = kept
	c.closing.digest = c.digestSeals(seals)
	before := len(c.closing.retired)
	maps.DeleteFunc(c.closing.retired, func(a clock.Actor, _ struct{}) bool {
		_, still := kept[a]
		return !still
	})
	if len(c.closing.retired) < before {
		c.space.setRetired(c.closing.retired)
	}
}

func (c *Core) digestSeals(seals []sealRecord) uint64 {
	if len(seals) == 0 {
		return 0
	}
	var b []byte
	for _, s := range seals {
		id := s.Actor.Bytes()
		b = append(b, id[:]...)
		if s.Retired {
			b = append(b, 1)
		}
	}
	return xxh3.Hash(b)
}

// parseClock reads a peer's clock, without the incarnations that are over here.
func (c *Core) parseClock(b []byte) (clock.Clock, error) {
	out, rest, err := clock.ParseClock(b)
	switch {
	case err != nil:
		return clock.Clock{}, err
	case len(rest) > 0:
		return clock.Clock{}, errors.Join(errFrame, errors.New("bytes after a clock"))
	}
	c.dropRetired(&out)
	return out, nil
}

func (c *Core) dropRetired(k *clock.Clock) {
	for _, a := range k.Actors() {
		if _, over := c.closing.retired[a]; over {
			k.Drop(a)
		}
	}
}
