package sim

import (
	"strings"
	"time"
)

// mark of a twin in the names of the simulation; the node itself does not know that it is one.
const twinMark = "'"

// established is how long a node has to be up for it to be clear that it is the older one.
const established = 10 * time.Second

// twin starts a second node under a name that is taken. It must be refused soon. If the first one goes down, whoever started the second sees the
// mistake.
func (h *history) twin() {
	n := h.anyNode()
	if !n.isUp() || n.ending || n.paused || n.isTwinned() || !n.status().Ready || h.now.Sub(n.bootedAt) < established {
		return
	}
	h.counts[CountTwin]++
	n.twin = &node{w: h.world, name: n.name + twinMark, skew: h.anySkew()}
	n.twin.boot(nil)
}

// called is the name that the node is configured with.
func (n *node) called() string { return strings.TrimSuffix(n.name, twinMark) }

func (n *node) isTwin() bool { return strings.HasSuffix(n.name, twinMark) }

// isTwinned reports whether a second node of this name runs.
func (n *node) isTwinned() bool { return n.twin != nil && n.twin.isUp() }

// stops takes the end of a node that was refused: only a second node of a name may be.
func (n *node) stops(why error) {
	if !n.isTwin() {
		n.w.fail("%s stops: %w", n.name, why)
		return
	}
	n.w.counts[CountTwinRefused]++
	n.takeDown()
}

// running returns the nodes that run, second ones of a name included.
func (w *world) running() []*node {
	var out []*node
	for _, n := range w.up() {
		out = append(out, n)
		if n.isTwinned() {
			out = append(out, n.twin)
		}
	}
	return out
}
