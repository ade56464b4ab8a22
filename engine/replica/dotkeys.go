package replica

import (
	"cmp"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// dotKeys is the log of mutations that are not yet known to be everywhere: for each actor the dots in counter order with their keys, and for
// each key its dots. It never holds more than limit dots.
type dotKeys struct {
	limit  int
	count  int
	actors map[clock.Actor][]*record
	keys   keyed[*keyDots]
}

// record is one mutation in the log, linked with the others of its key, newest first.
type record struct {
	dot          clock.Dot
	key          string
	newer, older *record
}

// keyDots is what the log has of one key.
type keyDots struct {
	newest *record
	// tops has for every actor the greatest counter that was logged since the key was last without a record: an upper bound that makes
	// covered cheap for a hot key.
	tops  []clock.Dot
	first [1]clock.Dot // the room of tops while one actor writes the key
}

func newDotKeys(limit int) *dotKeys {
	return &dotKeys{limit: limit, actors: map[clock.Actor][]*record{}}
}

func (l *dotKeys) len() int {
	return l.count
}

// add logs that the mutation d was of the key. A mutation that is logged already changes nothing.
func (l *dotKeys) add(d clock.Dot, key string) {
	records := l.actors[d.Actor]
	i, found := find(records, d.Counter)
	if found {
		return
	}
	rec := &record{dot: d, key: key}
	l.actors[d.Actor] = slices.Insert(records, i, rec)
	l.link(rec)
	l.count++
	if l.count > l.limit {
		l.evict()
	}
}

// within returns the records of a with counters in iv. The slice belongs to the log.
func (l *dotKeys) within(a clock.Actor, iv clock.Interval) []*record {
	lo, hi := bounds(l.actors[a], iv)
	return l.actors[a][lo:hi]
}

// of returns a new slice with the dots of the key, sorted.
func (l *dotKeys) of(key string) []clock.Dot {
	k, ok := l.keys.get(key)
	if !ok {
		return nil
	}
	var dots []clock.Dot
	for rec := k.newest; rec != nil; rec = rec.older {
		dots = append(dots, rec.dot)
	}
	slices.SortFunc(dots, clock.Dot.Compare)
	return dots
}

// newest returns the dot of the key that was logged last, the zero Dot for none.
func (l *dotKeys) newest(key string) clock.Dot {
	if k, ok := l.keys.get(key); ok {
		return k.newest.dot
	}
	return clock.Dot{}
}

// covered reports whether ctx covers every dot of the key. It may say no when what is not covered has left the log.
func (l *dotKeys) covered(key string, ctx clock.Context) bool {
	k, ok := l.keys.get(key)
	return !ok || !slices.ContainsFunc(k.tops, func(d clock.Dot) bool { return !ctx.Covers(d) })
}

// drop removes the records of a with counters in iv and returns their number. From the front of the log, the usual case, it costs that number.
func (l *dotKeys) drop(a clock.Actor, iv clock.Interval) int {
	records := l.actors[a]
	lo, hi := bounds(records, iv)
	if lo == hi {
		return 0
	}
	for i, rec := range records[lo:hi] {
		l.unlink(rec)
		records[lo+i] = nil
	}
	switch {
	case hi-lo == len(records):
		delete(l.actors, a)
	case lo == 0 && hi >= len(records)-hi:
		l.actors[a] = slices.Clone(records[hi:]) // the room of the others goes
	case lo == 0:
		l.actors[a] = records[hi:]
	default:
		l.actors[a] = slices.Delete(records, lo, hi)
	}
	l.count -= hi - lo
	return hi - lo
}

// evict drops the oldest record of the actor that has the most.
func (l *dotKeys) evict() {
	var most clock.Actor
	for a, records := range l.actors {
		more := cmp.Compare(len(records), len(l.actors[most]))
		if more > 0 || (more == 0 && a.Compare(most) < 0) {
			most = a
		}
	}
	oldest := l.actors[most][0].dot.Counter
	l.drop(most, clock.Interval{Lo: oldest, Hi: oldest})
}

// link puts rec at the head of the list of its key.
func (l *dotKeys) link(rec *record) {
	k, ok := l.keys.get(rec.key)
	if !ok {
		k = &keyDots{}
		k.tops = k.first[:0]
		l.keys.set(rec.key, k)
	}
	rec.older = k.newest
	if k.newest != nil {
		k.newest.newer = rec
	}
	k.newest = rec
	i := slices.IndexFunc(k.tops, func(d clock.Dot) bool { return d.Actor == rec.dot.Actor })
	if i < 0 {
		k.tops = append(k.tops, rec.dot)
		return
	}
	k.tops[i].Counter = max(k.tops[i].Counter, rec.dot.Counter)
}

// unlink takes rec out of the list of its key.
func (l *dotKeys) unlink(rec *record) {
	if rec.older != nil {
		rec.older.newer = rec.newer
	}
	switch {
	case rec.newer != nil:
		rec.newer.older = rec.older
	case rec.older != nil:
		k, _ := l.keys.get(rec.key)
		k.newest = rec.older
	default:
		l.keys.remove(rec.key)
	}
}

// find returns the index of the record with the given counter, or where it would be.
func find(records []*record, counter uint64) (int, bool) {
	if n := len(records); n == 0 || records[n-1].dot.Counter < counter {
		return n, false
	}
	return slices.BinarySearchFunc(records, counter, func(rec *record, n uint64) int { return cmp.Compare(rec.dot.Counter, n) })
}

// bounds returns the range of the records with counters in iv.
func bounds(records []*record, iv clock.Interval) (lo, hi int) {
	lo, _ = find(records, iv.Lo)
	hi, found := find(records, iv.Hi)
	if found {
		hi++
	}
	return lo, hi
}
