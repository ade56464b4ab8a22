package replica

import (
	"maps"
	"slices"

	"github.com/kvnode/kvnode/clock"
	"github.com/tidwall/btree"
)

// A delete that is visible stands beside what it has not seen, as a value does. When deletes are all that is left of a key, they go as soon as they are
// causally stable: every known member has them, and whatever any of these wrote without having seen them is here. A put that comes later has seen
// them, or its author has read the key before and took long.
//
// They go by a mutation, which covers them as any other write would. To drop them where they are found stable would need nothing to be sent, but is
// wrong: a member may show a value beside a delete that another has dropped already, under equal clocks.

// sight is what a member is known to have seen, as of moments of which this replica has all that the member had then.
type sight struct {
	clock clock.Clock
	due   *clock.Clock // a clock of the member of which something is missing here, or nil
}

// see takes note of the whole clock of a member, if there are deletes, or pasts, that wait for that.
func (r *Replica) see(member clock.Actor, c clock.Clock) {
	if len(r.lone) == 0 && r.aged.Len() == 0 {
		return
	}
	s := r.sights[member]
	if s == nil {
		s = &sight{}
		r.sights[member] = s
	}
	switch {
	case r.clock.Covers(c):
		if !s.clock.Covers(c) {
			s.clock.Join(c)
			r.sweep.renew()
		}
	case s.due == nil:
		due := c.Clone()
		s.due = &due
	}
}

// isRipe reports whether the mutation d is stable: all members had it at moments of which this replica has everything.
func (r *Replica) isRipe(d clock.Dot, members []clock.Actor) bool {
	return !slices.ContainsFunc(members, func(m clock.Actor) bool {
		s := r.sights[m]
		return m != r.self && (s == nil || !s.clock.Has(d))
	})
}

// catchUp looks whether this replica has by now what members had.
func (r *Replica) catchUp() {
	for _, s := range r.sights {
		if s.due != nil && r.clock.Covers(*s.due) {
			s.clock.Join(*s.due)
			s.due = nil
			r.sweep.renew()
		}
	}
}

// dropReports forgets the clocks of members that this replica has not caught up with: they may name mutations that count no more.
func (r *Replica) dropReports() {
	for _, s := range r.sights {
		s.due = nil
	}
}

// reapKeys bounds the keys of one call of Reap.
const reapKeys = 1024

// Reaped is a mutation that has ended the deletes of a key.
type Reaped struct {
	Key string
	Dot clock.Dot
	// Context is what was known of the key before. Several may share it.
	Context clock.Context
}

// NumLone returns the number of keys of which deletes are left alone.
func (r *Replica) NumLone() (n int) {
	for _, list := range r.lone {
		n += list.Len()
	}
	return n
}

// Reap ends deletes that are alone at their keys and that all known members have, by mutations of this replica, some thousand at a time; this
// replica counts whether it is named or not. Of the connected members the one that deleted does it, the least one where that is gone, so that they need
// not all do it; no harm is done where their views differ.
func (r *Replica) Reap(known, connected []clock.Actor) []Reaped {
	if len(r.lone) == 0 {
		return nil
	}
	r.catchUp()
	var out []Reaped
	bases := r.clock.Bases()
	for _, key := range r.ripe(known, connected) {
		out = append(out, r.reap(key, bases))
	}
	return out
}

// ripe lists keys whose deletes can go and are for this replica to end.
func (r *Replica) ripe(known, connected []clock.Actor) []string {
	var keys []string
	for _, a := range slices.SortedFunc(maps.Keys(r.lone), clock.Actor.Compare) {
		if len(keys) >= reapKeys || r.reaperOf(a, connected) != r.self {
			continue
		}
		r.lone[a].Scan(func(w wait) bool {
			if !r.isRipe(clock.Dot{Actor: a, Counter: w.counter}, known) {
				return false
			}
			e, _ := r.objects.get(w.key)
			if !slices.ContainsFunc(e.Versions, func(v Version) bool { return !r.isRipe(v.Dot, known) }) {
				keys = append(keys, w.key)
			}
			return len(keys) < reapKeys
		})
	}
	return keys
}

// reaperOf returns who ends the deletes of an actor.
func (r *Replica) reaperOf(a clock.Actor, connected []clock.Actor) clock.Actor {
	if a == r.self || slices.Contains(connected, a) {
		return a
	}
	return slices.MinFunc(append([]clock.Actor{r.self}, connected...), clock.Actor.Compare)
}

func (r *Replica) reap(key string, bases clock.Context) Reaped {
	old, _ := r.objects.get(key)
	if len(old.Context) > 0 {
		bases = r.filled(old.Object)
	}
	d := r.mint(key)
	r.swap(key, old, Object{Context: r.stripped(old.Context)})
	r.outbox.wrote(key, d, true)
	return Reaped{Key: key, Dot: d, Context: bases}
}

// countLone keeps the index of the keys of which deletes are left alone.
func (r *Replica) countLone(key string, old, next []Version) {
	was, is := isLone(old), isLone(next)
	if was {
		r.dropLone(old[0].Dot, key)
	}
	if is {
		list := r.lone[next[0].Dot.Actor]
		if list == nil {
			list = btree.NewBTreeGOptions(waitsBefore, btree.Options{NoLocks: true})
			r.lone[next[0].Dot.Actor] = list
		}
		list.Set(wait{next[0].Dot.Counter, key})
	}
}

// dropLone removes a key from the index. What is remembered for it goes with the last one, with the room.
func (r *Replica) dropLone(first clock.Dot, key string) {
	list := r.lone[first.Actor]
	if list == nil {
		return
	}
	list.Delete(wait{first.Counter, key})
	if list.Len() == 0 {
		delete(r.lone, first.Actor)
	}
	if len(r.lone) == 0 {
		r.lone = map[clock.Actor]*btree.BTreeG[wait]{}
		r.dropSights()
	}
}

// dropSights forgets what the members have seen once nothing waits for that.
func (r *Replica) dropSights() {
	if len(r.lone) == 0 && r.aged.Len() == 0 {
		r.sights = map[clock.Actor]*sight{}
	}
}

func isLone(vs []Version) bool {
	return len(vs) > 0 && IsAbsent(vs)
}
