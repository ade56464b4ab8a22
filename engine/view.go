package engine

import (
	"slices"
	"sync"
	"time"

	"github.com/kvnode/kvnode/engine/replica"
)

// view is what a reader sees of siblings: a pure function of the handler record, the key and the siblings in canonical order. No node writes
// it back (DESIGN: state is siblings, resolution is a view), so equal siblings give equal views and there are no merge wars.
type view struct {
	state  State
	value  []byte
	absent bool
	reason string
	// verdict and fuel are for the journal; verdict is empty when nothing ran.
	verdict string
	fuel    uint64
	took    time.Duration
}

// shown returns what a table lets handlers and readers see of a key's versions, in canonical order: nothing where only deletes are left, and no deletes
// where they are hidden, which have some when the other side of a split wanted them visible. It may change its argument.
func (t *table) shown(versions []replica.Version) []replica.Version {
	switch {
	case replica.IsAbsent(versions):
		return nil
	case t.options.Deletes == VisibleDeletes:
		return versions
	}
	return slices.DeleteFunc(versions, func(v replica.Version) bool { return v.Deleted })
}

// latest shows the newest value, in the state that says why. There is one, since deletes alone are no conflict.
func latest(versions []replica.Version, state State, reason string) view {
	w := view{state: state, reason: reason}
	for _, v := range versions {
		if !v.Deleted {
			w.value = v.Value
		}
	}
	return w
}

// collapse drops versions that are equal to a later one: equal bytes are no conflict, nor are several deletes. Input and output are in canonical order.
func collapse(versions []replica.Version) []replica.Version {
	var out []replica.Version
	for i, v := range versions {
		if !slices.ContainsFunc(versions[i+1:], v.Equals) {
			out = append(out, v)
		}
	}
	return out
}

// viewOf turns a handler's verdict into what readers see.
func viewOf(versions []replica.Version, v Verdict) view {
	switch v.Kind {
	case VerdictValue:
		return view{state: Resolved, value: v.Value, verdict: string(v.Kind), fuel: v.Fuel}
	case VerdictDelete:
		return view{state: Resolved, absent: true, verdict: string(v.Kind), fuel: v.Fuel}
	case VerdictKeep, VerdictError:
	}
	state := Kept
	if v.Kind == VerdictError {
		state = Failed
	}
	w := latest(versions, state, v.Reason)
	w.verdict, w.fuel = string(v.Kind), v.Fuel
	return w
}

// policyVerdict stands in the journal where no handler has decided.
const policyVerdict = "policy"

// policyView is what readers see of a conflict in a table without a handler.
func policyView(versions []replica.Version, p Policy) view {
	if p == Keep {
		return latest(versions, Kept, "")
	}
	last := versions[len(versions)-1]
	return view{state: Resolved, value: last.Value, absent: last.Deleted, verdict: policyVerdict}
}

// maxViews bounds the cached views of a table; past it arbitrary ones go and are computed again when needed.
const maxViews = 100_000

// viewCache keeps a table's views by key, each for the siblings and the handler record that it was computed from. Safe for concurrent use.
type viewCache struct {
	mu   sync.Mutex // guards what follows
	m    map[string]cachedView
	peak int // the most views that m has had: Go's maps keep the room
	// waived has, by key, the siblings that are judged without their base.
	waived map[string]string
}

// looseViews is how many views are worth giving the room back once most of them are gone.
const looseViews = 64

type cachedView struct {
	siblings string
	handler  string
	view     view
}

func newViewCache() *viewCache {
	return &viewCache{m: map[string]cachedView{}, waived: map[string]string{}}
}

func (c *viewCache) get(key, siblings, handler string) (view, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.m[key]
	if !ok || v.siblings != siblings || v.handler != handler {
		return view{}, false
	}
	return v.view, true
}

func (c *viewCache) put(key, siblings, handler string, v view) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.m) >= maxViews {
		for old := range c.m {
			delete(c.m, old)
			break
		}
	}
	c.m[key] = cachedView{siblings: siblings, handler: handler, view: v}
	c.peak = max(c.peak, len(c.m))
}

// clear forgets all views.
func (c *viewCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.m, c.peak = map[string]cachedView{}, 0
}

// drop forgets a key that is no conflict any more. Once most are forgotten the others go too, with the room: they are computed again when needed.
func (c *viewCache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, key)
	if delete(c.waived, key); len(c.waived) == 0 {
		c.waived = map[string]string{}
	}
	if c.peak >= looseViews && len(c.m) <= c.peak/looseViews {
		c.m, c.peak = map[string]cachedView{}, 0
	}
}

// waive lets siblings be judged without their base, which no connected member has.
func (c *viewCache) waive(key, siblings string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waived[key] = siblings
}

// insist forgets which siblings may be judged without their base.
func (c *viewCache) insist() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waived = map[string]string{}
}

func (c *viewCache) isWaived(key, siblings string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waived[key] == siblings
}
