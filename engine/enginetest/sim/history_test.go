package sim_test

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

// maxNodes bounds the cluster.
const maxNodes = 5

func newHistory(seed uint64, t *trace) *history {
	h := &history{world: newWorld(seed, weather{}, t), length: 20 * time.Second}
	h.weather = weather{
		latency: 200 * time.Microsecond, jitter: pick(h.world, []time.Duration{time.Millisecond, 20 * time.Millisecond, 80 * time.Millisecond}),
		straggle: pick(h.world, []time.Duration{0, 300 * time.Millisecond}),
		loss:     pick(h.world, []float64{0, 0, 0.02, 0.15}), twice: pick(h.world, []float64{0, 0.03}),
		skew: pick(h.world, []time.Duration{0, 30 * time.Millisecond, 3 * time.Minute}), exit: h.chance(0.3),
		cuts:    pick(h.world, []time.Duration{0, 4 * time.Second, 10 * time.Second}),
		crashes: pick(h.world, []time.Duration{0, 0, 4 * time.Second, 12 * time.Second}),
		pauses:  pick(h.world, []time.Duration{0, 0, 8 * time.Second}), joins: pick(h.world, []time.Duration{0, 10 * time.Second}),
		bulky: h.chance(0.15), oneSecret: h.chance(0.5),
		calls: pick(h.world, []time.Duration{20 * time.Millisecond, 60 * time.Millisecond, 250 * time.Millisecond}),
	}
	if h.chance(0.05) { // long enough for quarantines to be lifted, and for restarts to be forgotten
		h.length, h.weather.calls = 150*time.Second, 250*time.Millisecond
	}
	if h.chance(0.2) { // where restarts can be told apart
		h.weather.mines, h.weather.exit, h.weather.loss, h.weather.crashes, h.weather.pauses = true, false, 0, 0, 0
		h.weather.cuts = pick(h.world, []time.Duration{0, 10 * time.Second})
	}
	h.clients = &clients{w: h.world}
	for i := range 2 + h.rand.IntN(3) {
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
	h.stats["cut"]++
	if a, b := pick(h.world, h.nodes), pick(h.world, h.nodes); a != b && h.chance(0.3) {
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
	h.stats["crash"]++
	h.note("%s crashes", n.name)
	n.crash()
	n.comeBack(50*time.Millisecond+h.about(1500*time.Millisecond), nil)
}

// join adds a node.
func (h *history) join() {
	if len(h.nodes) < maxNodes {
		h.stats["join"]++
		h.node("n" + strconv.Itoa(len(h.nodes))).boot(nil)
	}
}
