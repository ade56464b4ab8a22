package sim

import (
	"strconv"
	"time"

	"github.com/kvnode/kvnode/engine"
)

// troubles lets everything happen that the weather has.
func (h *history) troubles() {
	v := h.weather
	h.trouble(v.cuts, h.cut)
	h.trouble(v.crashes, h.crash)
	h.trouble(v.pauses, func() { h.anyNode().pause(h.about(2 * time.Second)) })
	h.trouble(v.joins, h.join)
	h.trouble(v.skews, h.setClock)
	h.trouble(v.restarts, func() { h.anyNode().askRestart() })
	h.trouble(v.slows, func() { h.anyNode().slowDown(h.about(2 * time.Second)) })
	h.trouble(v.absences, h.absence)
	h.trouble(v.garbage, func() { h.garbage(h.anyNode()) })
	h.trouble(v.twins, h.twin)
}

func (h *history) anyNode() *node { return pick(h.world, h.nodes) }

// trouble makes something happen again and again.
func (h *history) trouble(every time.Duration, do func()) {
	if every == 0 {
		return
	}
	h.after(h.about(every), func() {
		if !h.calmed {
			do()
			h.trouble(every, do)
		}
	})
}

// cut splits the network, or breaks one direction of one connection; it heals some time later.
func (h *history) cut() {
	if h.chance(h.weather.oneWay) {
		h.mute()
	} else {
		h.split()
	}
	h.after(h.about(3*time.Second), h.heal)
}

func (h *history) mute() {
	a, b := h.anyNode(), h.anyNode()
	if a == b {
		return
	}
	h.counts[CountMute]++
	h.note("cut from %s to %s", a.name, b.name)
	h.net.mute(a.name, b.name)
}

func (h *history) split() {
	sideOf := map[string]int{}
	for _, n := range h.nodes {
		sideOf[n.name] = h.rand.IntN(2)
	}
	h.counts[CountCut]++
	h.note("cut %v", sideOf)
	h.net.split(sideOf)
}

// heal mends the network; some nodes are told that they may have lost something.
func (h *history) heal() {
	h.note("heal")
	h.net.heal()
	for _, n := range h.up() {
		if h.chance(0.2) {
			n.lose()
		}
	}
}

// crash takes a node down, with all its memory; it comes back empty.
func (h *history) crash() {
	n := h.anyNode()
	if !n.isUp() {
		return
	}
	h.counts[CountCrash]++
	h.note("%s crashes", n.name)
	n.crash()
	n.comeBack(50*time.Millisecond+h.about(1500*time.Millisecond), nil)
}

// join adds a node.
func (h *history) join() {
	if len(h.nodes) < maxJoined {
		h.counts[CountJoin]++
		h.node("n" + strconv.Itoa(len(h.nodes))).boot(nil)
	}
}

// setClock sets a node's clock to another wrong time.
func (h *history) setClock() {
	n := h.anyNode()
	n.skew = h.anySkew()
	h.counts[CountSetClock]++
	h.note("%s has its clock set, %v off", n.name, n.skew)
}

// slowDown makes a node listen late for a while: what its inbox has no room for is lost, of which it is told in the end, or not.
func (n *node) slowDown(d time.Duration) {
	if n.isSlow || !n.isUp() {
		return
	}
	n.w.counts[CountSlow]++
	n.w.note("%s is slow for %v", n.name, d)
	n.isSlow = true
	life := n.life
	n.w.after(d, func() {
		if n.life != life {
			return
		}
		n.isSlow = false
		if n.w.chance(0.5) {
			n.lose()
		}
	})
}

// lose tells the node that frames may have got lost.
func (n *node) lose() {
	n.w.counts[CountLost]++
	n.inbox = append(n.inbox, engine.Lost{})
	n.wake(0)
}

// askRestart makes an operator restart a node.
func (n *node) askRestart() {
	if !n.isUp() || n.ending || n.paused {
		return
	}
	n.w.counts[CountOrderly]++
	n.ending = true
	n.closeInOrder()
}
