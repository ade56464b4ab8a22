package clock

import (
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Clock is a node-wide dotted clock: the set of mutations that one replica has. The zero Clock is empty and ready. Copying a Clock by
// assignment shares its entries; Clone makes an independent one. Not safe for concurrent use while one of the users changes it.
type Clock struct {
	entries map[Actor]Entry
}

// Has reports whether the mutation d is in the clock.
func (c Clock) Has(d Dot) bool {
	return c.entries[d.Actor].Has(d.Counter)
}

// Base returns the counter up to which every mutation of a is in the clock.
func (c Clock) Base(a Actor) uint64 {
	return c.entries[a].Base
}

// Entry returns what the clock knows of a. The entry shares its intervals with the clock: read it at once, or clone it.
func (c Clock) Entry(a Actor) Entry {
	return c.entries[a]
}

// Contiguous reports whether nothing is missing below the greatest known counter of a. A node's own entry always is contiguous: were it not,
// the node would have forgotten mutations that it made.
func (c Clock) Contiguous(a Actor) bool {
	return len(c.entries[a].Ext) == 0
}

// Len returns the number of actors in the clock.
func (c Clock) Len() int {
	return len(c.entries)
}

// Actors returns the actors of the clock in the order of their bytes.
func (c Clock) Actors() []Actor {
	return slices.SortedFunc(maps.Keys(c.entries), Actor.Compare)
}

// Add puts the mutation d into the clock.
func (c *Clock) Add(d Dot) {
	c.AddRange(d.Actor, d.Counter, d.Counter)
}

// AddRange puts the mutations lo to hi of a into the clock. An empty range changes nothing.
func (c *Clock) AddRange(a Actor, lo, hi uint64) {
	if lo > hi || hi == 0 {
		return
	}
	e := c.entries[a]
	e.add(Interval{max(lo, 1), hi})
	c.set(a, e)
}

// Join puts every mutation of other into the clock. The clocks share nothing afterwards.
func (c *Clock) Join(other Clock) {
	for a, f := range other.entries {
		e := c.entries[a]
		switch {
		case len(e.Ext) == 0 && len(f.Ext) == 0:
			e.Base = max(e.Base, f.Base)
		default:
			e = e.union(f)
		}
		c.set(a, e)
	}
}

// Seal closes the entry of a: its base becomes at least top, and what lies above the base is dropped.
func (c *Clock) Seal(a Actor, top uint64) {
	base := max(c.entries[a].Base, top)
	if base > 0 {
		c.set(a, Entry{Base: base})
	}
}

// Cut drops the mutations of a above top.
func (c *Clock) Cut(a Actor, top uint64) {
	e := c.entries[a]
	if e.Max() <= top {
		return
	}
	if e = e.Intersect(Entry{Base: top}); e.IsEmpty() {
		c.Drop(a)
		return
	}
	c.set(a, e)
}

// Drop removes everything about a.
func (c *Clock) Drop(a Actor) {
	delete(c.entries, a)
}

// Clone returns a copy that shares nothing with c.
func (c Clock) Clone() Clock {
	out := Clock{entries: maps.Clone(c.entries)}
	for a, e := range out.entries {
		if len(e.Ext) > 0 {
			out.entries[a] = e.Clone()
		}
	}
	return out
}

// Equal reports whether both clocks hold the same mutations.
func (c Clock) Equal(other Clock) bool {
	return maps.EqualFunc(c.entries, other.entries, Entry.Equal)
}

// Covers reports whether every mutation of other is in c.
func (c Clock) Covers(other Clock) bool {
	for a, f := range other.entries {
		if !c.entries[a].Covers(f) {
			return false
		}
	}
	return true
}

// Missing yields the mutations of c that other lacks, as intervals, by the order of the actors' bytes and ascending for each.
func (c Clock) Missing(other Clock) iter.Seq2[Actor, Interval] {
	return func(yield func(Actor, Interval) bool) {
		for _, a := range c.Actors() {
			for _, iv := range c.entries[a].Minus(other.entries[a]) {
				if !yield(a, iv) {
					return
				}
			}
		}
	}
}

// Bases returns a new context with the base of every actor that has one.
func (c Clock) Bases() Context {
	out := make(Context, len(c.entries))
	for a, e := range c.entries {
		if e.Base > 0 {
			out[a] = e.Base
		}
	}
	return out
}

// All yields the actors and their entries in no particular order. The entries share their intervals with the clock.
func (c Clock) All() iter.Seq2[Actor, Entry] {
	return maps.All(c.entries)
}

// Hash returns 64 bits of the SHA-256 of the clock's encoding: equal on every node for equal clocks.
func (c Clock) Hash() uint64 {
	sum := sha256.Sum256(c.AppendBinary(nil))
	return binary.BigEndian.Uint64(sum[:])
}

// String returns the clock as people read it, "a1b2c3d4:17 b1b2b3b4:3,5-9", in the order of the actors' bytes.
func (c Clock) String() string {
	var b strings.Builder
	for i, a := range c.Actors() {
		if i > 0 {
			b.WriteByte(' ')
		}
		e := c.entries[a]
		b.WriteString(Dot{a, e.Base}.String())
		for _, iv := range e.Ext {
			b.WriteByte(',')
			b.WriteString(iv.String())
		}
	}
	return b.String()
}

// String returns the interval as "5-9", or "5" when it holds one counter.
func (i Interval) String() string {
	if i.Lo == i.Hi {
		return strconv.FormatUint(i.Lo, 10)
	}
	return strconv.FormatUint(i.Lo, 10) + "-" + strconv.FormatUint(i.Hi, 10)
}

func (c *Clock) set(a Actor, e Entry) {
	if c.entries == nil {
		c.entries = make(map[Actor]Entry)
	}
	c.entries[a] = e
}
