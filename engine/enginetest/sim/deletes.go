package sim

import (
	"slices"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
)

// isVisible reports whether the deletes of a table stand beside what they have not seen.
func (n *node) isVisible(table string) bool {
	return n.table(table).Options.Deletes == engine.VisibleDeletes
}

// reaped tells the oracle of deletes that the node has ended, and checks that they were alone, and that nobody can see a value without the delete
// which its writer did not have.
func (n *node) reaped(made []engine.Reaped) {
	for _, m := range made {
		n.w.counts[CountReaped]++
		n.w.note("%s reaps %s/%s by %v", n.name, m.Table, m.Key, m.Dot)
		s := n.story(m.Table, m.Epoch, m.Key)
		past := n.known[s.ID]
		for i, e := range s.Events {
			if m.Context.Covers(e.Dot) {
				past = past.With(i)
			}
		}
		if ended := s.Shown(past); !n.mayLag() {
			if !ghost.IsAbsent(ended) {
				n.w.fail("%s reaps %v, where versions are %s", n.name, s.ID, ghost.Dots(ended))
			}
			n.checkNothingUnseen(s, past, ended)
		}
		s.Add(ghost.Event{Dot: m.Dot, Past: past, Had: past, Deleted: true})
	}
}

// checkNothingUnseen checks that a node which ends deletes has all that members wrote before these had reached them. What dead incarnations wrote may
// still be under way.
func (n *node) checkNothingUnseen(s *story, past ghost.Set, ended []*ghost.Event) {
	var members []clock.Actor
	for _, m := range n.members() {
		if peer := n.w.node(m.Name); peer.isUp() && peer.actor == m.Incarnation {
			members = append(members, m.Incarnation)
		}
	}
	for i, e := range s.Events {
		if e.Deleted || past.Has(i) || !slices.Contains(members, e.Dot.Actor) {
			continue
		}
		for _, d := range ended {
			if !e.Had.Has(d.Index) {
				n.w.fail("%s ends delete %v of %v, and lacks %v, whose writer did not have it", n.name, d.Dot, s.ID, e.Dot)
			}
		}
	}
}
