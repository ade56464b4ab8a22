package model_test

// calm lets the nodes talk until most of what happened is known to all, if they are not split.
func (s *sim) calm() {
	if len(s.split) == 0 {
		s.stats["calm"]++
		s.round()
	}
}

func (s *sim) collect() {
	n := pick(s, s.nodes)
	s.stats["collected"] += n.rep.Collect(n.knownMembers())
	s.stats["pasts"] += n.rep.CollectPasts(n.knownMembers())
}

func (s *sim) gossip() {
	a, b := pick(s, s.nodes), pick(s, s.nodes)
	if a != b && s.connected(a, b) {
		s.audit(a, b)
		witness(a, b)
	}
}

// audit compares the sums of two nodes with equal clocks. They are the same, unless a log is so short that it has dropped mutations which peers
// still lacked: then a full transfer each way must make them so.
func (s *sim) audit(a, b *node) {
	if a.rep.Sum() == b.rep.Sum() || !a.rep.Clock().Equal(b.rep.Clock()) {
		return
	}
	if s.options.MaxDotKeys == 0 {
		s.fail("%s and %s have equal clocks and different sums", a.name, b.name)
	}
	if !a.ready || !b.ready {
		return
	}
	s.stats["audit"]++
	for range 2 {
		a.askFull(b)
		for a.pull != nil && s.err == nil {
			s.pullStep(a)
		}
		a, b = b, a
	}
}

// witness tells both nodes what the other has.
func witness(a, b *node) {
	a.rep.Witness(b.id, b.rep.Clock())
	b.rep.Witness(a.id, a.rep.Clock())
}
