package model_test

import (
	"slices"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
	"github.com/kvnode/kvnode/engine/replica"
)

// quiesce heals the network, loses nothing any more and lets every node talk to every other until nothing is left to say. Then all nodes must be the
// same, and nothing but the versions may be left.
func (s *sim) quiesce() {
	clear(s.split)
	for range 40 {
		s.round()
		if s.err != nil {
			return
		}
		if s.isAtRest() {
			s.checkEnd()
			return
		}
	}
	s.fail("no rest after 40 rounds")
}

func (s *sim) round() {
	for _, n := range s.nodes {
		s.follow(n, len(s.log))
		for n.rep.Pending() > 0 {
			s.drainNode(n, 0)
		}
	}
	for len(s.net) > 0 {
		s.deliver()
	}
	for _, n := range s.nodes {
		for _, peer := range s.nodes {
			s.pullAll(n, peer)
		}
	}
	for range s.unsealed() {
		s.seal()
	}
	for _, n := range s.nodes {
		for _, peer := range s.nodes {
			if n != peer {
				s.audit(n, peer)
				witness(n, peer)
			}
		}
		n.rep.Collect(n.knownMembers())
		n.rep.CollectPasts(n.knownMembers())
	}
	for _, n := range s.nodes {
		s.reapAt(n, n.knownMembers())
	}
}

// pullAll does a whole transfer, after the one that is in progress.
func (s *sim) pullAll(n, peer *node) {
	for n.pull != nil && s.err == nil {
		s.pullStep(n)
	}
	s.askPeer(n, peer, !n.ready)
	for n.pull != nil && s.err == nil {
		s.pullStep(n)
	}
}

// isAtRest reports whether nothing waits to be sent, closed, applied or collected, and all clocks are equal.
func (s *sim) isAtRest() bool {
	if len(s.unsealed()) > 0 || len(s.net) > 0 {
		return false
	}
	c := s.nodes[0].rep.Clock()
	return !slices.ContainsFunc(s.nodes, func(n *node) bool {
		return hasStalePasts(n) || !n.ready || n.position < len(s.log) || n.rep.Pending() > 0 || n.rep.NumUnstable() > 0 || n.rep.NumLone() > 0 || !n.rep.Clock().Equal(c)
	})
}

func (s *sim) checkEnd() {
	all := map[string]ghost.Set{}
	for _, n := range s.nodes {
		for key, h := range n.known {
			all[key] = all[key].And(h)
		}
	}
	first := s.nodes[0].rep
	for _, n := range s.nodes {
		n.known = all
		s.checkAll(n, "end")
		if n.rep.Sum() != first.Sum() || n.rep.ClockHash() != first.ClockHash() {
			s.fail("end: %s and %s have equal clocks and different sums", n.name, s.nodes[0].name)
		}
		s.checkClean(n)
		s.checkValues(n)
	}
}

// checkValues checks that the value of every base is somewhere, if no node has lost its memory: who lacks it can ask.
func (s *sim) checkValues(n *node) {
	for key := range n.rep.Conflicts() {
		hasValue := func(m *node) bool {
			base := replica.Base(m.rep.Get(key))
			return base != nil && !base.Lacks
		}
		base := replica.Base(n.rep.Get(key))
		if base != nil && !base.Dot.IsZero() && !s.forgetful && !slices.ContainsFunc(s.nodes, hasValue) {
			s.fail("end: nobody has the value of the base of %s, %v", key, base.Dot)
		}
	}
}

// checkClean checks that only versions are left: no context, no trace of deleted keys, counts that are right.
func (s *sim) checkClean(n *node) {
	plan := n.rep.Plan(clock.Actor{}, clock.Clock{}, true)
	all := replica.NewAnswer(replica.Question{})
	for all.Stage < replica.StageCompare {
		if _, err := n.rep.Answer(plan, replica.Question{}, all, 1<<20); err != nil {
			s.fail("end: everything of %s: %w", n.name, err)
		}
	}
	var keys []string
	var bytes, conflicts int
	for _, p := range all.Delta.Objects {
		keys = append(keys, p.Key)
		if len(p.Object.Context) > 0 || len(p.Object.Versions) == 0 || len(p.Dots) > 0 {
			s.fail("end: %s keeps of %s: %+v", n.name, p.Key, p)
		}
		conflicts += min(len(p.Object.Versions), 2) / 2
		if replica.IsAbsent(p.Object.Versions) {
			s.fail("end: %s keeps of %s nothing but deletes: %+v", n.name, p.Key, p)
		}
		bytes += len(p.Key)
		for _, v := range p.Object.Versions {
			bytes += len(v.Value)
		}
	}
	slices.Sort(keys)
	listed := slices.Collect(n.rep.Conflicts())
	if n.rep.Len() != len(keys) || n.rep.NumConflicts() != conflicts || len(listed) != conflicts || n.rep.Bytes() != int64(bytes) {
		s.fail("end: %s counts %d keys, %d conflicts, %d bytes; there are %d, %d, %d",
			n.name, n.rep.Len(), n.rep.NumConflicts(), n.rep.Bytes(), len(keys), conflicts, bytes)
	}
	if !slices.Equal(n.rep.Keys("", len(s.keys)), keys) {
		s.fail("end: %s lists keys %v, it has %v", n.name, n.rep.Keys("", len(s.keys)), keys)
	}
}

// hasStalePasts reports whether the node remembers what versions without siblings have overwritten.
func hasStalePasts(n *node) bool {
	return n.rep.NumPasts() > n.rep.NumConflicts()
}
