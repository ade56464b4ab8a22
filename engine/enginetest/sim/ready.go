package sim

import (
	"maps"
	"strings"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
)

// presence is what the nodes know that run.
func (w *world) presence() map[holder]map[storyID]ghost.Set {
	out := map[holder]map[storyID]ghost.Set{}
	for _, n := range w.up() {
		out[holder{n.name, n.memory}] = maps.Clone(n.known)
	}
	return out
}

// becomesReady checks that a node which says that it is repaired from another has what that one had when it booted.
func (n *node) becomesReady(e engine.Event) {
	n.isRestarting, n.isReady = false, true
	n.returns()
	how := e.Attrs[0].Value.String()
	n.w.note("%s is ready: %s", n.name, how)
	name, isRepaired := strings.CutPrefix(how, "repaired from ")
	if n.isAlone = !isRepaired; n.isAlone {
		return
	}
	clear(n.marks)
	n.observe() // what is over now, is so for keys too that have not changed
	n.checkPurged()
	for id, known := range n.present[holder{name, n.w.node(name).memory}] {
		if epoch, _ := n.driver.TableEpoch(id.table); epoch > id.epoch || isLocal(id.table) {
			continue
		}
		if !n.knows(id, known) {
			n.w.fail("%s is ready, and lacks writes of %v that %s had when it booted", n.name, id, name)
		}
	}
}
