package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/handlers"
)

// maxRecent bounds the real frames that are kept to be spoiled.
const maxRecent = 8

// garbage sends a node what is no frame, or none of this cluster. Nothing must come of it.
func (h *history) garbage(n *node) {
	if !n.isUp() || n.ending || n.paused {
		return
	}
	n.step(engine.Flush{}) // what clients have left is not the garbage's doing
	if h.chance(0.2) {
		h.stranger(n)
		return
	}
	n.takeGarbage(h.liar(n), h.rubbish())
}

// liar is who the garbage claims to come from.
func (h *history) liar(n *node) string {
	switch h.rand.IntN(4) {
	case 0:
		return h.actor().String()
	case 1:
		return n.actor.String()
	case 2:
		return "nobody"
	}
	return pick(h.world, h.up()).actor.String()
}

// rubbish is random bytes, random bytes after the beginning of a frame, or a frame that is cut short.
func (h *history) rubbish() []byte {
	b := make([]byte, h.rand.IntN(200))
	for i := range b {
		b[i] = byte(h.rand.Uint32())
	}
	recent := h.net.recent
	switch {
	case len(recent) == 0 || h.chance(0.3):
		return b
	case h.chance(0.5):
		return append(slices.Clone(pick(h.world, recent)[:2]), b...)
	}
	whole := pick(h.world, recent)
	return whole[:h.rand.IntN(len(whole))]
}

// takeGarbage gives the node something that must change nothing but its reports.
func (n *node) takeGarbage(from string, payload []byte) {
	n.w.counts[CountGarbage]++
	before, members := n.driver.Digests(), n.connected()
	n.isGarbled = true
	n.step(engine.Arrived{From: from, Payload: payload})
	n.isGarbled = false
	switch {
	case !n.isUp() || n.ending:
		n.w.fail("%s goes down because of garbage %x from %s", n.name, payload, from)
	case !slices.Equal(before, n.driver.Digests()) || !slices.Equal(members, n.connected()):
		n.w.fail("%s has changed because of garbage %x from %s", n.name, payload, from)
	}
}

// stranger lets a node of another cluster, which has this node's name, say what nodes say when they start.
func (h *history) stranger(n *node) {
	cfg := engine.DefaultConfig()
	cfg.Name, cfg.Cluster, cfg.Actor = n.name, "another", h.actor()
	cfg.Now, cfg.Random = n.clock, rand.New(rand.NewPCG(h.rand.Uint64(), 2))
	d, err := engine.NewDriver(cfg, handlers.Resolver{})
	if err != nil {
		h.fail("start a stranger: %w", err)
		return
	}
	for range 3 {
		for _, e := range d.Step(h.now, engine.Tick{}) {
			if f, ok := e.(engine.Transmit); ok && n.isUp() {
				n.takeGarbage(cfg.Actor.String(), f.Payload)
			}
		}
	}
}
