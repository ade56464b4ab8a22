package model_test

import (
	"github.com/kvnode/kvnode/clock"
)

// history is a set of events, as a bit set. It is never changed once made.
type history []uint64

func (h history) has(event int) bool {
	return event/64 < len(h) && h[event/64]&(1<<(event%64)) != 0
}

// and returns the events of both histories together.
func (h history) and(other history) history {
	out := make(history, max(len(h), len(other)))
	copy(out, h)
	for i, word := range other {
		out[i] |= word
	}
	return out
}

// with returns the history and one more event.
func (h history) with(event int) history {
	one := make(history, event/64+1)
	one[event/64] = 1 << (event % 64)
	return h.and(one)
}

// events returns the members in order.
func (h history) events() []int {
	var out []int
	for i, word := range h {
		for bit := range 64 {
			if word&(1<<bit) != 0 {
				out = append(out, i*64+bit)
			}
		}
	}
	return out
}

// event is one write as the oracle sees it.
type event struct {
	dot     clock.Dot
	past    history // the writes of the same key that its author had seen
	deleted bool
	value   string
}

// ghost is the true history of all writes.
type ghost struct {
	all   []event
	byDot map[clock.Dot]int
}

// add records a write and returns its event.
func (g *ghost) add(e event) int {
	g.all = append(g.all, e)
	g.byDot[e.dot] = len(g.all) - 1
	return len(g.all) - 1
}

// maximal returns the puts of h that no event of h succeeds: what a node that knows h must show.
func (g *ghost) maximal(h history) []int {
	var succeeded history
	for _, e := range h.events() {
		succeeded = succeeded.and(g.all[e].past)
	}
	var out []int
	for _, e := range h.events() {
		if !succeeded.has(e) && !g.all[e].deleted {
			out = append(out, e)
		}
	}
	return out
}
