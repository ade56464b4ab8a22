package engine

import (
	"maps"
	"slices"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

const (
	// frameBytes is the size at which a mutations frame is full.
	frameBytes = 256 << 10
	// sentMemory is how long a late acknowledgement still counts.
	sentMemory = 10 * time.Second
)

// outgoing is what this node has sent and who has confirmed it.
type outgoing struct {
	sequence uint64
	sent     map[uint64]*sentFrame
	acks     map[clock.Actor][]frameAcked
}

type sentFrame struct {
	groups  []sentGroup
	missing map[clock.Actor]struct{}
	at      time.Time
}

type sentGroup struct {
	p    *partition
	dots []clock.Dot
}

func newOutgoing() outgoing {
	return outgoing{sent: map[uint64]*sentFrame{}, acks: map[clock.Actor][]frameAcked{}}
}

// flush sends what local writes have left in the replicas. It never waits in order to batch: what gathered since the last flush goes together.
func (c *Core) flush() {
	for !c.held() && !c.stopped {
		dirty := c.space.takeDirty()
		if len(dirty) == 0 {
			return
		}
		c.flushPartitions(dirty)
	}
}

func (c *Core) flushPartitions(dirty []*partition) {
	var f mutationsFrame
	var sent []sentGroup
	size := 0
	for i, p := range dirty {
		if c.held() {
			c.space.putBack(dirty[i:])
			break
		}
		group, own, more := c.space.drain(p)
		if more {
			c.space.touch(p)
		}
		if len(c.members.sorted) == 0 || len(own) == 0 {
			continue // alone: whoever comes repairs
		}
		f.Groups = append(f.Groups, group)
		sent = append(sent, sentGroup{p: p, dots: own})
		if size += len(group.Delta); size >= frameBytes {
			c.sendMutations(f, sent, size)
			f, sent, size = mutationsFrame{}, nil, 0
		}
	}
	if len(f.Groups) > 0 {
		c.sendMutations(f, sent, size)
	}
}

// drain takes a frame's worth of mutations out of a partition's outbox.
func (s *space) drain(p *partition) (g mutationGroup, own []clock.Dot, more bool) {
	p.dirty.Store(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	delta, own := p.rep.Drain(frameBytes)
	g, more = mutationGroup{ID: p.id, Delta: delta.AppendBinary(nil)}, p.rep.Pending() > 0
	sent := p.waiting
	if more {
		sent = min(len(g.Delta), p.waiting)
	}
	p.waiting -= sent
	s.backlog.release(sent)
	return g, own, more
}

func (c *Core) sendMutations(f mutationsFrame, sent []sentGroup, size int) {
	o := &c.outgoing
	o.sequence++
	f.Sequence, f.Seals = o.sequence, c.closing.digest
	s := &sentFrame{groups: sent, at: c.now}
	s.missing = c.transmit(f.Sequence, c.codec.frame(frameMutations, f), size)
	if len(s.missing) > 0 {
		o.sent[f.Sequence] = s
	}
}

// onMutations applies a frame group by group and confirms what was applied.
func (c *Core) onMutations(from clock.Actor, f mutationsFrame) error {
	member, ok := c.members.peers[from]
	if !ok {
		return nil
	}
	if f.Sequence > member.sequence+1 {
		member.nextSync = c.now // frames are missing: repair at once
	}
	member.sequence = max(member.sequence, f.Sequence)
	ack := frameAcked{Sequence: f.Sequence}
	known := c.knowsSeals(from, f.Seals)
	for i, g := range f.Groups {
		if !known {
			ack.Skipped = append(ack.Skipped, i)
			continue
		}
		if err := c.applyGroup(g); err != nil {
			ack.Skipped = append(ack.Skipped, i)
			c.report(Event{Kind: EventError, Table: g.ID.Table, Peer: from.Short(), Err: err})
		} else if p := c.space.find(g.ID); p == nil || c.isFrozen(p) {
			ack.Skipped = append(ack.Skipped, i)
		}
	}
	c.outgoing.acks[from] = append(c.outgoing.acks[from], ack)
	return nil
}

// applyGroup receives one partition's objects. What cannot be taken now is dropped and repaired later.
func (c *Core) applyGroup(g mutationGroup) error {
	p := c.space.find(g.ID)
	if p == nil || c.isFrozen(p) {
		return nil
	}
	delta, err := replica.ParseDelta(g.Delta)
	if err != nil {
		return err
	}
	delta = delta.Without(c.space.isRetired)
	p.mu.Lock()
	changed, err := p.rep.Receive(delta)
	p.mu.Unlock()
	if err != nil {
		return c.ownActor(err)
	}
	c.changed(p, changed)
	return nil
}

// changed tells everyone concerned that remote state altered these keys.
func (c *Core) changed(p *partition, keys []string) {
	if len(keys) == 0 {
		return
	}
	if p == c.space.catalogue {
		c.report(c.space.refresh(keys)...)
		return
	}
	t, err := c.space.table(p.id.Table)
	if err != nil || t.epoch != p.id.Epoch {
		return
	}
	t.hub.notify(keys...)
	for _, key := range keys {
		c.noticeConflict(t, key)
	}
}

func (c *Core) sendAcks() {
	for _, to := range slices.SortedFunc(maps.Keys(c.outgoing.acks), clock.Actor.Compare) {
		c.send(to, LaneFast, c.codec.frame(frameAck, ackFrame{Acks: c.outgoing.acks[to]}))
	}
	clear(c.outgoing.acks)
}

func (c *Core) onAck(from clock.Actor, f ackFrame) error {
	touched := map[*partition]struct{}{}
	for _, a := range f.Acks {
		s, ok := c.outgoing.sent[a.Sequence]
		if !ok {
			continue
		}
		for i, g := range s.groups {
			if !slices.Contains(a.Skipped, i) {
				g.p.witnessDots(from, g.dots)
				touched[g.p] = struct{}{}
			}
		}
		c.confirmSent(a.Sequence, s, from)
	}
	if p, ok := c.members.peers[from]; ok && len(f.Acks) > 0 {
		p.window.confirm(f.Acks[len(f.Acks)-1].Sequence)
	}
	c.checkWaiters(touched)
	return nil
}

func (p *partition) witnessDots(member clock.Actor, dots []clock.Dot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rep.WitnessDots(member, dots)
}

func (c *Core) confirmSent(seq uint64, s *sentFrame, by clock.Actor) {
	delete(s.missing, by)
	if len(s.missing) == 0 {
		delete(c.outgoing.sent, seq)
	}
}

// forgetSent stops waiting for a member that is gone.
func (c *Core) forgetSent(member clock.Actor) {
	for seq, s := range c.outgoing.sent {
		c.confirmSent(seq, s, member)
	}
}

// expireSent forgets frames that nobody confirms: repair will see to them.
func (c *Core) expireSent() {
	for seq, s := range c.outgoing.sent {
		if c.now.Sub(s.at) > sentMemory {
			delete(c.outgoing.sent, seq)
		}
	}
	c.expireWindows()
}
