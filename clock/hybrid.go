package clock

import (
	"slices"
	"time"
)

const (
	// MaxDrift is how far ahead of the local clock a stamp that is seen may be and still move the local stamps along.
	MaxDrift = time.Minute
	// maxFar bounds the memory of a Hybrid: the number of separate ranges of far-ahead stamps that it remembers exactly.
	maxFar = 1024
)

// Hybrid gives out stamps of hybrid time. The zero Hybrid is ready. It reads no clock: the caller brings the time.
//
// Stamps come in two kinds. Near ones grow without end and stay close to the time. A far one answers a floor that lies more than MaxDrift
// ahead, as a peer with a wrong clock causes it; it exceeds that floor and leaves the near ones where they were. The far ones given out are
// remembered until the near ones reach them, and are then jumped over, so that no stamp is given twice.
type Hybrid struct {
	last Timestamp // the greatest near stamp given
	far  []span    // far stamps given and not yet passed: sorted, disjoint, not adjacent, all > last
}

// span is the stamps from lo to hi, both included.
type span struct{ lo, hi Timestamp }

// Next returns a stamp that was not given before and exceeds floor. It also exceeds every stamp given before, unless that one was far ahead
// (see Hybrid). At the very end of the scale, in the year 10889, it stays at MaxTimestamp.
func (h *Hybrid) Next(now, floor Timestamp) Timestamp {
	near := max(now, h.last.next())
	if floor >= near {
		if floor > now.plus(MaxDrift) {
			return h.nextFar(floor)
		}
		near = floor.next()
	}
	h.last = h.jump(near)
	h.forget()
	return h.last
}

// nextFar returns and remembers the first free far stamp after floor.
func (h *Hybrid) nextFar(floor Timestamp) Timestamp {
	t := h.jump(floor.next())
	i, _ := h.find(t)
	touchesLeft := i > 0 && h.far[i-1].hi.next() == t
	touchesRight := i < len(h.far) && t.next() == h.far[i].lo
	switch {
	case touchesLeft && touchesRight:
		h.far[i-1].hi = h.far[i].hi
		h.far = slices.Delete(h.far, i, i+1)
	case touchesLeft:
		h.far[i-1].hi = t
	case touchesRight:
		h.far[i].lo = t
	case t < MaxTimestamp:
		h.far = slices.Insert(h.far, i, span{t, t})
		h.bound()
	}
	return t
}

// jump returns t, or the first stamp after the remembered span that t lies in.
func (h *Hybrid) jump(t Timestamp) Timestamp {
	if i, in := h.find(t); in {
		return h.far[i].hi.next()
	}
	return t
}

// find returns the index of the first span that does not end before t, and whether t lies in it.
func (h *Hybrid) find(t Timestamp) (int, bool) {
	i, _ := slices.BinarySearchFunc(h.far, t, func(s span, t Timestamp) int {
		if s.hi < t {
			return -1
		}
		return 1
	})
	return i, i < len(h.far) && h.far[i].lo <= t
}

// forget drops the spans that near stamps have passed.
func (h *Hybrid) forget() {
	i, _ := h.find(h.last)
	h.far = slices.Delete(h.far, 0, i)
}

// bound joins the two neighbours with the smallest gap when there are too many spans. The stamps of the gap are given up: unique, not dense.
func (h *Hybrid) bound() {
	if len(h.far) <= maxFar {
		return
	}
	best := 1
	for i := 2; i < len(h.far); i++ {
		if h.far[i].lo-h.far[i-1].hi < h.far[best].lo-h.far[best-1].hi {
			best = i
		}
	}
	h.far[best-1].hi = h.far[best].hi
	h.far = slices.Delete(h.far, best, best+1)
}
