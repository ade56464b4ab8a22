package sim

import (
	"context"
	"slices"
	"time"

	"github.com/kvnode/kvnode/engine"
)

// unheard is the silence after which others take a node for gone.
const unheard = 1500 * time.Millisecond

// absence takes a node away for longer than the others may wait: it is down without memory, down with its memory, or cut off. Some of the others
// forget it meanwhile; some nodes never come back.
func (h *history) absence() {
	n := h.anyNode()
	if !n.isUp() || n.ending || n.paused {
		return
	}
	h.counts[CountAbsence]++
	back := 3*time.Second + h.about(6*time.Second)
	switch {
	case h.chance(0.2) && len(h.staying()) > 2:
		h.note("%s is gone for good", n.name)
		h.counts[CountRetire]++
		n.isRetired = true
		n.memory++ // nobody will have this one again
		n.crash()
	case h.chance(0.3):
		h.note("%s is gone for %v, without memory", n.name, back)
		n.crash()
		n.comeBack(back, nil)
	case h.chance(0.5):
		h.note("%s is gone for %v", n.name, back)
		legacy := n.sayGoodbye()
		n.takeDown()
		n.comeBack(back, legacy)
	default:
		h.note("%s is cut off for %v", n.name, back)
		h.net.split(map[string]int{n.name: 1})
		h.after(back, func() {
			if n.isForgotten && n.isUp() {
				n.countCollected()
			}
			h.heal()
		})
	}
	for range 2 {
		h.after(unheard+h.upTo(back-unheard), func() { h.forget(n) })
	}
}

// forget makes somebody forget a node.
func (h *history) forget(n *node) {
	if others := slices.DeleteFunc(h.up(), func(m *node) bool { return m == n }); len(others) > 0 && !h.calmed {
		pick(h.world, others).forget(n)
	}
}

// forget makes the node forget another one, if it is not connected with it.
func (n *node) forget(other *node) {
	err := n.alter("forget "+other.name, func(ctx context.Context, e *engine.Engine) error {
		return e.Forget(ctx, other.name)
	}, engine.ErrMemberConnected, engine.ErrNoMember)
	if err == nil {
		n.w.counts[CountForget]++
		other.isForgotten = true
	}
}

// forgetRetired forgets those who are gone for good, wherever they are still listed.
func (w *world) forgetRetired() {
	for _, n := range w.nodes {
		if !n.isRetired {
			continue
		}
		for _, m := range w.up() {
			if m.status().Ready && slices.ContainsFunc(m.members(), func(l engine.Member) bool { return l.Name == n.name && !l.Connected }) {
				m.forget(n)
				break
			}
		}
	}
}

// returns notes that a node is a member again.
func (n *node) returns() {
	if n.isForgotten {
		n.isForgotten = false
		n.w.counts[CountReturn]++
	}
}
