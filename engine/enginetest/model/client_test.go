package model_test

import (
	"errors"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
	"github.com/kvnode/kvnode/engine/replica"
)

// write is one write of a client at a ready node.
func (s *sim) write() {
	n := pick(s, s.nodes)
	if !n.ready {
		return
	}
	s.writeAt(n, s.context(n, pick(s, s.keys)))
}

// writeAt is one write of a client that has read the token.
func (s *sim) writeAt(n *node, t token) {
	isDelete := s.chance(s.weather.deletes)
	if isDelete && s.wrong.deleting != nil {
		s.wrong.deleting(s, n, t)
		return
	}
	s.apply(n, t, replica.Write{
		Key: t.key, Value: []byte(pick(s, []string{"a", "b", "c", ""})), Delete: isDelete, Visible: s.chance(s.visible), Context: t.ctx,
		IfCovered: s.chance(0.15), Now: s.now(),
	})
}

// now is the time at some node: clocks differ.
func (s *sim) now() clock.Timestamp { return clock.Timestamp(s.steps + s.rand.IntN(100)) }

// context returns what the client knows of the key: everything, nothing, what it just read here or at another node, or what it read some time.
func (s *sim) context(n *node, key string) token {
	var t token
	switch x := s.rand.Float64(); {
	case x < 0.25:
		return token{key: key, known: n.known[key]}
	case x < 0.35:
		return token{key: key, ctx: clock.Context{}}
	case x < 0.6:
		t = n.read(key)
	case x < 0.85 || len(s.tokens) == 0:
		t = pick(s, s.nodes).read(key)
	default:
		t = pick(s, s.tokens)
	}
	if s.chance(0.3) {
		s.tokens = append(s.tokens, t)
	}
	return t
}

// apply does the write and holds its outcome against the oracle.
func (s *sim) apply(n *node, t token, w replica.Write) {
	before := n.rep.Get(w.Key)
	refusal := n.rep.Check(w)
	done, err := n.rep.Write(w)
	switch {
	case !errors.Is(err, refusal):
		s.fail("Check says %v, Write says %v", refusal, err)
	case errors.Is(err, replica.ErrConflict) != (w.IfCovered && s.showsUnseen(n, t)):
		s.fail("conditional write of %s at %s with unseen versions %v: %v", w.Key, n.name, s.showsUnseen(n, t), err)
	case errors.Is(err, replica.ErrConflict):
		return
	case err != nil:
		s.fail("write %s at %s: %w", w.Key, n.name, err)
	case done.New:
		s.wrote(n, t, w, done.Dot)
		s.checkStamp(n, w, done, before)
	default:
		s.checkNothingWritten(n, t, w)
	}
	s.check(n, w.Key, "write")
	if s.err == nil && !done.Context.Equal(n.rep.Context(w.Key)) {
		s.fail("write %s at %s returns context %v, a read %v", w.Key, n.name, done.Context, n.rep.Context(w.Key))
	}
}

// wrote tells the oracle of a mutation.
func (s *sim) wrote(n *node, t token, w replica.Write, d clock.Dot) {
	s.stats["write"]++
	e := ghost.Event{Dot: d, Past: t.known, Had: n.known[w.Key], Deleted: w.Delete, Visible: w.Visible, Value: string(w.Value)}
	if w.Delete {
		e.Value = ""
	}
	n.known[w.Key] = n.known[w.Key].And(t.known).With(s.stories.Story(w.Key).Add(e).Index)
}

// reap lets a node end deletes; of the members it takes some for connected.
func (s *sim) reap() {
	n := pick(s, s.nodes)
	var connected []clock.Actor
	for _, m := range n.knownMembers() {
		if s.chance(0.8) {
			connected = append(connected, m)
		}
	}
	s.reapAt(n, connected)
}

func (s *sim) reapAt(n *node, connected []clock.Actor) {
	known := n.knownMembers()
	if s.wrong.hasty {
		known = nil
	}
	for _, m := range n.rep.Reap(known, connected) {
		s.stats["reaped"]++
		story, had := s.stories.Story(m.Key), n.known[m.Key]
		ended := story.Shown(had)
		if !ghost.IsAbsent(ended) || len(ended) == 0 {
			s.fail("%s reaps %s, where versions are %s", n.name, m.Key, ghost.Dots(ended))
		}
		s.checkNothingUnseen(n, story, ended)
		for _, e := range had.Events() {
			if d := story.Events[e].Dot; !m.Context.Covers(d) && !s.lost[d] {
				s.fail("%s reaps %s with context %v, and knows of %v", n.name, m.Key, m.Context, d)
			}
		}
		e := story.Add(ghost.Event{Dot: m.Dot, Past: had, Had: had, Deleted: true})
		n.known[m.Key] = had.With(e.Index)
		s.check(n, m.Key, "reap")
	}
}

// checkNothingUnseen checks that a node which ends deletes has all that its members wrote before these had reached them: nobody will see such a value
// without the delete beside it.
func (s *sim) checkNothingUnseen(n *node, story *ghost.Story[string], ended []*ghost.Event) {
	for _, m := range s.nodes {
		for _, i := range m.known[story.ID].Events() {
			e := story.Events[i]
			isOfMember := n.members[e.Dot.Actor] && s.byID(e.Dot.Actor) != nil
			if e.Deleted || n.known[story.ID].Has(i) || !isOfMember {
				continue
			}
			for _, d := range ended {
				if !e.Had.Has(d.Index) {
					s.fail("%s ends delete %v of %s, and lacks %v, whose writer did not have it", n.name, d.Dot, story.ID, e.Dot)
				}
			}
		}
	}
}

// showsUnseen reports whether the node shows a version that the token has not seen.
func (s *sim) showsUnseen(n *node, t token) bool {
	return s.stories.Story(t.key).ShowsUnseen(n.known[t.key], t.known)
}

// checkStamp checks that the stamp of a version exceeds those of all versions that were there.
func (s *sim) checkStamp(n *node, w replica.Write, done replica.Written, before []replica.Version) {
	if w.Delete && !w.Visible {
		return
	}
	var stamp clock.Timestamp
	for _, v := range n.rep.Get(w.Key) {
		if v.Dot == done.Dot {
			stamp = v.Stamp
		}
	}
	for _, v := range before {
		if v.Stamp >= stamp {
			s.fail("stamp %v of %v does not exceed %v of %v", stamp, done.Dot, v.Stamp, v.Dot)
		}
	}
}

// checkNothingWritten checks that a write which made no mutation had no effect to spread: its author knew nothing that the node did not know
// (mutations that are lost for ever aside), and the state was what the write asked for.
func (s *sim) checkNothingWritten(n *node, t token, w replica.Write) {
	s.stats["write without effect"]++
	story := s.stories.Story(w.Key)
	shown := story.Shown(n.known[w.Key])
	for _, e := range t.known.Events() {
		if !n.known[w.Key].Has(e) && !s.lost[story.Events[e].Dot] {
			s.fail("write of %s at %s made no mutation, though its context has event %d, which is news", w.Key, n.name, e)
		}
	}
	for _, e := range shown {
		switch {
		case w.Delete && !e.Deleted && (w.Visible || t.known.Has(e.Index)):
			s.fail("delete of %s at %s made no mutation, though it has to tell of version %v", w.Key, n.name, e.Dot)
		case !w.Delete && (!t.known.Has(e.Index) || len(shown) != 1 || e.Deleted || e.Value != string(w.Value)):
			s.fail("put of %s at %s made no mutation, though versions are %s", w.Key, n.name, ghost.Dots(shown))
		}
	}
}
