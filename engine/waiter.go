package engine

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/kvnode/kvnode/clock"
)

// waiter is a writer that waits until enough members have its dots.
type waiter struct {
	dots  []waitDot
	level AckLevel
	// timeout bounds the wait; deadline is set when the wait begins.
	timeout  time.Duration
	deadline time.Time
	// done is called once, in the step, with the number of members, this one included, that have all dots.
	done func(acked int, err error)
	over bool
}

type waitDot struct {
	p   *partition
	dot clock.Dot
}

func (c *Core) await(w *waiter) {
	w.deadline = c.now.Add(w.timeout)
	slices.SortStableFunc(w.dots, func(a, b waitDot) int { return comparePartitions(a.p.id, b.p.id) })
	if c.checkWaiter(w) {
		return
	}
	for _, d := range w.dots {
		if ws := c.waiters[d.p]; len(ws) == 0 || ws[len(ws)-1] != w {
			c.waiters[d.p] = append(ws, w)
		}
	}
}

// checkWaiter ends the wait if it can, and says whether it is over.
func (c *Core) checkWaiter(w *waiter) bool {
	if w.over {
		return true
	}
	acked, enough := c.countAcks(w)
	switch {
	case enough:
		w.end(acked, nil)
	case !c.now.Before(w.deadline):
		w.end(acked, ErrNotAcknowledged)
	}
	return w.over
}

func (w *waiter) end(acked int, err error) {
	w.over = true
	w.done(acked, err)
}

// countAcks counts the members that have the dots, this one included.
func (c *Core) countAcks(w *waiter) (acked int, enough bool) {
	acked = 1
	all := true
	for _, p := range c.members.sorted {
		if w.knownBy(p.actor) {
			acked++
		} else {
			all = false
		}
	}
	switch w.level {
	case AckAll:
		return acked, all
	case AckQuorum:
		known := c.published.Load().known
		return acked, c.confirmedBy(w, known) >= quorum(len(known))
	case AckOne:
		return acked, acked >= 2
	case AckLocal:
	}
	return acked, true
}

// confirmedBy counts the known members that have the dots, this one included: also those that have left since they confirmed.
func (c *Core) confirmedBy(w *waiter, known []memberRecord) int {
	n := 1
	for _, m := range known {
		if m.Actor != c.cfg.Actor && w.knownBy(m.Actor) {
			n++
		}
	}
	return n
}

// quorum is the majority of the known members; a node that is not listed yet counts as the only one.
func quorum(known int) int { return max(known, 1)/2 + 1 }

func (w *waiter) knownBy(member clock.Actor) bool {
	for _, d := range w.dots {
		if !d.p.knows(member, d.dot) {
			return false
		}
	}
	return true
}

func (p *partition) knows(member clock.Actor, d clock.Dot) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.rep.Knows(member, d)
}

// checkWaiters looks at the waiters of partitions of which some member's knowledge grew, each once.
func (c *Core) checkWaiters(touched map[*partition]struct{}) {
	checked := map[*waiter]struct{}{}
	for _, p := range sortedPartitions(maps.Keys(touched)) {
		c.checkPartitionWaiters(p, checked)
	}
}

// sortedPartitions puts partitions in a fixed order, so that a simulation replays.
func sortedPartitions(ps iter.Seq[*partition]) []*partition {
	return slices.SortedFunc(ps, func(a, b *partition) int { return comparePartitions(a.id, b.id) })
}

func (c *Core) checkPartitionWaiters(p *partition, checked map[*waiter]struct{}) {
	var left []*waiter
	for _, w := range c.waiters[p] {
		_, seen := checked[w]
		checked[w] = struct{}{}
		if over := w.over || !seen && c.checkWaiter(w); !over {
			left = append(left, w)
		}
	}
	if len(left) == 0 {
		delete(c.waiters, p)
		return
	}
	c.waiters[p] = left
}

// checkAllWaiters looks at every wait: time has passed, or the members have changed.
func (c *Core) checkAllWaiters() {
	checked := map[*waiter]struct{}{}
	for _, p := range sortedPartitions(maps.Keys(c.waiters)) {
		c.checkPartitionWaiters(p, checked)
	}
}
