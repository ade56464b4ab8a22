package sim

import (
	"strconv"
	"time"
)

// history is one random history of a small cluster.
type history struct {
	*world
	clients *clients
	length  time.Duration
}

// maxJoined bounds the nodes that a history grows to by itself.
const maxJoined = 5

func newHistory(o Options) *history {
	h := &history{world: newWorld(o)}
	h.weather, h.length = drawWeather(h.world, o.Faults)
	if o.Length > 0 {
		h.length = o.Length
	}
	nodes := 2 + h.rand.IntN(3)
	if o.Nodes > 0 {
		nodes = o.Nodes
	}
	h.clients = &clients{w: h.world}
	for i := range nodes {
		n := h.node("n" + strconv.Itoa(i))
		h.after(h.upTo(500*time.Millisecond), func() { n.boot(nil) })
	}
	return h
}

// play lets things happen for a while, then lets the cluster come to rest, and returns the first violation.
func (h *history) play() error {
	h.note("weather %+v", h.weather)
	h.clients.start()
	h.trouble(h.weather.cuts, h.cut)
	h.trouble(h.weather.crashes, h.crash)
	h.trouble(h.weather.pauses, func() { pick(h.world, h.nodes).pause(h.about(2 * time.Second)) })
	h.trouble(h.weather.joins, h.join)
	h.run(h.length)
	h.clients.over = true
	h.rest()
	return h.err
}

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
	h.counts["cut"]++
	if a, b := pick(h.world, h.nodes), pick(h.world, h.nodes); a != b && h.chance(h.weather.oneWay) {
		h.note("cut from %s to %s", a.name, b.name)
		h.net.mute(a.name, b.name)
	} else {
		sideOf := map[string]int{}
		for _, n := range h.nodes {
			sideOf[n.name] = h.rand.IntN(2)
		}
		h.note("cut %v", sideOf)
		h.net.split(sideOf)
	}
	h.after(h.about(3*time.Second), func() {
		h.note("heal")
		h.net.heal()
	})
}

// crash takes a node down, with all its memory; it comes back empty.
func (h *history) crash() {
	n := pick(h.world, h.nodes)
	if !n.isUp() {
		return
	}
	h.counts["crash"]++
	h.note("%s crashes", n.name)
	n.crash()
	n.comeBack(50*time.Millisecond+h.about(1500*time.Millisecond), nil)
}

// join adds a node.
func (h *history) join() {
	if len(h.nodes) < maxJoined {
		h.counts["join"]++
		h.node("n" + strconv.Itoa(len(h.nodes))).boot(nil)
	}
}
