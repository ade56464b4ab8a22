package sim

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"time"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/replica"
)

// invoke makes one call of the API; the node steps at once, or when it happens to.
func (n *node) invoke(what string, call func(ctx context.Context, e *engine.Engine) error, acked func(int, error)) error {
	n.ran = nil
	_, err := n.driver.Call(call, acked)
	n.w.note("%s: %s -> %v", n.name, what, err)
	if n.w.chance(0.5) {
		n.wake(n.w.upTo(5 * time.Millisecond))
		return err
	}
	n.wake(0)
	return err
}

// read reads a key as a client does; story is nil when there is no such table. What is seen is held against the oracle.
func (n *node) read(table, key string) (engine.Entry, *story, error) {
	quarantined := n.driver.Quarantined(table, key)
	var entry engine.Entry
	err := n.invoke("get "+table+"/"+key, func(ctx context.Context, e *engine.Engine) (err error) {
		entry, err = e.Get(ctx, table, key)
		return err
	}, nil)
	switch {
	case errors.Is(err, engine.ErrNotReady), errors.Is(err, engine.ErrNoTable):
		return entry, nil, err
	case err != nil && !errors.Is(err, engine.ErrNotFound):
		n.w.fail("%s reads %s/%s: %w", n.name, table, key, err)
	case quarantined && len(n.ran) > 0:
		n.w.fail("a reader at %s runs a handler on siblings that are known to be quarantined: %s/%s", n.name, table, key)
	}
	return entry, n.checkEntry(table, entry), nil
}

// checkEntry holds what a reader sees of a key against what the node holds, which the oracle has seen, and against what other readers saw.
func (n *node) checkEntry(table string, entry engine.Entry) *story {
	n.w.ledger.sees(n, table, entry)
	held, err := n.driver.Held(table, entry.Key)
	isHidden := func(v replica.Version) bool { return v.Deleted && !n.isVisible(table) }
	shown := slices.DeleteFunc(replica.Canonical(held.Versions), isHidden)
	if replica.IsAbsent(shown) {
		shown = nil
	}
	same := slices.EqualFunc(shown, entry.Siblings, func(v replica.Version, s engine.Version) bool {
		return v.Dot.String() == s.Dot && v.Deleted == s.Deleted && bytes.Equal(v.Value, s.Value)
	})
	if err != nil || !same {
		n.w.fail("%s reads siblings %v of %s/%s and holds %v: %w", n.name, entry.Siblings, table, entry.Key, held.Versions, err)
	}
	return n.story(table, held.Epoch, entry.Key)
}

// match reads all keys that a pattern selects, and compares with what is read of each key.
func (n *node) match(table string) {
	p, keys := engine.Pattern{Key: pick(n.w, []string{"*", "k*", "?*", ""})}, keys()
	if info := n.table(table); info.Options.Type != engine.OrderedSet && info.Conflicts > 0 {
		p.Key = keys[0] // in no order otherwise, and the order in which handlers run is part of the history
	}
	var got []string
	err := n.invoke("match "+table+" "+p.Key, func(ctx context.Context, e *engine.Engine) error {
		for entry, err := range e.Match(ctx, table, p) {
			if err != nil {
				return err
			}
			got = append(got, entry.Key)
			n.checkEntry(table, entry)
		}
		return nil
	}, nil)
	if err != nil {
		return // not ready, or no such table
	}
	n.w.counts[CountMatch]++
	if n.table(table).Options.Type == engine.OrderedSet && !slices.IsSorted(got) {
		n.w.fail("%s matches %v of %s in no order", n.name, got, table)
	}
	var want []string
	for _, key := range keys {
		if ok, _ := path.Match(cmp.Or(p.Key, "*"), key); ok && n.shows(table, key) {
			want = append(want, key)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		n.w.fail("%s matches %v of %s with %s, and reads %v", n.name, got, table, p.Key, want)
	}
}

// shows reports whether readers see a value at the key.
func (n *node) shows(table, key string) bool {
	e, _, err := n.read(table, key)
	return err == nil && !e.Deleted
}
