package replica

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// wireVersion is the first byte of every message of this package.
const wireVersion = 1

// Upper bounds of encoded sizes in bytes, without the bytes of keys and values.
const (
	lenSize     = binary.MaxVarintLen32
	headSize    = 1 + 2*lenSize
	actorSize   = clock.ActorSize + binary.MaxVarintLen64
	dotSize     = lenSize + binary.MaxVarintLen64
	versionSize = dotSize + 8 + lenSize // of a delete one byte and no length
	objectSize  = 5 * lenSize
	elderSize   = dotSize + 8 + 1 + lenSize
	placeSize   = 1
)

// AppendBinary appends the encoding of the delta to b:
//
//	version byte, the actors in the order of their bytes, for each its base (0 for none), then the objects:
//	key, versions (dot, stamp, value), context (actor, distance from its base), dots, the ancestors of the versions in the order of their age
//	(dot, stamp, a byte for what follows, value), and for each version the number of those in its past, of those before its gap, and twice the distance
//	of each from the one before it, plus one when it is sole
//
// The number of ancestors is sent plus one; a zero stands for versions none of which has a past. A past that was forgotten has one elder more than there
// can be, and nothing else.
//
// A version that is a delete has a zero before its counter, and no value.
//
// Actors are named by their place in the list, counters of successive dots of one actor by their distance, numbers are unsigned varints,
// stamps eight bytes big-endian.
func (d Delta) AppendBinary(b []byte) []byte {
	e := encoder{b: append(b, wireVersion), index: map[clock.Actor]uint64{}}
	e.actors(d)
	e.uvarint(uint64(len(d.Objects)))
	for _, p := range d.Objects {
		e.object(p, d.Base)
	}
	return e.b
}

// sizeOfHead returns an upper bound of the encoded size of a delta without objects.
func (d Delta) sizeOfHead() int {
	return headSize + len(d.Base)*actorSize
}

// sizeOf returns an upper bound of what p adds to the encoded size of the delta.
func (d Delta) sizeOf(p Packed) int {
	n := objectSize + len(p.Key)
	for _, v := range p.Object.Versions {
		n += versionSize + len(v.Value) + d.sizeOfActor(v.Dot.Actor)
	}
	for a := range p.Object.Context {
		n += dotSize + d.sizeOfActor(a)
	}
	for _, a := range ancestorsOf(p.Object.Versions) {
		n += elderSize + d.sizeOfActor(a.Dot.Actor)
		if !p.told {
			n += len(a.Value)
		}
	}
	for _, v := range p.Object.Versions {
		n += placeSize * (2 + len(v.Past.list()))
	}
	for _, dot := range p.Dots {
		n += dotSize + d.sizeOfActor(dot.Actor)
	}
	return n
}

// sizeOfActor returns the size of a in the list of actors unless the head has it.
func (d Delta) sizeOfActor(a clock.Actor) int {
	if _, ok := d.Base[a]; ok {
		return 0
	}
	return actorSize
}

// encoder appends values to b. index is the place of every actor in the message's list.
type encoder struct {
	b     []byte
	index map[clock.Actor]uint64
}

func (e *encoder) uvarint(n uint64) {
	e.b = binary.AppendUvarint(e.b, n)
}

func (e *encoder) text(s string) {
	e.uvarint(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) actor(a clock.Actor) {
	id := a.Bytes()
	e.b = append(e.b, id[:]...)
}

// actors appends the list of all actors of the delta with their bases.
func (e *encoder) actors(d Delta) {
	for a := range d.Base {
		e.index[a] = 0
	}
	for _, p := range d.Objects {
		for _, v := range p.Object.Versions {
			e.index[v.Dot.Actor] = 0
			for _, elder := range v.Past.list() {
				e.index[elder.Dot.Actor] = 0
			}
		}
		for a := range p.Object.Context {
			e.index[a] = 0
		}
		for _, dot := range p.Dots {
			e.index[dot.Actor] = 0
		}
	}
	e.uvarint(uint64(len(e.index)))
	sorted := slices.SortedFunc(maps.Keys(e.index), clock.Actor.Compare)
	for i, a := range sorted {
		e.index[a] = uint64(i)
		e.actor(a)
	}
	for _, a := range sorted {
		e.uvarint(d.Base[a])
	}
}

func (e *encoder) object(p Packed, base clock.Context) {
	e.text(p.Key)
	e.uvarint(uint64(len(p.Object.Versions)))
	for _, v := range p.Object.Versions {
		e.version(v)
	}
	e.context(p.Object.Context, base)
	e.dots(p.Dots)
	e.pasts(p)
}

func (e *encoder) version(v Version) {
	e.uvarint(e.index[v.Dot.Actor])
	if v.Deleted {
		e.uvarint(0)
	}
	e.uvarint(v.Dot.Counter)
	e.b = binary.BigEndian.AppendUint64(e.b, uint64(v.Stamp))
	if !v.Deleted {
		e.uvarint(uint64(len(v.Value)))
		e.b = append(e.b, v.Value...)
	}
}

// context appends what ctx has beyond base.
func (e *encoder) context(ctx, base clock.Context) {
	ahead := make([]clock.Actor, 0, len(ctx))
	for a, n := range ctx {
		if n > base[a] {
			ahead = append(ahead, a)
		}
	}
	slices.SortFunc(ahead, clock.Actor.Compare)
	e.uvarint(uint64(len(ahead)))
	for _, a := range ahead {
		e.uvarint(e.index[a])
		e.uvarint(ctx[a] - base[a])
	}
}

// dots appends sorted dots.
func (e *encoder) dots(dots []clock.Dot) {
	e.uvarint(uint64(len(dots)))
	var last clock.Dot
	for _, d := range dots {
		e.uvarint(e.index[d.Actor])
		e.uvarint(distance(last, d))
		last = d
	}
}

// distance returns how far the counter of d is from that of the dot before it, when both are of one actor.
func distance(last, d clock.Dot) uint64 {
	if last.Actor == d.Actor {
		return d.Counter - last.Counter
	}
	return d.Counter
}
