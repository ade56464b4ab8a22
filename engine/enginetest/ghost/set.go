package ghost

import (
	"math/bits"
	"slices"
)

// Set is a set of events of one story, by their indices. It is never changed once made, so that it can be shared. The zero value is empty.
type Set []uint64

// Has reports whether the event is in the set.
func (s Set) Has(event int) bool {
	return event/64 < len(s) && s[event/64]&(1<<(event%64)) != 0
}

// And returns the events of both sets together.
func (s Set) And(other Set) Set {
	if s.Covers(other) {
		return s
	}
	out := make(Set, max(len(s), len(other)))
	copy(out, s)
	for i, word := range other {
		out[i] |= word
	}
	return out
}

// With returns the set and one more event.
func (s Set) With(event int) Set {
	if s.Has(event) {
		return s
	}
	out := make(Set, max(len(s), event/64+1))
	copy(out, s)
	out[event/64] |= 1 << (event % 64)
	return out
}

// Without returns the events that are not in other.
func (s Set) Without(other Set) Set {
	out := slices.Clone(s)
	for i := range min(len(s), len(other)) {
		out[i] &^= other[i]
	}
	return out
}

// Covers reports whether all events of other are in the set.
func (s Set) Covers(other Set) bool {
	for i, word := range other {
		if i < len(s) {
			word &^= s[i]
		}
		if word != 0 {
			return false
		}
	}
	return true
}

// Events returns the members in order.
func (s Set) Events() []int {
	var out []int
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			out = append(out, i*64+bits.TrailingZeros64(word))
		}
	}
	return out
}
