package sim

import (
	"context"
	"errors"
	"slices"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
)

// wrote tells the oracle of a write that a node has taken; nil when it changed nothing.
func (n *node) wrote(w *asked, before engine.Held, known ghost.Set) *ghost.Event {
	held, err := n.driver.Held(w.table, w.key)
	s := w.story
	switch {
	case err != nil || held.Epoch != before.Epoch:
		n.w.fail("%s took write %v without a table: %w", n.name, w, err)
		return nil
	case w.token != nil && w.token.story != s:
		n.w.fail("%s took write %v, whose context is of %v", n.name, w, w.token.story.ID)
		return nil
	case w.ifUnchanged && w.token != nil && s.ShowsUnseen(known, w.token.seen):
		n.w.fail("%s took conditional write %v of a client that has not seen %v", n.name, w, ghost.Dots(s.Shown(known)))
		return nil
	case held.Made(n.actor) == before.Made(n.actor):
		n.w.counts[CountNoWrite]++
		return nil
	}
	n.w.counts[CountWrite]++
	past := known
	if w.token != nil {
		past = w.token.seen
	}
	return s.Add(ghost.Event{
		Dot: clock.Dot{Actor: n.actor, Counter: held.Made(n.actor)}, Past: past, Deleted: w.isDelete, Value: w.value,
	})
}

// checkRefusal checks that a write was refused for a reason, and changed nothing.
func (n *node) checkRefusal(w *asked, there bool, known ghost.Set, err error) {
	s := w.story
	isForeign := w.token != nil && w.token.story != s
	reasons := []struct {
		err   error
		valid bool
	}{
		{engine.ErrNotReady, true},
		{engine.ErrClosed, n.ending || n.w.weather.exit}, // a node that is to exit looks for a mirror first
		{engine.ErrNoTable, !there},
		{engine.ErrNoQuorum, there},
		{engine.ErrBadContext, isForeign || !n.w.weather.oneSecret && w.token != nil},
		{engine.ErrConflict, w.ifUnchanged && w.token != nil && !isForeign && s.ShowsUnseen(known, w.token.seen)},
	}
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			n.w.counts["refused: "+r.err.Error()]++
			if !r.valid {
				n.w.fail("%s refuses write %v for no reason: %w", n.name, w, err)
			}
			n.observe()
			return
		}
	}
	n.w.fail("%s refuses write %v: %w", n.name, w, err)
}

// onAck takes what a client is told in the end.
func (n *node) onAck(w *asked, nodes int, err error) {
	n.w.answered(n, w.String(), nodes, err)
	switch {
	case err == nil && w.made != nil:
		n.w.counts[CountAcked]++
		n.acknowledged(w, nodes)
	case err == nil:
		n.w.counts[CountAckedEqual]++
	case n.mustAcknowledge(w) && !errors.Is(err, engine.ErrClosed):
		n.w.fail("%s: no trouble in the world, and %v is not acknowledged: %w", n.name, w, err)
	default:
		n.w.counts[CountNotAcked]++
	}
}

// beginWaits notes whom the step that has begun the waits still saw.
func (n *node) beginWaits() {
	for _, w := range n.fresh {
		now := n.connected()
		w.awaited = slices.DeleteFunc(w.awaited, func(a clock.Actor) bool { return !slices.Contains(now, a) })
	}
	n.fresh = nil
}

// connected returns the members that the node is connected with.
func (n *node) connected() []clock.Actor {
	var out []clock.Actor
	for _, m := range n.members() {
		if m.Connected && !m.Self {
			out = append(out, m.Incarnation)
		}
	}
	return out
}

// members are those that the node lists; none while it is not ready.
func (n *node) members() []engine.Member {
	var out []engine.Member
	_, err := n.driver.Call(func(ctx context.Context, e *engine.Engine) (err error) {
		out, err = e.Members(ctx)
		return err
	}, nil)
	if err != nil && !errors.Is(err, engine.ErrNotReady) {
		n.w.fail("members of %s: %w", n.name, err)
	}
	return out
}

// mustAcknowledge reports whether nothing has happened that keeps a write from being acknowledged.
func (n *node) mustAcknowledge(w *asked) bool {
	return n.w.weather.isStill() && len(n.w.ledger.traps) == 0 && n.table(w.table).Epoch == w.story.ID.epoch
}

func (n *node) levelOf(w write) engine.AckLevel {
	if w.level != "" {
		return w.level
	}
	return n.table(w.table).Options.Ack
}
