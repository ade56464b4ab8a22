package model_test

import (
	"errors"
	"slices"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
	"github.com/kvnode/kvnode/engine/replica"
)

// drain broadcasts what a node has to say, or a part of it.
func (s *sim) drain() {
	s.drainNode(pick(s, s.nodes), s.weather.loss)
}

// drainNode broadcasts one frame; loss is the chance that a peer does not get it.
func (s *sim) drainNode(n *node, loss float64) {
	if n.rep.Pending() == 0 {
		return
	}
	d, own := n.rep.Drain(1 + s.rand.IntN(600))
	for _, dot := range own {
		if !n.rep.Knows(n.id, dot) {
			s.fail("drain at %s: own mutation %v is not in the clock", n.name, dot)
		}
	}
	frame := d.AppendBinary(nil)
	for _, m := range s.nodes {
		if m == n || s.split[m.name] != s.split[n.name] || s.chance(loss) {
			continue
		}
		msg := message{from: n.id, to: m.id, bytes: frame, known: n.snapshot(d)}
		s.net = append(s.net, msg)
		if s.chance(0.05) {
			s.net = append(s.net, msg)
		}
	}
}

// deliver takes any frame off the network and gives it to its receiver, unless that is gone or takes the sender for replaced.
func (s *sim) deliver() {
	if len(s.net) == 0 {
		return
	}
	s.deliverAt(s.rand.IntN(len(s.net)))
}

// deliverTo gives a node all frames that are on their way to it, in any order.
func (s *sim) deliverTo(n *node) {
	for {
		i := slices.IndexFunc(s.net, func(m message) bool { return m.to == n.id })
		if i < 0 {
			return
		}
		s.deliverAt(i)
	}
}

func (s *sim) deliverAt(i int) {
	msg := s.net[i]
	s.net[i] = s.net[len(s.net)-1]
	s.net = s.net[:len(s.net)-1]
	n := s.byID(msg.to)
	if n == nil || n.gone[msg.from] {
		return
	}
	s.receive(n, msg)
}

func (s *sim) receive(n *node, msg message) {
	d := s.parse(msg.bytes)
	if s.wrong.sent != nil {
		d = s.wrong.sent(n, d)
	}
	_, err := n.rep.Receive(d)
	if err != nil {
		s.fail("receive at %s: %w", n.name, err)
		return
	}
	n.learn(msg.known)
	for key := range msg.known {
		s.check(n, key, "receive")
	}
	dots := dotsOf(d)
	n.rep.WitnessDots(msg.from, dots)
	if from := s.byID(msg.from); from != nil && s.connected(from, n) && s.chance(0.5) {
		from.rep.WitnessDots(n.id, dots)
	}
}

func (s *sim) parse(frame []byte) replica.Delta {
	d, err := replica.ParseDelta(frame)
	if err != nil {
		s.fail("parse: %w", err)
	}
	return d
}

// dotsOf returns all mutations that a receiver has once it has taken d.
func dotsOf(d replica.Delta) []clock.Dot {
	var dots []clock.Dot
	for _, p := range d.Objects {
		for _, v := range p.Object.Versions {
			dots = append(dots, v.Dot)
		}
		dots = append(dots, p.Dots...)
	}
	return dots
}

// ask lets a node ask another one for what it lacks.
func (s *sim) ask() {
	n, peer := pick(s, s.nodes), pick(s, s.nodes)
	s.askPeer(n, peer, !n.ready || s.chance(0.03))
}

func (s *sim) askPeer(n, peer *node, full bool) {
	if n == peer || n.pull != nil || !peer.ready || !s.connected(n, peer) {
		return
	}
	n.pull = &pull{peer: peer.id, theirs: n.rep.Clock(), full: full}
}

// askFull makes n ask for everything at once, instead of what it asked for before.
func (n *node) askFull(peer *node) {
	n.pull = &pull{peer: peer.id, theirs: n.rep.Clock(), full: true}
}

// transfer takes one transfer a step further, or breaks it off.
func (s *sim) transfer() {
	var busy []*node
	for _, n := range s.nodes {
		if n.pull != nil {
			busy = append(busy, n)
		}
	}
	if len(busy) == 0 {
		return
	}
	n := pick(s, busy)
	if s.chance(s.weather.abort) {
		s.stats["aborted"]++
		n.pull = nil
		return
	}
	s.pullStep(n)
}

