package engine

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

const (
	// chunkBytes is the size of a repair chunk.
	chunkBytes = 256 << 10
	// transferPatience is how long a chunk may take before a transfer is given up, and how long a served one is remembered.
	transferPatience = 5 * time.Second
	// lossPatience is how long an unanswered request may be kept alive by other answers of the same peer.
	lossPatience = 15 * time.Second
	// maxTransfers bounds the transfers that this node takes at a time.
	maxTransfers = 64
)

// repairs is the state of anti-entropy: what this node takes from peers, and what it serves them.
type repairs struct {
	next    uint64
	taking  map[partitionID]*transfer
	serving map[servedID]*served
}

// transfer is one partition's repair from one peer.
type transfer struct {
	p        *partition
	peer     clock.Actor
	id       uint64
	intake   *replica.Intake
	full     bool
	keys     int
	asked    time.Time
	deadline time.Time
}

type servedID struct {
	to clock.Actor
	id uint64
}

type served struct {
	p        *partition
	plan     *replica.Plan
	deadline time.Time
}

func newRepairs() repairs {
	return repairs{taking: map[partitionID]*transfer{}, serving: map[servedID]*served{}}
}

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
		if p.rep.NumUnstable() > 0 || len(c.waiters[p]) > 0 {
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
		theirs, _, err := clock.ParseClock(pc.Clock)
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
		c.report(Event{
			Kind: EventAlarm, Table: p.id.Table, Peer: from.Short(), Err: errAudit,
			Attrs: []slog.Attr{slog.Int("partition", p.id.Index)},
		})
		c.take(from, p, true)
	}
}

var errAudit = errors.New("equal clocks with different data")

func (c *Core) onClock(from clock.Actor, p *partition, theirs clock.Clock) {
	p.mu.Lock()
	p.rep.Witness(from, theirs)
	p.mu.Unlock()
	if ours := p.clock(); !ours.Covers(theirs) {
		c.take(from, p, false)
	}
}

// take starts a transfer of what this node's partition lacks, unless one is under way.
func (c *Core) take(from clock.Actor, p *partition, full bool) {
	if _, busy := c.repair.taking[p.id]; busy || len(c.repair.taking) >= maxTransfers {
		return
	}
	c.repair.next++
	t := &transfer{p: p, peer: from, id: c.repair.next, full: full, asked: c.now, deadline: c.now.Add(transferPatience)}
	c.repair.taking[p.id] = t
	c.send(from, LaneFast, c.codec.frame(framePull, pullFrame{ID: p.id, Xfer: t.id, Full: full, Clock: p.clock().AppendBinary(nil)}))
}

// onPull serves the first or the next chunk of a transfer.
func (c *Core) onPull(from clock.Actor, f pullFrame) error {
	id := servedID{to: from, id: f.Xfer}
	p := c.space.find(f.ID)
	if p == nil {
		c.sendChunk(from, chunkFrame{ID: f.ID, Xfer: f.Xfer, Gone: true})
		return nil
	}
	if f.From == 0 {
		theirs, _, err := clock.ParseClock(f.Clock)
		if err != nil {
			return err
		}
		plan := p.plan(theirs, f.Full)
		if plan == nil {
			c.sendChunk(from, chunkFrame{ID: f.ID, Xfer: f.Xfer, Same: true})
			return nil
		}
		maps.DeleteFunc(c.repair.serving, func(old servedID, s *served) bool { return old.to == from && s.p == p })
		c.repair.serving[id] = &served{p: p, plan: plan}
	}
	s, ok := c.repair.serving[id]
	if !ok || s.p != p || f.From < 0 || f.From > len(s.plan.Keys) {
		c.sendChunk(from, chunkFrame{ID: f.ID, Xfer: f.Xfer, Gone: true})
		return nil
	}
	s.deadline = c.now.Add(transferPatience)
	c.serveChunk(from, f, s)
	return nil
}

func (p *partition) plan(theirs clock.Clock, full bool) *replica.Plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rep.Plan(theirs, full)
}

