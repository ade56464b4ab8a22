package engine

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// Get reads one key. ErrNotFound comes with an entry whose Context is of use: it stands for "known to be absent".
func (e *Engine) Get(ctx context.Context, table, key string) (Entry, error) {
	if err := validKey(key); err != nil {
		return Entry{}, err
	}
	if err := e.AwaitReady(ctx); err != nil {
		return Entry{}, err
	}
	t, err := e.core.space.table(table)
	if err != nil {
		return Entry{}, err
	}
	entry := e.read(ctx, t, key)
	if entry.absent() {
		return entry, ErrNotFound
	}
	return entry, nil
}

func (e *Engine) read(ctx context.Context, t *table, key string) Entry {
	p := t.partition(key)
	p.mu.RLock()
	versions := p.rep.Get(key)
	seen := p.rep.Context(key)
	p.mu.RUnlock()
	return e.entry(ctx, t, key, replica.Canonical(versions), seen)
}

// entry shows versions, given in canonical order, as a reader sees them. It may change them.
func (e *Engine) entry(ctx context.Context, t *table, key string, versions []replica.Version, seen clock.Context) Entry {
	versions = t.shown(versions)
	v, tell := e.core.look(ctx, t, key, versions)
	if tell != nil {
		e.post(*tell)
	}
	out := Entry{Key: key, Value: v.value, Deleted: v.absent, State: v.state, Siblings: publicVersions(versions), Reason: v.reason}
	if seen != nil {
		out.Context = e.core.token(t, key, seen)
	}
	return out
}

// matchPage is how many entries are read under one lock while matching.
const matchPage = 256

// Match yields the entries that a pattern selects: in key order within a table of type ordered_set, in no order otherwise. It sees each key that is
// there during the whole call; writes meanwhile may be seen or not. ErrBadPattern, ErrNoTable and ErrNotReady come as the only element.
func (e *Engine) Match(ctx context.Context, table string, p Pattern) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m, t, err := e.prepareMatch(ctx, table, p)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for key := range t.keys(m.key.prefix()) {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, fmt.Errorf("match: %w", err))
				return
			}
			entry, selected := e.matchKey(ctx, t, m, key)
			if selected && !yield(entry, nil) {
				return
			}
		}
	}
}

func (e *Engine) matchKey(ctx context.Context, t *table, m matcher, key string) (Entry, bool) {
	if !m.key.match(key) {
		return Entry{}, false
	}
	entry := e.read(ctx, t, key)
	return entry, !entry.absent() && m.value(entry.Value)
}

// absent says whether readers see nothing at the key.
func (e Entry) absent() bool { return len(e.Siblings) == 0 || e.Deleted }

func (e *Engine) prepareMatch(ctx context.Context, table string, p Pattern) (matcher, *table, error) {
	m, err := p.compile()
	if err != nil {
		return m, nil, err
	}
	if err := e.AwaitReady(ctx); err != nil {
		return m, nil, err
	}
	t, err := e.core.space.table(table)
	return m, t, err
}

// keys yields the keys with a prefix, merged into one order when the table is ordered. No lock is held while it yields.
func (t *table) keys(prefix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if t.options.Type == OrderedSet {
			t.orderedKeys(prefix, yield)
			return
		}
		for _, p := range t.parts {
			for _, key := range p.allKeys() {
				if !yield(key) {
					return
				}
			}
		}
	}
}

func (p *partition) allKeys() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	keys := make([]string, 0, p.rep.Len())
	for key := range p.rep.All() {
		keys = append(keys, key)
	}
	return keys
}

// orderedKeys merges the partitions' sorted keys, a page of each at a time.
func (t *table) orderedKeys(prefix string, yield func(string) bool) {
	var cursors []*cursor
	for _, p := range t.parts {
		if c := newCursor(p, prefix); c.more() {
			cursors = append(cursors, c)
		}
	}
	for len(cursors) > 0 {
		c := slices.MinFunc(cursors, func(a, b *cursor) int { return strings.Compare(a.page[0], b.page[0]) })
		if !yield(c.page[0]) {
			return
		}
		c.page = c.page[1:]
		if !c.more() {
			cursors = slices.DeleteFunc(cursors, func(d *cursor) bool { return d == c })
		}
	}
}

// cursor walks the sorted keys of one partition, page by page.
type cursor struct {
	p      *partition
	prefix string
	next   string
	page   []string
}

func newCursor(p *partition, prefix string) *cursor {
	return &cursor{p: p, prefix: prefix, next: prefix}
}

// more fills an empty page and says whether there is a key.
func (c *cursor) more() bool {
	if len(c.page) > 0 {
		return true
	}
	c.p.mu.RLock()
	defer c.p.mu.RUnlock()
	for key := range c.p.rep.Ascend(c.next) {
		if !strings.HasPrefix(key, c.prefix) || len(c.page) == matchPage {
			break
		}
		c.page = append(c.page, key)
	}
	if len(c.page) == 0 {
		return false
	}
	c.next = c.page[len(c.page)-1] + "\x00"
	return true
}

// Watch yields the keys that a pattern selects as they change: each key's newest state, not every state in between. It has subscribed when it
// returns; the subscription ends with ctx or with the iteration, which can be run once. It ends with ErrOverloaded when the reader does not keep up,
// with ErrNoTable when the table is dropped, with ErrClosed when the node closes, and with the context's error.
func (e *Engine) Watch(ctx context.Context, table string, p Pattern) iter.Seq2[Change, error] {
	m, t, err := e.prepareMatch(ctx, table, p)
	if err != nil {
		return func(yield func(Change, error) bool) { yield(Change{}, err) }
	}
	w := t.hub.add()
	unsubscribe := context.AfterFunc(ctx, func() { t.hub.remove(w) })
	return func(yield func(Change, error) bool) {
		defer t.hub.remove(w)
		defer unsubscribe()
		for {
			keys, err := e.nextChanges(ctx, t, w)
			if err != nil {
				yield(Change{}, err)
				return
			}
			if !e.yieldChanges(ctx, t, m, keys, yield) {
				return
			}
		}
	}
}

// nextChanges waits for changed keys.
func (e *Engine) nextChanges(ctx context.Context, t *table, w *watcher) ([]string, error) {
	for {
		keys, news, err := t.hub.read(w)
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("watch: %w", ctx.Err())
		case err != nil && e.ctx.Err() != nil:
			return nil, ErrClosed
		case err != nil || len(keys) > 0:
			return keys, err
		}
		select {
		case <-news:
		case <-ctx.Done():
		case <-e.ctx.Done():
			return nil, ErrClosed
		}
	}
}

func (e *Engine) yieldChanges(ctx context.Context, t *table, m matcher, keys []string, yield func(Change, error) bool) bool {
	t = e.core.space.current(t)
	for _, key := range keys {
		if !m.key.match(key) {
			continue
		}
		entry := e.read(ctx, t, key)
		gone := entry.absent()
		if !gone && !m.value(entry.Value) {
			continue
		}
		if !yield(Change{Table: t.name, Entry: entry, Deleted: gone}, nil) {
			return false
		}
	}
	return true
}
