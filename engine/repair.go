package engine

import (
	"errors"
	"slices"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// digests are the hashes that tell peers what this node knows, catalogue first.
func (c *Core) digests() []tableDigest {
	out := []tableDigest{digestOf("", 0, []*partition{c.space.catalogue})}
	for _, t := range c.space.sortedTables() {
		if !t.options.Local {
			out = append(out, digestOf(t.name, t.epoch, t.parts[:]))
		}
	}
	return out
}

func digestOf(name string, epoch uint64, parts []*partition) tableDigest {
	d := tableDigest{Table: name, Epoch: epoch}
	for _, p := range parts {
		hash, sum := p.digest()
		d.Clocks = d.Clocks*31 + hash
		d.Sum = d.Sum*31 + sum
	}
	return d
}

// digest hashes what the partition knows, and what it holds.
func (p *partition) digest() (clocks, sum uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.rep.Sum()
	return p.rep.ClockHash(), s[0] ^ s[1]
}

// compareDigests learns from a hello: a peer whose clocks hash like ours has what we have.
func (c *Core) compareDigests(p *peer) {
	for _, theirs := range p.hello.Tables {
		parts := c.space.replicated(theirs.Table, theirs.Epoch)
		if parts == nil {
			continue
		}
		ours := digestOf(theirs.Table, theirs.Epoch, parts)
		switch {
		case ours.Clocks != theirs.Clocks:
		case ours.Sum != theirs.Sum:
			p.nextSync = c.now
		default:
			c.witnessEqual(p.actor, parts)
		}
	}
}

func (c *Core) witnessEqual(member clock.Actor, parts []*partition) {
	touched := map[*partition]struct{}{}
	for _, p := range parts {
		p.mu.Lock()
		if p.rep.NumUnstable()+p.rep.NumPasts()+p.rep.NumLone() > 0 || len(c.waiters[p]) > 0 {
			p.rep.Witness(member, p.rep.Clock())
			touched[p] = struct{}{}
		}
		p.mu.Unlock()
	}
	c.checkWaiters(touched)
}

// syncSoon makes the next tick compare with every peer.
func (c *Core) syncSoon() {
	for _, p := range c.members.sorted {
		p.nextSync = c.now
	}
}

// syncPeers probes the peers whose turn it is for the tables whose digests differ.
func (c *Core) syncPeers() {
	for _, p := range c.members.sorted {
		if c.now.Before(p.nextSync) {
			continue
		}
		jitter := 0.5 + c.cfg.Random.Float64()
		p.nextSync = c.now.Add(time.Duration(float64(c.cfg.SyncInterval) * jitter))
		c.probe(p)
	}
}

func (c *Core) probe(p *peer) {
	for _, theirs := range p.hello.Tables {
		parts := c.space.replicated(theirs.Table, theirs.Epoch)
		if parts == nil {
			continue
		}
		ours := digestOf(theirs.Table, theirs.Epoch, parts)
		if ours.Clocks == theirs.Clocks && ours.Sum == theirs.Sum {
			continue
		}
		f := probeFrame{Table: theirs.Table, Epoch: theirs.Epoch}
		for _, q := range parts {
			hash, sum := q.digest()
			f.Hashes = append(f.Hashes, hash)
			f.Sums = append(f.Sums, sum)
		}
		c.send(p.actor, LaneFast, c.codec.frame(frameProbe, f))
	}
}

// onProbe answers with the clocks of the partitions that differ.
func (c *Core) onProbe(from clock.Actor, f probeFrame) error {
	parts := c.space.replicated(f.Table, f.Epoch)
	if parts == nil || len(f.Hashes) != len(parts) || len(f.Sums) != len(parts) {
		return nil
	}
	answer := clocksFrame{Table: f.Table, Epoch: f.Epoch}
	for i, p := range parts {
		hash, sum := p.digest()
		if hash == f.Hashes[i] {
			answer.Equal = append(answer.Equal, partitionEqual{Index: i, Hash: hash, SumDiffers: sum != f.Sums[i]})
			continue
		}
		answer.Clocks = append(answer.Clocks, partitionClock{Index: i, Clock: p.clock().AppendBinary(nil)})
	}
	c.send(from, LaneFast, c.codec.frame(frameClocks, answer))
	return nil
}

func (p *partition) clock() clock.Clock {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.rep.Clock()
}

// onClocks learns what a peer has, and takes what is missing here.
func (c *Core) onClocks(from clock.Actor, f clocksFrame) error {
	parts := c.space.replicated(f.Table, f.Epoch)
	touched := map[*partition]struct{}{}
	for _, e := range f.Equal {
		if e.Index < 0 || e.Index >= len(parts) {
			continue
		}
		c.onEqual(from, parts[e.Index], e)
		touched[parts[e.Index]] = struct{}{}
	}
	for _, pc := range f.Clocks {
		if pc.Index < 0 || pc.Index >= len(parts) {
			continue
		}
		theirs, err := c.parseClock(pc.Clock)
		if err != nil {
			return err
		}
		c.onClock(from, parts[pc.Index], theirs)
		touched[parts[pc.Index]] = struct{}{}
	}
	c.checkWaiters(touched)
	return nil
}

func (c *Core) onEqual(from clock.Actor, p *partition, e partitionEqual) {
	p.mu.Lock()
	same := p.rep.ClockHash() == e.Hash
	if same && !e.SumDiffers {
		p.rep.Witness(from, p.rep.Clock())
	}
	p.mu.Unlock()
	if same && e.SumDiffers {
		c.diverged(from, p)
	}
}

func (c *Core) onClock(from clock.Actor, p *partition, theirs clock.Clock) {
	p.mu.Lock()
	p.rep.Witness(from, theirs)
	p.mu.Unlock()
	if ours := p.clock(); !ours.Covers(theirs) {
		c.take(from, p, false)
	}
}

// ownActor handles the impossible: somebody knows mutations of this incarnation that it never made. A new incarnation cures it.
func (c *Core) ownActor(err error) error {
	if !errors.Is(err, replica.ErrOwnActor) {
		return err
	}
	c.report(Event{Kind: EventAlarm, Err: err})
	c.do(Restart{Reason: err.Error()})
	return nil
}

// smallestActor says whether this node's actor is the smallest of the connected members.
func (c *Core) smallestActor() bool {
	return !slices.ContainsFunc(c.members.sorted, func(p *peer) bool { return c.cfg.Actor.Compare(p.actor) > 0 })
}
