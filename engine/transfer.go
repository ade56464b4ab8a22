package engine

import (
	"errors"
	"log/slog"
	"maps"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

const (
	// chunkBytes is the size of a repair chunk.
	chunkBytes = 256 << 10
	// questionBytes is the size of a question about it.
	questionBytes = 32 << 10
	// answerTurns bounds how often the sender of a chunk takes the partition's lock, each time for some thousand keys.
	answerTurns = 16
	// stepTurns is how many of these turns one step takes: the mutations and acknowledgements that arrive meanwhile do not wait for whole chunks.
	stepTurns = 2
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
	// due are the served transfers with a question to answer, in their turn.
	due []*served
	// arrived are the transfers with a chunk to take, in their turn.
	arrived []*transfer
}

// transfer is one partition's repair from one peer.
type transfer struct {
	p        *partition
	peer     clock.Actor
	id       uint64
	step     uint64      // of the question that was asked last
	chunk    *chunkFrame // its answer, when it has arrived and was not taken yet
	intake   *replica.Intake
	keys     int
	asked    time.Time
	deadline time.Time
}

type servedID struct {
	to clock.Actor
	id uint64
}

type served struct {
	id       servedID
	p        *partition
	plan     *replica.Plan
	step     uint64 // of the last question
	deadline time.Time

	question replica.Question
	answer   *replica.Answer // as far as it goes
	turns    int             // that the answer has taken
}

func newRepairs() repairs {
	return repairs{taking: map[partitionID]*transfer{}, serving: map[servedID]*served{}}
}

// take starts a transfer of what this node's partition lacks, unless one is under way.
func (c *Core) take(from clock.Actor, p *partition, full bool) {
	if _, busy := c.repair.taking[p.id]; busy || len(c.repair.taking) >= maxTransfers {
		return
	}
	c.repair.next++
	p.mu.Lock()
	t := &transfer{p: p, peer: from, id: c.repair.next, intake: p.rep.Begin(), deadline: c.now.Add(transferPatience)}
	have := p.rep.Clock()
	if p.rep.IsVague() {
		full, have = true, clock.Clock{}
	}
	p.mu.Unlock()
	c.repair.taking[p.id] = t
	c.ask(t, pullFrame{Full: full, Clock: have.AppendBinary(nil)})
}

// ask sends the next question of a transfer.
func (c *Core) ask(t *transfer, f pullFrame) {
	t.step++
	t.asked = c.now
	t.p.mu.Lock()
	q := t.p.rep.Ask(t.intake, questionBytes)
	t.p.mu.Unlock()
	f.ID, f.Xfer, f.Step, f.Question = t.p.id, t.id, t.step, q.AppendBinary(nil)
	c.send(t.peer, LaneFast, c.codec.frame(framePull, f))
}

// onPull serves the first or the next step of a transfer.
func (c *Core) onPull(from clock.Actor, f pullFrame) error {
	q, err := replica.ParseQuestion(f.Question)
	if err != nil {
		return err
	}
	s, known := c.repair.serving[servedID{to: from, id: f.Xfer}]
	p := c.space.find(f.ID)
	switch {
	case p == nil || known && s.p != p || !known && f.Step != 1 || c.audit.withholds(p):
		c.sendChunk(from, chunkFrame{ID: f.ID, Xfer: f.Xfer, Step: f.Step, Gone: true})
		return nil
	case known && (f.Step != s.step+1 || s.answer != nil):
		return nil // answered already, or asked before the answer to the step before it
	case !known:
		if s, err = c.serve(from, p, f); s == nil {
			return err
		}
	}
	s.step, s.deadline = f.Step, c.now.Add(transferPatience)
	s.question, s.answer, s.turns = q, replica.NewAnswer(q), 0
	c.repair.due = append(c.repair.due, s)
	return nil
}

// serve begins to serve a transfer, in place of an earlier one of the same partition. It returns nil when the peer lacks nothing.
func (c *Core) serve(to clock.Actor, p *partition, f pullFrame) (*served, error) {
	theirs, err := c.parseClock(f.Clock)
	if err != nil {
		return nil, err
	}
	plan := p.plan(to, theirs, f.Full)
	if plan == nil {
		c.sendChunk(to, chunkFrame{ID: f.ID, Xfer: f.Xfer, Step: f.Step, Same: true})
		return nil, nil //nolint:nilnil // there is nothing to serve
	}
	maps.DeleteFunc(c.repair.serving, func(old servedID, s *served) bool { return old.to == to && s.p == p })
	s := &served{id: servedID{to: to, id: f.Xfer}, p: p, plan: plan}
	c.repair.serving[s.id] = s
	return s, nil
}

func (p *partition) plan(to clock.Actor, theirs clock.Clock, full bool) *replica.Plan {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.rep.Plan(to, theirs, full)
}

// serveDue works on the answers that are due, each in its turn, and reports whether there is more to do. Others get the lock between the turns.
func (c *Core) serveDue() (more bool) {
	for range stepTurns {
		if len(c.repair.due) == 0 || c.stopped {
			return false
		}
		s := c.repair.due[0]
		c.repair.due = c.repair.due[1:]
		if c.repair.serving[s.id] == s && !c.serveTurn(s) {
			c.repair.due = append(c.repair.due, s)
		}
	}
	return len(c.repair.due) > 0
}

// serveTurn adds to an answer, and sends it when it is complete.
func (c *Core) serveTurn(s *served) (sent bool) {
	s.p.mu.RLock()
	more, err := s.p.rep.Answer(s.plan, s.question, s.answer, chunkBytes)
	s.p.mu.RUnlock()
	if s.turns++; more && err == nil && s.turns < answerTurns {
		return false
	}
	chunk := chunkFrame{ID: s.p.id, Xfer: s.id.id, Step: s.step, Gone: err != nil} // who is told Gone asks again, and goes on from what it has by now
	if err == nil {
		chunk.Answer = s.answer.AppendBinary(nil)
	}
	if err != nil || s.answer.Stage == replica.StageDone {
		delete(c.repair.serving, s.id)
	}
	s.answer, s.deadline = nil, c.now.Add(transferPatience)
	c.sendChunk(s.id.to, chunk)
	return true
}

func (c *Core) sendChunk(to clock.Actor, f chunkFrame) {
	f.Seals = c.closing.digest
	c.send(to, LaneBulk, c.codec.frame(frameChunk, f))
}

// onChunk keeps a chunk until its turn. With the last one of a full transfer this node's clock grows, never before.
func (c *Core) onChunk(from clock.Actor, f chunkFrame) error {
	c.extendTransfers(from)
	t, ok := c.repair.taking[f.ID]
	if !ok || t.peer != from || t.id != f.Xfer || t.step != f.Step || t.chunk != nil {
		return nil
	}
	t.chunk = &f
	c.repair.arrived = append(c.repair.arrived, t)
	return nil
}

// takeArrived takes the chunk that has waited longest, and reports whether there was one.
func (c *Core) takeArrived() bool {
	if len(c.repair.arrived) == 0 || c.stopped {
		return false
	}
	t := c.repair.arrived[0]
	c.repair.arrived = c.repair.arrived[1:]
	if c.repair.taking[t.p.id] != t {
		return true
	}
	f := *t.chunk
	t.chunk = nil
	if err := c.takeStep(t, f); err != nil {
		c.report(Event{Kind: EventError, Table: t.p.id.Table, Peer: t.peer.Short(), Err: err})
	}
	return true
}

// takeStep takes a chunk and asks for the next, or ends the transfer.
func (c *Core) takeStep(t *transfer, f chunkFrame) error {
	if f.Gone || f.Same || c.space.find(f.ID) != t.p || c.isFrozen(t.p) || !c.knowsSeals(t.peer, f.Seals) {
		c.endTransfer(t, f.Same)
		return nil
	}
	done, err := c.takeChunk(t, f)
	switch {
	case errors.Is(err, replica.ErrStale): // an incarnation was closed meanwhile; the next round goes on from what is here by now
		c.endTransfer(t, false)
	case err != nil:
		c.endTransfer(t, false)
		return c.ownActor(err)
	case done:
		c.finishTransfer(t)
	default:
		c.ask(t, pullFrame{})
	}
	return nil
}

// extendTransfers gives the transfers from a peer more time: it is alive, and the link may be slow. What was asked too long ago is lost all the same.
func (c *Core) extendTransfers(from clock.Actor) {
	for _, t := range c.repair.taking {
		if t.peer == from && c.now.Sub(t.asked) < lossPatience {
			t.deadline = c.now.Add(transferPatience)
		}
	}
}

func (c *Core) takeChunk(t *transfer, f chunkFrame) (done bool, err error) {
	answer, err := replica.ParseAnswer(f.Answer)
	if err != nil {
		return false, err
	}
	t.keys += len(answer.Delta.Objects)
	answer.Delta = answer.Delta.Without(c.space.isRetired)
	if answer.Clock != nil {
		c.dropRetired(answer.Clock)
	}
	c.space.tallies.repaired.Add(uint64(len(f.Answer)))
	t.p.mu.Lock()
	changed, done, err := t.p.rep.Take(t.intake, answer)
	t.p.mu.Unlock()
	c.changed(t.p, changed)
	c.madeAgain(t.p, t.intake.MadeAgain())
	return done, err
}

// finishTransfer notes that the partition has what the peer had.
func (c *Core) finishTransfer(t *transfer) {
	t.p.mu.Lock()
	t.p.rep.Witness(t.peer, t.intake.Clock())
	t.p.mu.Unlock()
	t.p.tidy()
	c.countRepair(t.intake.IsFull())
	c.report(Event{
		Kind: EventRepaired, Table: t.p.id.Table, Peer: t.peer.Short(),
		Attrs: []slog.Attr{slog.Int("partition", t.p.id.Index), slog.Int("keys", t.keys), slog.Bool("full", t.intake.IsFull())},
	})
	c.endTransfer(t, true)
}

// tidy gives room back that the keys of a transfer took while its clock was not known. Others get the lock in between.
func (p *partition) tidy() {
	for more := true; more; {
		p.mu.Lock()
		more = p.rep.Tidy()
		p.mu.Unlock()
	}
}

// endTransfer closes a transfer; when it is complete the boot goes on, and a new catalogue makes the tables comparable.
func (c *Core) endTransfer(t *transfer, complete bool) {
	c.forgetTransfer(t)
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

func (c *Core) forgetTransfer(t *transfer) {
	delete(c.repair.taking, t.p.id)
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.p.rep.Abandon(t.intake)
}

// dropTransfers forgets the transfers with a member that is gone.
func (c *Core) dropTransfers(member clock.Actor) {
	c.forgetTransfers(func(t *transfer) bool { return t.peer == member })
	maps.DeleteFunc(c.repair.serving, func(id servedID, _ *served) bool { return id.to == member })
}

// expireTransfers gives up transfers whose peer does not answer; the next round tries again.
func (c *Core) expireTransfers() {
	c.forgetTransfers(func(t *transfer) bool { return t.chunk == nil && c.now.After(t.deadline) })
	maps.DeleteFunc(c.repair.serving, func(_ servedID, s *served) bool { return s.answer == nil && c.now.After(s.deadline) })
}

func (c *Core) forgetTransfers(which func(*transfer) bool) {
	for _, t := range c.repair.taking {
		if which(t) {
			c.forgetTransfer(t)
		}
	}
}
