package replica

import (
	"maps"
	"reflect"
	"slices"

	"github.com/kvnode/kvnode/clock"
	"github.com/tidwall/btree"
)

// wait says that the context of key can lose an actor's counter once the clock's base reaches it.
type wait struct {
	counter uint64
	key     string
}

func waitsBefore(a, b wait) bool {
	return a.counter < b.counter || (a.counter == b.counter && a.key < b.key)
}

// await puts the key on the waiting list of one actor of its stored context: once a context is as short as it can be for now, it is enough to look
// again when the first actor's turn has come. What is on a list and no longer in the context is found and ignored when its turn comes.
func (r *Replica) await(key string, next clock.Context) {
	if len(next) == 0 {
		return
	}
	a := first(next)
	list := r.waits[a]
	if list == nil {
		list = btree.NewBTreeGOptions(waitsBefore, btree.Options{NoLocks: true})
		r.waits[a] = list
	}
	list.Set(wait{next[a], key})
}

// first returns the least actor of the context.
func first(ctx clock.Context) clock.Actor {
	var least clock.Actor
	for a := range ctx {
		if least.IsZero() || a.Compare(least) < 0 {
			least = a
		}
	}
	return least
}

// tidyKeys bounds how many contexts Tidy strips.
const tidyKeys = 4096

// Tidy strips contexts again that the clock has caught up with, some thousand at a time, and reports whether there may be more. It is for the end of
// a transfer, when all keys that it brought can be stripped at once: what is not stripped yet is right, but takes room.
func (r *Replica) Tidy() (more bool) {
	return r.tidy(tidyKeys) == 0
}

// advance follows a change of the clock that peers cause: it closes entries of dead actors, and strips some thousand of the contexts that the clock
// has caught up with. The next news strips more.
func (r *Replica) advance() {
	r.closeSealed()
	r.tidy(tidyKeys)
}

// tidy strips up to limit contexts and returns how many more it might have stripped.
func (r *Replica) tidy(limit int) (left int) {
	left = limit
	var last shrunk
	for _, a := range slices.SortedFunc(maps.Keys(r.waits), clock.Actor.Compare) { // in a fixed order, since the limit may end it anywhere
		list, base := r.waits[a], r.clock.Base(a)
		for least, ok := list.Min(); ok && least.counter <= base && left > 0; least, ok = list.Min() {
			list.PopMin()
			r.restrip(least.key, &last)
			left--
		}
		if list.Len() == 0 {
			delete(r.waits, a)
		}
	}
	return left
}

// dropWaits strips every context that waits for the actor, whose base has reached its end.
func (r *Replica) dropWaits(a clock.Actor) {
	list := r.waits[a]
	if list == nil {
		return
	}
	delete(r.waits, a)
	var last shrunk
	list.Scan(func(w wait) bool {
		r.restrip(w.key, &last)
		return true
	})
}

// shrunk is the context that was stripped last, and what became of it: many keys share one.
type shrunk struct {
	from, to clock.Context
}

// restrip strips the stored context of the key again.
func (r *Replica) restrip(key string, last *shrunk) {
	e, ok := r.objects.get(key)
	if !ok || len(e.Context) == 0 {
		return
	}
	if !isSame(last.from, e.Context) {
		*last = shrunk{from: e.Context, to: r.stripped(e.Context)}
	}
	if len(last.to) < len(e.Context) {
		r.swap(key, e, Object{Versions: e.Versions, Context: last.to})
	}
}

// isSame reports whether a and b are one and the same map.
func isSame(a, b clock.Context) bool {
	return a != nil && reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// stripped returns the join of contexts without what the clock says anyway. It returns nil when nothing is left.
func (r *Replica) stripped(contexts ...clock.Context) clock.Context {
	var out clock.Context
	for _, ctx := range contexts {
		for a, n := range ctx {
			n = r.credible(a, n)
			if n <= out[a] || n <= r.clock.Base(a) {
				continue
			}
			if out == nil {
				out = clock.Context{}
			}
			out[a] = n
		}
	}
	return out
}
