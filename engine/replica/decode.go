package replica

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/kvnode/kvnode/clock"
)

// Least encoded sizes in bytes; they bound what is allocated for a number that a message claims.
const (
	minActorSize   = clock.ActorSize + 1
	minObjectSize  = 5
	minVersionSize = 11
	minPairSize    = 2
	minElderSize   = 11
)

// ParseDelta reads what Delta.AppendBinary wrote; anything else is ErrMalformed. The values of the delta are parts of b; keys are copies. What is
// allocated is bounded by the length of b.
func ParseDelta(b []byte) (Delta, error) {
	d := decoder{rest: b}
	out, err := d.delta()
	if err == nil && len(d.rest) > 0 {
		err = d.malformed("bytes after the end")
	}
	if err != nil {
		return Delta{}, fmt.Errorf("parse delta at byte %d of %d: %w", len(b)-len(d.rest), len(b), err)
	}
	return out, nil
}

// decoder takes values off the front of rest. After the first that is not there, err stays set and every value is zero. actors and base are
// the message's list.
type decoder struct {
	rest   []byte
	err    error
	actors []clock.Actor
	base   clock.Context
}

func (d *decoder) malformed(what string) error {
	return fmt.Errorf("%s: %w", what, ErrMalformed)
}

// fail keeps the first error.
func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = d.malformed(what)
	}
}

func (d *decoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	n, size := binary.Uvarint(d.rest)
	// A last byte of zero is a longer way to write the same number.
	if size <= 0 || (size > 1 && d.rest[size-1] == 0) {
		d.fail("number")
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// count reads a number of things of at least size bytes each, all of which must fit into the rest.
func (d *decoder) count(size int) int {
	return d.fitting(d.uvarint(), size)
}

// fitting returns n, a number of things of at least size bytes each, if they fit into the rest.
func (d *decoder) fitting(n uint64, size int) int {
	if n > uint64(len(d.rest)/size) {
		d.fail("more things than bytes")
		return 0
	}
	return int(n)
}

// bytes reads n bytes, which are a part of the input.
func (d *decoder) bytes(n int) []byte {
	if d.err != nil || n > len(d.rest) {
		d.fail("too short")
		return nil
	}
	out := d.rest[:n:n]
	d.rest = d.rest[n:]
	return out
}

func (d *decoder) text() string {
	return string(d.bytes(d.count(1)))
}

func (d *decoder) version() {
	if b := d.bytes(1); d.err == nil && b[0] != wireVersion {
		d.fail("unknown version")
	}
}

// nextActor reads an actor that comes after last in the order of the bytes.
func (d *decoder) nextActor(last clock.Actor) clock.Actor {
	b := d.bytes(clock.ActorSize)
	if d.err != nil {
		return clock.Actor{}
	}
	a := clock.ActorFrom([clock.ActorSize]byte(b))
	if a.Compare(last) <= 0 {
		d.fail("actors out of order")
	}
	return a
}

func (d *decoder) delta() (Delta, error) {
	d.version()
	d.header()
	out := Delta{Base: d.base}
	n := d.count(minObjectSize)
	if n > 0 {
		out.Objects = make([]Packed, 0, n)
	}
	for range n {
		p := d.object()
		if d.err != nil {
			break
		}
		out.Objects = append(out.Objects, p)
	}
	return out, d.err
}

// header reads the list of actors and their bases.
func (d *decoder) header() {
	d.actors = make([]clock.Actor, d.count(minActorSize))
	var last clock.Actor
	for i := range d.actors {
		last = d.nextActor(last)
		d.actors[i] = last
	}
	d.base = make(clock.Context, len(d.actors))
	for _, a := range d.actors {
		if n := d.uvarint(); n > 0 {
			d.base[a] = n
		}
	}
}

func (d *decoder) object() Packed {
	p := Packed{Key: d.text()}
	p.Object.Versions = d.versions()
	p.Object.Context = d.context()
	p.Dots = d.dots()
	d.pasts(p.Object.Versions)
	for _, v := range p.Object.Versions {
		if d.err == nil && !p.Object.Context.Covers(v.Dot) && !d.base.Covers(v.Dot) {
			d.fail("version that its context does not cover")
		}
	}
	return p
}

// place reads a place in the list of actors.
func (d *decoder) place() int {
	i := d.uvarint()
	if d.err == nil && i >= uint64(len(d.actors)) {
		d.fail("actor that is not in the list")
	}
	if d.err != nil {
		return -1
	}
	return int(i)
}

func (d *decoder) versions() []Version {
	n := d.count(minVersionSize)
	if n == 0 {
		return nil
	}
	out := make([]Version, n)
	var last clock.Dot
	for i := range out {
		v := d.oneVersion()
		if d.err == nil && (v.Dot.Counter == 0 || last.Compare(v.Dot) >= 0) {
			d.fail("versions out of order")
		}
		if d.err != nil {
			return nil
		}
		out[i], last = v, v.Dot
	}
	return out
}

func (d *decoder) oneVersion() Version {
	place, counter := d.place(), d.uvarint()
	isDelete := counter == 0
	if isDelete {
		counter = d.uvarint()
	}
	stamp := d.bytes(8)
	var value []byte
	if !isDelete {
		value = d.bytes(d.count(1))
	}
	if d.err != nil {
		return Version{}
	}
	return Version{
		Dot:     clock.Dot{Actor: d.actors[place], Counter: counter},
		Stamp:   clock.Timestamp(binary.BigEndian.Uint64(stamp)),
		Value:   value,
		Deleted: isDelete,
	}
}

func (d *decoder) context() clock.Context {
	n := d.count(minPairSize)
	if n == 0 {
		return nil
	}
	ctx := make(clock.Context, n)
	last := -1
	for range n {
		place, ahead := d.place(), d.uvarint()
		if d.err == nil && (place <= last || ahead == 0 || ahead > math.MaxUint64-d.base[d.actors[place]]) {
			d.fail("context out of order")
		}
		if d.err != nil {
			return nil
		}
		a := d.actors[place]
		ctx[a] = d.base[a] + ahead
		last = place
	}
	return ctx
}

func (d *decoder) dots() []clock.Dot {
	n := d.count(minPairSize)
	if n == 0 {
		return nil
	}
	out := make([]clock.Dot, n)
	last, counter := -1, uint64(0)
	for i := range out {
		place := d.place()
		if place != last {
			counter = 0
		}
		counter = d.counterAfter(counter)
		if d.err == nil && place < last {
			d.fail("dots out of order")
		}
		if d.err != nil {
			return nil
		}
		out[i] = clock.Dot{Actor: d.actors[place], Counter: counter}
		last = place
	}
	return out
}

// counterAfter reads the distance of a counter from the one before it.
func (d *decoder) counterAfter(last uint64) uint64 {
	n := d.uvarint()
	if d.err == nil && (n == 0 || n > math.MaxUint64-last) {
		d.fail("counters out of order")
	}
	return last + n
}
