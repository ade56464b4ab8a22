package model_test

import (
	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// boot starts a node without memory, in place of old if that is not nil.
func (s *sim) boot(name string, old *node) {
	id := s.actor()
	if old != nil && s.wrong.reuseActor {
		id = old.id
	}
	n := newNode(name, id, s.options)
	if old == nil || id != old.id {
		s.replace(old, n)
	}
	if old == nil {
		s.nodes = append(s.nodes, n)
	} else {
		s.nodes[indexOf(s.nodes, old)] = n
		s.forgetful = true
	}
	if s.wrong.sealBeforeFull {
		s.closeEarly(n)
	}
	s.follow(n, len(s.log))
	n.ready = len(s.others(n)) == 0
}

// closeEarly makes the node adopt the closed entries of dead actors before it has their values.
func (s *sim) closeEarly(n *node) {
	early := replica.Packed{Key: "closed"}
	for _, rec := range s.log {
		for i := range rec.entry.Max() {
			early.Dots = append(early.Dots, clock.Dot{Actor: rec.actor, Counter: i + 1})
		}
	}
	if _, err := n.rep.Receive(replica.Delta{Objects: []replica.Packed{early}}); err != nil {
		s.fail("close early: %w", err)
	}
}

func indexOf(nodes []*node, n *node) int {
	for i := range nodes {
		if nodes[i] == n {
			return i
		}
	}
	panic("model: node is not in the cluster")
}

// replace writes into the log that n stands for a new incarnation; old, if any, is dead.
func (s *sim) replace(old, n *node) {
	if old != nil {
		s.log = append(s.log, record{kind: "evict", actor: old.id})
	}
	s.log = append(s.log, record{kind: "join", actor: n.id})
}

// crash ends a node and its memory; it comes back empty.
func (s *sim) crash() {
	n := pick(s, s.nodes)
	if len(s.others(n)) == 0 {
		return
	}
	s.stats["crash"]++
	s.boot(n.name, n)
}

// restart ends a node but hands its replica to the next incarnation.
func (s *sim) restart() {
	n := pick(s, s.nodes)
	if !n.ready {
		return
	}
	s.stats["restart"]++
	old := *n
	n.id = s.actor()
	n.pull = nil
	s.replace(&old, n)
	n.rep.Adopt(n.id)
	s.follow(n, len(s.log))
	n.ready = len(s.others(n)) == 0 || s.chance(0.5)
	s.checkAll(n, "restart")
}

func (s *sim) partition() {
	if len(s.split) > 0 {
		clear(s.split)
		return
	}
	for _, n := range s.nodes {
		if s.chance(0.4) {
			s.split[n.name] = true
		}
	}
}

// follow makes a node apply the log up to the given position.
func (s *sim) follow(n *node, upto int) {
	if err := n.apply(s.log, upto); err != nil {
		s.fail("%w", err)
	}
}

func (s *sim) applyLog() {
	n := pick(s, s.nodes)
	s.follow(n, min(len(s.log), n.position+1+s.rand.IntN(4)))
	s.checkAll(n, "log")
}

// lastChange returns the position in the log after the last change of the membership.
func (s *sim) lastChange() int {
	last := 0
	for i, rec := range s.log {
		if rec.kind != "seal" {
			last = i + 1
		}
	}
	return last
}

// seal closes the entry of a dead actor if every member, reachable or not, has applied all changes of the membership, takes no transfer and reports
// the same entry.
func (s *sim) seal() {
	dead := s.unsealed()
	if len(dead) == 0 {
		return
	}
	a := pick(s, dead)
	for _, n := range s.nodes {
		if !n.ready || n.pull != nil || n.position < s.lastChange() || !n.rep.Clock().Entry(a).Equal(s.nodes[0].rep.Clock().Entry(a)) {
			return
		}
	}
	e := s.nodes[0].rep.Clock().Entry(a).Clone()
	s.log = append(s.log, record{kind: "seal", actor: a, entry: e})
	s.stats["seal"]++
	if s.steps < stepsPerHistory {
		s.stats["seal in history"]++
	}
	if len(e.Ext) > 0 {
		s.stats["seal with gap"]++
	}
	s.noteLost(a, e)
}

// noteLost remembers the mutations of a dead actor that its closed entry leaves out.
func (s *sim) noteLost(a clock.Actor, closed clock.Entry) {
	for _, story := range s.stories {
		for _, e := range story.Events {
			if e.Dot.Actor == a && !closed.Has(e.Dot.Counter) {
				s.lost[e.Dot] = true
			}
		}
	}
}

// unsealed returns the dead actors whose entries are not closed.
func (s *sim) unsealed() []clock.Actor {
	sealed := map[clock.Actor]bool{}
	for _, rec := range s.log {
		if rec.kind == "seal" {
			sealed[rec.actor] = true
		}
	}
	var out []clock.Actor
	for _, rec := range s.log {
		if rec.kind == "evict" && !sealed[rec.actor] {
			out = append(out, rec.actor)
		}
	}
	return out
}
