package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
)

// write is one write of a client: one value for each key, or their deletion.
type write struct {
	table                 string
	keys                  []string
	value                 string
	isDelete, ifUnchanged bool
	isClear               bool   // the deletion of all keys there are
	token                 *token // nil: blind
	level                 engine.AckLevel
}

func (w write) options() []engine.WriteOption {
	var out []engine.WriteOption
	switch {
	case w.token != nil && w.ifUnchanged:
		out = append(out, engine.IfUnchanged(w.token.text))
	case w.token != nil:
		out = append(out, engine.WithContext(w.token.text))
	}
	if w.level != "" {
		out = append(out, engine.WithAck(w.level))
	}
	return out
}

func (w write) String() string {
	verb := "put"
	switch {
	case w.isClear:
		verb = "clear"
	case w.isDelete:
		verb = "delete"
	}
	seen := "blind"
	if w.token != nil {
		seen = fmt.Sprintf("having seen %v of epoch %d, only if unchanged %v", w.token.seen, w.token.story.ID.epoch, w.ifUnchanged)
	}
	return fmt.Sprintf("%s %s/%v %.12s %s", verb, w.table, w.keys, w.value, seen)
}

// call asks a node to do it.
func (w write) call(ctx context.Context, e *engine.Engine) error {
	switch {
	case w.isClear:
		return e.ClearTable(ctx, w.table) //nolint:wrapcheck // the client's own call
	case w.isDelete:
		_, err := e.Delete(ctx, w.table, w.keys, w.options()...)
		return err //nolint:wrapcheck // the client's own call
	}
	kvs := make([]engine.KV, len(w.keys))
	for i, key := range w.keys {
		kvs[i] = engine.KV{Key: key, Value: []byte(w.value)}
	}
	_, err := e.Put(ctx, w.table, kvs, w.options()...)
	return err //nolint:wrapcheck // the client's own call
}

// asked is a write that a client waits for.
type asked struct {
	write

	there bool // whether there was a table
	level engine.AckLevel
	parts []*part
	// awaited are the members that were connected when the wait began.
	awaited []clock.Actor
}

// part is what a write does to one key.
type part struct {
	key    string
	story  *story
	before engine.Held
	known  ghost.Set    // what the node knew before
	made   *ghost.Event // nil while nothing is written, and when nothing had to be
}

// changes reports whether a blind write has anything to do, as the oracle sees it.
func (p *part) changes(w write) bool {
	shown := p.story.Shown(p.known)
	if w.isDelete {
		return !ghost.IsAbsent(shown)
	}
	return len(shown) != 1 || shown[0].Deleted || shown[0].Value != w.value
}

func (w *asked) hasMade() bool {
	return slices.ContainsFunc(w.parts, func(p *part) bool { return p.made != nil })
}

// ask notes what a node holds before a write.
func (n *node) ask(w write) *asked {
	a := &asked{write: w, there: true, level: n.levelOf(w)}
	for _, key := range w.keys {
		before, err := n.driver.Held(w.table, key)
		a.there = a.there && err == nil
		s := n.story(w.table, before.Epoch, key)
		a.parts = append(a.parts, &part{key: key, story: s, before: before, known: n.known[s.ID]})
	}
	return a
}

// write writes, tells the oracle, and returns what the client is told before any acknowledgement.
func (n *node) write(w write) error {
	a := n.ask(w)
	err := n.invoke(w.String(), w.call, func(nodes int, err error) { n.onAck(a, nodes, err) })
	if err != nil {
		n.checkRefusal(a, err)
		return err
	}
	n.wrote(a)
	a.awaited = n.connected()
	n.fresh = append(n.fresh, a)
	n.observe()
	return nil
}

