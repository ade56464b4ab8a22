package replica

import (
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

// await puts the key on the waiting list of every actor whose counter is new in its stored context. What is on the list and no longer in the
// context is found and ignored when its turn comes.
func (r *Replica) await(key string, old, next clock.Context) {
	for a, n := range next {
		if old[a] == n {
			continue
		}
		list := r.waits[a]
		if list == nil {
			list = btree.NewBTreeGOptions(waitsBefore, btree.Options{NoLocks: true})
			r.waits[a] = list
		}
		list.Set(wait{n, key})
	}
}

// advance strips the stored contexts again that the clock has caught up with. It is called after every change of the clock that peers cause, and
// costs the number of contexts that get shorter.
func (r *Replica) advance() {
	r.closeSealed()
	for a, list := range r.waits {
		base := r.clock.Base(a)
		for first, ok := list.Min(); ok && first.counter <= base; first, ok = list.Min() {
			list.PopMin()
			r.restrip(first.key)
		}
		if list.Len() == 0 {
			delete(r.waits, a)
		}
	}
}

// dropWaits strips every context that waits for the actor, whose base has reached its end.
func (r *Replica) dropWaits(a clock.Actor) {
	list := r.waits[a]
	if list == nil {
		return
	}
	delete(r.waits, a)
	list.Scan(func(w wait) bool {
		r.restrip(w.key)
		return true
	})
}

// restrip strips the stored context of the key again.
func (r *Replica) restrip(key string) {
	e, ok := r.objects.get(key)
	if !ok {
		return
	}
	if ctx := r.stripped(e.Context); len(ctx) < len(e.Context) {
		r.swap(key, e, Object{Versions: e.Versions, Context: ctx})
	}
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

// credible returns n, or for a dead actor at most its last counter that counts: what a context says beyond that is a rumour of lost mutations.
// The rest of what it says stays true, which matters while the entry is not closed here.
func (r *Replica) credible(a clock.Actor, n uint64) uint64 {
	if e, dead := r.sealed[a]; dead {
		return min(n, e.Max())
	}
	return n
}
