package engine

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
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
	Seals []toldSeal
}

// toldSeal is a record with the mutations of the catalogue that made it. Whoever knows these knows from the catalogue what has become of the record, and
// that the record may be no more.
type toldSeal struct {
	_    struct{} `cbor:",toarray"`
	Seal sealRecord
	Dots []clock.Dot
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
		c.send(member, LaneFast, c.codec.frame(frameAskSeals, askSealsFrame{}))
	}
	return false
}

// askSealsFrame asks which incarnations the receiver knows to be closed.
type askSealsFrame struct{}

// onAskSeals answers a member that asks.
func (c *Core) onAskSeals(from clock.Actor, _ askSealsFrame) error {
	c.send(from, LaneFast, c.codec.frame(frameSeals, sealsFrame{Seals: c.space.tellable()}))
	return nil
}

// onSeals learns which incarnations a member knows to be closed, and makes again what only this node has of them, before it takes data from the member.
func (c *Core) onSeals(from clock.Actor, f sealsFrame) error {
	news := false
	seals := make([]sealRecord, len(f.Seals))
	for i, s := range f.Seals {
		news = c.space.tell(s) || news
		seals[i] = s.Seal
	}
	if news {
		c.noteSeals()
	}
	if p, ok := c.members.peers[from]; ok && !c.stopped {
		p.covered, p.nextSync = c.digestSeals(seals), c.now
		c.advance()
	}
	return nil
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

// entries returns what counts of the incarnation in each partition; in those that are not named nothing does.
func (s sealRecord) entries() map[partitionID]clock.Entry {
	out := make(map[partitionID]clock.Entry, len(s.Entries))
	for _, e := range s.Entries {
		var known clock.Clock
		for i := 0; i+1 < len(e.Known); i += 2 {
			known.AddRange(s.Actor, e.Known[i], e.Known[i+1])
		}
		out[e.ID] = known.Entry(s.Actor)
	}
	return out
}

// noteSeals does what the records of dead incarnations say.
func (c *Core) noteSeals() {
	c.space.forgetTold()
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
	entries := s.entries()
	for _, p := range c.everyPartition() {
		p.mu.Lock()
		again, err := p.rep.Seal(s.Actor, entries[p.id])
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
	entries := s.entries()
	return slices.ContainsFunc(c.everyPartition(), func(p *partition) bool {
		p.mu.RLock()
		defer p.mu.RUnlock()
		return p.rep.NumVersions(s.Actor) > 0 || !p.rep.Entry(s.Actor).Covers(entries[p.id])
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
