package clock

import (
	"encoding/binary"
	"fmt"
	"math"
)

// minEntrySize is the least number of bytes of an entry: actor, base, number of intervals.
const minEntrySize = ActorSize + 2

// AppendBinary appends the canonical encoding of the clock to b: the number of actors, then for each, in the order of their bytes, the
// actor, its base, the number of intervals above it, and for each interval its distance from what lies below and its length. Numbers are
// unsigned varints. The encoding has no version of its own: it is a part of messages that have one.
func (c Clock) AppendBinary(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.entries)))
	for _, a := range c.Actors() {
		e, id := c.entries[a], a.Bytes()
		b = append(b, id[:]...)
		b = binary.AppendUvarint(b, e.Base)
		b = binary.AppendUvarint(b, uint64(len(e.Ext)))
		below := e.Base
		for _, iv := range e.Ext {
			b = binary.AppendUvarint(b, iv.Lo-below-2)
			b = binary.AppendUvarint(b, iv.Hi-iv.Lo)
			below = iv.Hi
		}
	}
	return b
}

// ParseClock reads the encoding of a clock at the start of b and returns it with the bytes that follow. The clock does not alias b. Bytes
// that are not canonical are ErrBadClock. What is allocated is bounded by the length of b.
func ParseClock(b []byte) (Clock, []byte, error) {
	r := reader{rest: b}
	n := r.count(minEntrySize)
	c := Clock{entries: make(map[Actor]Entry, n)}
	var last Actor
	for range n {
		a := r.actor()
		e := r.entry()
		if a.Compare(last) <= 0 || e.IsEmpty() {
			r.bad = true
		}
		if r.bad {
			break
		}
		c.entries[a], last = e, a
	}
	if r.bad {
		return Clock{}, nil, fmt.Errorf("parse clock at byte %d: %w", len(b)-len(r.rest), ErrBadClock)
	}
	return c, r.rest, nil
}

// reader takes values off the front of rest; after the first one that is not there, bad stays set and every value is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	// A last byte of zero is a longer way to write the same number.
	if r.bad || size <= 0 || (size > 1 && r.rest[size-1] == 0) {
		r.bad = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// count reads a number of things of at least size bytes each, all of which must fit into the rest.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.rest)/size) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) actor() Actor {
	if r.bad || len(r.rest) < ActorSize {
		r.bad = true
		return Actor{}
	}
	a := ActorFrom([ActorSize]byte(r.rest))
	r.rest = r.rest[ActorSize:]
	return a
}

func (r *reader) entry() Entry {
	e := Entry{Base: r.uvarint()}
	n := r.count(2)
	if n == 0 {
		return e
	}
	e.Ext = make([]Interval, n)
	below := e.Base
	for i := range e.Ext {
		gap, length := r.uvarint(), r.uvarint()
		if r.bad || below > math.MaxUint64-2 || gap > math.MaxUint64-2-below || length > math.MaxUint64-(below+2+gap) {
			r.bad = true
			return Entry{}
		}
		lo := below + 2 + gap
		e.Ext[i] = Interval{lo, lo + length}
		below = lo + length
	}
	return e
}