func (s *sim) pullStep(n *node) {
	peer := s.byID(n.pull.peer)
	switch p := n.pull; {
	case peer == nil || !s.connected(n, peer):
		s.stats["aborted"]++
		n.pull = nil
	case p.plan == nil:
		s.plan(n, peer)
	case p.asked == nil:
		s.question(n)
	case p.answer == nil || p.more && s.chance(0.8):
		s.addToAnswer(n, peer)
	default:
		s.take(n, peer)
	}
}

func (s *sim) plan(n, peer *node) {
	p := n.pull
	p.plan = peer.rep.Plan(n.id, p.theirs, p.full)
	if p.plan == nil {
		n.pull = nil
		return
	}
	if p.plan.Full && !p.full {
		s.stats["fell back to full"]++
	}
	p.intake = n.rep.Begin()
	p.known = map[string]ghost.Set{}
	for _, key := range s.keys {
		p.known[key] = peer.known[key]
	}
	if s.wrong.planned != nil {
		s.wrong.planned(s, peer, n)
	}
}

// question brings the receiver's next question to the sender.
func (s *sim) question(n *node) {
	p := n.pull
	q, err := replica.ParseQuestion(n.rep.Ask(p.intake, 1+s.rand.IntN(60)).AppendBinary(nil))
	if err != nil {
		s.fail("parse question: %w", err)
	}
	p.asked, p.answer, p.packed = &q, nil, map[string]ghost.Set{}
}

// addToAnswer lets the sender work on its answer once.
func (s *sim) addToAnswer(n, peer *node) {
	p := n.pull
	if p.answer == nil {
		p.answer = replica.NewAnswer(*p.asked)
	}
	before := len(p.answer.Delta.Objects)
	var err error
	p.more, err = peer.rep.Answer(p.plan, *p.asked, p.answer, 1+s.rand.IntN(400))
	switch {
	case errors.Is(err, replica.ErrStale):
		s.stats["stale"]++
		n.pull = nil
		return
	case err != nil:
		s.fail("answer at %s: %w", peer.name, err)
	}
	if len(p.answer.Delta.Objects) < before {
		s.fail("answer at %s lost objects", peer.name)
	}
	for _, o := range p.answer.Delta.Objects[before:] {
		p.packed[o.Key] = peer.known[o.Key]
	}
}

// take brings the answer to the receiver.
func (s *sim) take(n, peer *node) {
	if p := n.pull; p.asked.Stage == replica.StageCompare {
		for s.chance(0.6) && s.err == nil { // comparisons are short: make sure that something happens meanwhile
			pick(s, []func(){s.write, s.deliver, s.deliver, s.drain})()
		}
	}
	p := n.pull
	a, err := replica.ParseAnswer(p.answer.AppendBinary(nil))
	if err != nil {
		s.fail("parse answer: %w", err)
		return
	}
	if s.wrong.chunk != nil {
		a.Delta = s.wrong.chunk(n, a.Delta)
	}
	if s.wrong.answer != nil {
		s.wrong.answer(peer, p.plan, *p.asked, a)
	}
	p.asked = nil
	if s.chance(0.05) {
		if _, err := n.rep.Receive(a.Delta); err != nil {
			s.fail("repeated chunk at %s: %w", n.name, err)
		}
	}
	s.countStage(a)
	_, done, err := n.rep.Take(p.intake, a)
	switch {
	case errors.Is(err, replica.ErrStale) && n.rep.IsVague():
		s.stats["stale"]++
		n.pull = nil // it began before the replica found out that it knows of lost mutations
		return
	case err != nil:
		s.fail("take at %s: %w", n.name, err)
	}
	n.learn(p.packed)
	for key := range p.packed {
		delete(p.known, key)
	}
	if done {
		n.rep.Tidy()
		s.finish(n, peer)
		return
	}
	for key := range p.packed {
		s.check(n, key, "chunk")
	}
}

func (s *sim) countStage(a *replica.Answer) {
	if a.Stage != replica.StageCompare || a.Clock != nil {
		return
	}
	s.stats["compared"]++
	if a.Owes {
		s.stats["owed"]++
	}
	if slices.Contains(a.Gone, true) {
		s.stats["gone"]++
	}
}

func (s *sim) finish(n, peer *node) {
	p := n.pull
	n.pull = nil
	if p.intake.IsFull() {
		s.stats["full"]++
		n.learn(p.known)
		n.ready = true
	}
	s.stats["transfer"]++
	witness(n, peer)
	s.checkAll(n, "finish")
}