// wrote tells the oracle of a write that a node has taken. The mutations of one partition are numbered in the order of the keys.
func (n *node) wrote(a *asked) {
	last := map[uint64]uint64{}
	for _, p := range a.parts {
		at := xxh3.HashString(p.key) % engine.Partitions
		if _, ok := last[at]; !ok {
			last[at] = p.before.Made(n.actor)
		}
		held, err := n.driver.Held(a.table, p.key)
		if err != nil || held.Epoch != p.before.Epoch {
			n.w.fail("%s took write %v without a table: %w", n.name, a, err)
			return
		}
		n.checkTaken(a, p)
		changes := p.changes(a.write)
		if a.token != nil {
			changes = held.Made(n.actor) > last[at]
		}
		if !changes {
			n.w.counts[CountNoWrite]++
			continue
		}
		last[at]++
		n.tell(a.write, p, last[at])
	}
	for _, p := range a.parts {
		if held, err := n.driver.Held(a.table, p.key); err != nil || held.Made(n.actor) != last[xxh3.HashString(p.key)%engine.Partitions] {
			n.w.fail("%s made %d mutations in the partition of %s for write %v, and had made %d: %v", n.name, held.Made(n.actor), p.key, a,
				p.before.Made(n.actor), err)
		}
	}
}

// tell tells the oracle of one mutation.
func (n *node) tell(w write, p *part, counter uint64) {
	n.w.counts[CountWrite]++
	past := p.known
	if w.token != nil {
		past = w.token.seen
	}
	e := ghost.Event{Dot: clock.Dot{Actor: n.actor, Counter: counter}, Past: past, Had: p.known, Deleted: w.isDelete, Value: w.value}
	if w.isDelete {
		e.Value, e.Visible = "", n.isVisible(w.table)
	}
	p.made = p.story.Add(e)
}

// checkTaken checks that a write with a token was right to be taken.
func (n *node) checkTaken(a *asked, p *part) {
	switch {
	case a.token == nil:
	case a.token.story != p.story:
		n.w.fail("%s took write %v, whose context is of %v", n.name, a, a.token.story.ID)
	case a.ifUnchanged && p.story.ShowsUnseen(p.known, a.token.seen):
		n.w.fail("%s took conditional write %v of a client that has not seen %s", n.name, a, ghost.Dots(p.story.Shown(p.known)))
	}
}

// checkRefusal checks that a write was refused for a reason, and changed nothing.
func (n *node) checkRefusal(a *asked, err error) {
	p := a.parts[0]
	isForeign := a.token != nil && a.token.story != p.story
	reasons := []struct {
		err   error
		valid bool
	}{
		{engine.ErrNotReady, true},
		{engine.ErrClosed, n.ending || n.w.weather.exit}, // a node that is to exit looks for a mirror first
		{engine.ErrNoTable, !a.there},
		{engine.ErrNoQuorum, a.there && !isLocal(a.table)},
		{engine.ErrBadContext, isForeign || !n.w.weather.oneSecret && a.token != nil},
		{engine.ErrConflict, a.ifUnchanged && a.token != nil && !isForeign && p.story.ShowsUnseen(p.known, a.token.seen)},
	}
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			n.w.counts["refused: "+r.err.Error()]++
			if !r.valid {
				n.w.fail("%s refuses write %v for no reason: %w", n.name, a, err)
			}
			n.observe()
			return
		}
	}
	n.w.fail("%s refuses write %v: %w", n.name, a, err)
}

// onAck takes what a client is told in the end.
func (n *node) onAck(w *asked, nodes int, err error) {
	n.w.answered(n, w.String(), nodes, err)
	switch {
	case err == nil && w.hasMade():
		n.w.counts[CountAcked]++
		n.w.counts[CountAcked+" at "+string(w.level)]++
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
	return n.w.weather.isStill() && len(n.w.ledger.traps) == 0 && n.table(w.table).Epoch == w.parts[0].story.ID.epoch
}

func (n *node) levelOf(w write) engine.AckLevel {
	switch {
	case isLocal(w.table):
		return engine.AckLocal
	case w.level != "" && !w.isClear:
		return w.level
	}
	return n.table(w.table).Options.Ack
}
