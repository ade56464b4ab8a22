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
	h.troubles()
	h.run(h.length)
	h.clients.over = true
	h.rest()
	return h.err
}
