package clock

import "maps"

// Context is a causal context: for each actor, the counter up to which the actor's mutations of one key are known. An actor that is absent,
// or has counter 0, is unknown. A nil Context knows nothing and may be read, not joined into.
type Context map[Actor]uint64

// Covers reports whether the context knows d.
func (c Context) Covers(d Dot) bool {
	return c[d.Actor] >= d.Counter
}

// CoversAll reports whether the context knows everything that other knows.
func (c Context) CoversAll(other Context) bool {
	for a, n := range other {
		if c[a] < n {
			return false
		}
	}
	return true
}

// Join adds everything that other knows. The receiver must not be nil unless other is empty.
func (c Context) Join(other Context) {
	for a, n := range other {
		if n > c[a] {
			c[a] = n
		}
	}
}

// Clone returns a copy that shares nothing with c; nil stays nil.
func (c Context) Clone() Context {
	return maps.Clone(c)
}

// Equal reports whether both contexts know the same.
func (c Context) Equal(other Context) bool {
	return c.CoversAll(other) && other.CoversAll(c)
}
