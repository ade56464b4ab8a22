package sim

import (
	"errors"
	"fmt"

	"github.com/kvnode/kvnode/engine"
)

// maxWatches bounds the watches of one node.
const maxWatches = 3

// watch is a watch of one table at one node, with what its reader knows of every key.
type watch struct {
	table string
	epoch uint64
	sub   *engine.Subscription
	last  map[string]string
}

// watch begins a watch: its reader has read everything once.
func (n *node) watch(table string) {
	sub, err := n.driver.Watch(table, engine.Pattern{})
	if err != nil {
		return // not ready, or no such table
	}
	n.w.counts[CountWatch]++
	w := &watch{table: table, epoch: n.table(table).Epoch, sub: sub, last: map[string]string{}}
	for _, key := range keys() {
		e, _, _ := n.read(table, key)
		w.last[key] = face(e)
	}
	n.watches = append(n.watches, w)
}

// face is what a reader sees of a key.
func face(e engine.Entry) string {
	dots := make([]string, len(e.Siblings))
	for i, v := range e.Siblings {
		dots[i] = v.Dot
	}
	return fmt.Sprintf("%.40q deleted %v of %v", e.Value, e.Deleted, dots)
}

// lookAtWatches lets the readers of the watches see what is new. A watch ends with its table.
func (n *node) lookAtWatches() {
	var left []*watch
	for _, w := range n.watches {
		if n.lookAt(w) {
			left = append(left, w)
		}
	}
	n.watches = left
}

func (n *node) lookAt(w *watch) bool {
	changes, err := w.sub.Changes()
	switch {
	case errors.Is(err, engine.ErrNoTable) && n.hasEnded(w):
		return false
	case err != nil:
		n.w.fail("%s ends the watch of %s: %w", n.name, w.table, err)
		return false
	case n.hasEnded(w):
		return true // the reader has yet to see that the end came after these changes
	}
	for _, c := range changes {
		n.w.counts[CountChange]++
		n.checkEntry(w.table, c.Entry)
		if gone := len(c.Entry.Siblings) == 0 || c.Entry.Deleted; gone != c.Deleted {
			n.w.fail("%s tells a watcher that %s/%s is gone: %v; it sees %s", n.name, w.table, c.Entry.Key, c.Deleted, face(c.Entry))
		}
		w.last[c.Entry.Key] = face(c.Entry)
	}
	return true
}

// hasEnded reports whether the table that is watched is gone.
func (n *node) hasEnded(w *watch) bool {
	epoch, isLive := n.driver.TableEpoch(w.table)
	return epoch != w.epoch || !isLive
}

// checkWatches checks that every watcher has seen the newest state of every key.
func (w *world) checkWatches() {
	for _, n := range w.staying() {
		if w.err != nil {
			return
		}
		n.lookAtWatches()
		for _, watch := range n.watches {
			if !n.hasEnded(watch) {
				n.checkWatch(watch)
			}
		}
	}
}

func (n *node) checkWatch(w *watch) {
	for _, key := range keys() {
		e, _, err := n.read(w.table, key)
		if now := face(e); n.w.err == nil && w.last[key] != now {
			n.w.fail("a watcher of %s at %s last saw of %s %s, a reader sees %s: %v", w.table, n.name, key, w.last[key], now, err)
		}
	}
}
