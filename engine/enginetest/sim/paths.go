package sim

import (
	"log/slog"
	"slices"

	"github.com/kvnode/kvnode/engine"
)

// countRepairs counts how the repairs went that a step has ended: those that were under way before.
func (n *node) countRepairs(before []uint64, in []engine.Input) {
	done := 0
	for _, e := range n.raised {
		if e.Kind != engine.EventRepaired {
			continue
		}
		done++
		if isFull(e) {
			n.w.counts[CountFull]++
		} else {
			n.w.counts[CountDelta]++
		}
	}
	now := n.driver.Transfers()
	ended := len(slices.DeleteFunc(before, func(id uint64) bool { return slices.Contains(now, id) }))
	if ended > done && !slices.ContainsFunc(in, isChunk) { // a chunk may also say that there is nothing to take
		n.w.counts[CountAborted] += ended - done
	}
}

func isFull(e engine.Event) bool {
	return slices.ContainsFunc(e.Attrs, func(a slog.Attr) bool { return a.Equal(slog.Bool("full", true)) })
}

func isChunk(in engine.Input) bool {
	f, ok := in.(engine.Arrived)
	return ok && engine.FrameName(f.Payload) == "chunk"
}

// countRemoved counts a key that is gone with the end of a full repair.
func (n *node) countRemoved(at place, held engine.Held) {
	was := n.shown[at]
	n.shown[at] = len(held.Versions) > 0
	fully := func(e engine.Event) bool { return e.Kind == engine.EventRepaired && e.Table == at.table && isFull(e) }
	if was && !n.shown[at] && slices.ContainsFunc(n.raised, fully) {
		n.w.counts[CountFullRemoved]++
	}
}

// countDrop counts a drop of a table while somebody repairs.
func (w *world) countDrop() {
	if slices.ContainsFunc(w.up(), func(n *node) bool { return len(n.driver.Transfers()) > 0 }) {
		w.counts[CountDropInRepair]++
	}
}

// countCollected counts the return of a forgotten node to others that have collected all that there is to collect, and know what it does not.
func (n *node) countCollected() {
	for _, m := range n.w.up() {
		if m == n || m.driver.Unstable() > 0 {
			continue
		}
		for id, known := range m.known {
			if !isLocal(id.table) && !n.known[id].Covers(known) {
				n.w.counts[CountCollected]++
				return
			}
		}
	}
}
