package model_test

import (
	"strconv"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// Errands are short plots within a history. Each leads the cluster, with random parts, to where a mistake would show that random steps alone reach once in
// thousands of histories. What holds of single steps has to hold of these too.

// trio returns up to three different ready nodes that talk to the first of them, in random order, or none when there are fewer than two.
func (s *sim) trio() []*node {
	var out []*node
	for _, i := range s.rand.Perm(len(s.nodes)) {
		n := s.nodes[i]
		if n.ready && len(out) < 3 && (len(out) == 0 || s.connected(out[0], n)) {
			out = append(out, n)
		}
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// courier lets a node do something of which only a part reaches one peer before the node is gone: that part must be enough for everybody.
func (s *sim) courier() {
	trio := s.trio()
	if trio == nil {
		return
	}
	s.stats["courier"]++
	gone, heir, other := trio[0], trio[1], trio[len(trio)-1]
	key := pick(s, s.keys)
	s.putHeard(pick(s, trio), key, trio)
	s.put(other, pick(s, s.keys))
	s.writeUnheard(gone, key, other)
	heir.pull = nil
	s.askPeer(heir, gone, s.chance(0.3))
	for range 4 + s.rand.IntN(12) {
		if heir.pull != nil {
			s.pullStep(heir)
		}
		if s.chance(0.3) {
			s.writeUnheard(gone, key, other)
		}
	}
	s.boot(gone.name, gone)
	for _, n := range trio[1:] {
		s.pullAll(n, heir)
		s.pullAll(heir, n)
		s.audit(n, heir)
	}
}

// writeUnheard writes a key some times, after reads here and at another node; no frame of it arrives anywhere.
func (s *sim) writeUnheard(n *node, key string, other *node) {
	for range 1 + s.rand.IntN(2) {
		if s.chance(0.5) {
			s.writeAt(n, other.read(key))
		} else {
			s.writeAt(n, s.context(n, key))
		}
	}
	s.drainAll(n, 1)
	n.rep.Collect(n.knownMembers())
}

// drainAll broadcasts all that a node has to say.
func (s *sim) drainAll(n *node, loss float64) {
	for n.rep.Pending() > 0 {
		s.drainNode(n, loss)
	}
}

// putHeard puts a key so that some nodes know of it.
func (s *sim) putHeard(n *node, key string, by []*node) {
	s.put(n, key)
	s.drainAll(n, 0)
	for _, m := range by {
		s.deliverTo(m)
	}
}

// straggler lets a version arrive late at a node that takes everything from a peer which has deleted that version, and may have forgotten how.
func (s *sim) straggler() {
	trio := s.trio()
	if trio == nil {
		return
	}
	s.stats["straggler"]++
	late, deleter := trio[0], trio[1]
	author, key := pick(s, trio[1:]), pick(s, s.keys)
	s.putHeard(author, key, []*node{deleter})
	s.apply(deleter, deleter.read(key), replica.Write{Key: key, Delete: true, Visible: s.chance(s.visible), Now: s.now()})
	s.forget(deleter, key)
	late.pull = nil
	s.askPeer(late, deleter, s.chance(0.3))
	for late.pull != nil && s.err == nil {
		s.pullStep(late)
		if late.pull != nil && late.pull.asked != nil && late.pull.asked.Stage == replica.StageCompare {
			s.deliverTo(late)
		}
	}
}

// put writes a value that no other write has over everything that the node knows of the key.
func (s *sim) put(n *node, key string) {
	s.stats["put"]++
	s.apply(n, n.read(key), replica.Write{Key: key, Value: []byte(strconv.Itoa(s.stats["put"])), Now: s.now()})
}

// forget fills the log of a node with mutations of other keys than the given one, so that a short log has no room for that any more.
func (s *sim) forget(n *node, key string) {
	for range 6 {
		if other := pick(s, s.keys); other != key {
			s.put(n, other)
		}
	}
	s.drainAll(n, 1)
	n.rep.Collect(n.knownMembers())
}

// burial lets a delete reach all members, while what one of them wrote before, and perhaps another delete, did not leave it. Who has deleted hears that
// they have it, in one way or another, and may end it.
func (s *sim) burial() {
	if len(s.split) > 0 || len(s.others(s.nodes[0])) < len(s.nodes)-1 {
		return
	}
	s.stats["burial"]++
	deleter, author, key := pick(s, s.nodes), pick(s, s.nodes), pick(s, s.keys)
	s.putHeard(deleter, key, s.nodes)
	isUnheard := s.chance(0.7) && author != deleter
	if isUnheard {
		s.writeUnheard(author, key, deleter)
	}
	s.apply(deleter, deleter.read(key), replica.Write{Key: key, Delete: true, Visible: s.chance(s.visible), Now: s.now()})
	dots := deleter.rep.Clock()
	s.drainAll(deleter, 0)
	for _, m := range s.nodes {
		s.deliverTo(m)
		if own := dots.Entry(deleter.id); m != deleter && own.Max() > 0 {
			deleter.rep.WitnessDots(m.id, []clock.Dot{{Actor: deleter.id, Counter: own.Max()}})
		}
		if s.chance(0.9) {
			deleter.rep.Witness(m.id, m.rep.Clock())
		}
	}
	if isUnheard && s.chance(0.5) {
		s.pullAll(deleter, author)
	}
	s.reapAt(deleter, deleter.knownMembers())
}

// funeral lets a node die, the others close its entry, and another one join after that.
func (s *sim) funeral() {
	if len(s.split) > 0 || len(s.others(s.nodes[0])) < 2 {
		return
	}
	s.stats["funeral"]++
	s.write()
	s.crash()
	for range 2 {
		s.round()
	}
	s.crash()
}
