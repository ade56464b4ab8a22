package clock

import (
	"cmp"
	"strconv"
)

// Dot names one mutation: the Counter-th of Actor in one replica. Counters begin at 1. The zero Dot is no mutation.
type Dot struct {
	Actor   Actor
	Counter uint64
}

// IsZero reports whether d names no mutation.
func (d Dot) IsZero() bool {
	return d == Dot{}
}

// Compare orders dots by the bytes of their actors, then by counter.
func (d Dot) Compare(e Dot) int {
	if c := d.Actor.Compare(e.Actor); c != 0 {
		return c
	}
	return cmp.Compare(d.Counter, e.Counter)
}

// String returns the dot as people read it, "a1b2c3d4:17".
func (d Dot) String() string {
	return d.Actor.Short() + ":" + strconv.FormatUint(d.Counter, 10)
}