func (c *Core) serveChunk(to clock.Actor, f pullFrame, s *served) {
	s.p.mu.Lock()
	delta, next := s.p.rep.Chunk(s.plan, f.From, chunkBytes)
	s.p.mu.Unlock()
	answer := chunkFrame{ID: f.ID, Xfer: f.Xfer, Next: next, Full: s.plan.Full, Delta: delta.AppendBinary(nil)}
	if next == len(s.plan.Keys) {
		answer.End = replica.AppendEnd(nil, s.plan.Clock, s.plan.Dots)
		delete(c.repair.serving, servedID{to: to, id: f.Xfer})
	}
	c.sendChunk(to, answer)
}

func (c *Core) sendChunk(to clock.Actor, f chunkFrame) {
	c.send(to, LaneBulk, c.codec.frame(frameChunk, f))
}

// onChunk takes one chunk; with the last one this node's clock grows, never before.
func (c *Core) onChunk(from clock.Actor, f chunkFrame) error {
	c.extendTransfers(from)
	t, ok := c.repair.taking[f.ID]
	if !ok || t.peer != from || t.id != f.Xfer {
		return nil
	}
	if f.Gone || f.Same || c.space.find(f.ID) != t.p {
		c.endTransfer(t, f.Same)
		return nil
	}
	done, err := c.takeChunk(t, f)
	if err != nil {
		c.endTransfer(t, false)
		return c.ownActor(err)
	}
	if done {
		c.endTransfer(t, true)
		return nil
	}
	t.asked = c.now
	c.send(from, LaneFast, c.codec.frame(framePull, pullFrame{ID: f.ID, Xfer: t.id, From: f.Next}))
	return nil
}

func (c *Core) takeChunk(t *transfer, f chunkFrame) (done bool, err error) {
	delta, err := replica.ParseDelta(f.Delta)
	if err != nil {
		return false, err
	}
	if t.intake == nil {
		t.intake, t.full = replica.NewIntake(f.Full), f.Full
	}
	t.keys += len(delta.Objects)
	t.p.mu.Lock()
	changed, err := t.p.rep.TakeChunk(t.intake, delta)
	t.p.mu.Unlock()
	if err != nil {
		return false, err
	}
	c.changed(t.p, changed)
	if f.End == nil {
		return false, nil
	}
	return true, c.finishTransfer(t, f.End)
}

func (c *Core) finishTransfer(t *transfer, end []byte) error {
	c0, dots, err := replica.ParseEnd(end)
	if err != nil {
		return err
	}
	t.p.mu.Lock()
	changed, err := t.p.rep.Finish(t.intake, c0, dots)
	if err == nil {
		t.p.rep.Witness(t.peer, c0)
	}
	t.p.mu.Unlock()
	if err != nil {
		return err
	}
	c.changed(t.p, changed)
	c.report(Event{
		Kind: EventRepaired, Table: t.p.id.Table, Peer: t.peer.Short(),
		Attrs: []slog.Attr{slog.Int("partition", t.p.id.Index), slog.Int("keys", t.keys), slog.Bool("full", t.full)},
	})
	return nil
}

// endTransfer closes a transfer; when it is complete the boot goes on, and a new catalogue makes the tables comparable.
func (c *Core) endTransfer(t *transfer, complete bool) {
	delete(c.repair.taking, t.p.id)
	if !complete {
		return
	}
	if !c.boot.ready {
		c.boot.pulled[t.p] = t.peer
	}
	if t.p == c.space.catalogue {
		c.syncSoon()
	}
	c.advance()
}

// extendTransfers gives the transfers from a peer more time: it is alive, and the link may be slow. What was asked too long ago is lost all the same.
func (c *Core) extendTransfers(from clock.Actor) {
	for _, t := range c.repair.taking {
		if t.peer == from && c.now.Sub(t.asked) < lossPatience {
			t.deadline = c.now.Add(transferPatience)
		}
	}
}

// dropTransfers forgets the transfers with a member that is gone.
func (c *Core) dropTransfers(member clock.Actor) {
	maps.DeleteFunc(c.repair.taking, func(_ partitionID, t *transfer) bool { return t.peer == member })
	maps.DeleteFunc(c.repair.serving, func(id servedID, _ *served) bool { return id.to == member })
}

// expireTransfers gives up transfers whose peer does not answer; the next round tries again.
func (c *Core) expireTransfers() {
	maps.DeleteFunc(c.repair.taking, func(_ partitionID, t *transfer) bool { return c.now.After(t.deadline) })
	maps.DeleteFunc(c.repair.serving, func(_ servedID, s *served) bool { return c.now.After(s.deadline) })
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
