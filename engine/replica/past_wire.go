package replica

import (
	"encoding/binary"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// What follows of an ancestor: nothing, nothing since it is a delete, or its value.
const (
	ancestorNamed byte = iota
	ancestorValue
	ancestorDeleted
)

// ancestorsOf returns the versions in the pasts, once each, by their age.
func ancestorsOf(vs []Version) []elder {
	if len(vs) == 1 {
		return vs[0].Past.list()
	}
	var all Past
	for _, v := range vs {
		for _, e := range v.Past.list() {
			if i, found := all.search(e.Version); !found {
				all.elders = slices.Insert(all.elders, i, e)
			} else if all.elders[i].Lacks {
				all.elders[i] = e
			}
		}
	}
	return all.elders
}

// pasts appends what the versions of an object have overwritten.
func (e *encoder) pasts(p Packed) {
	if !slices.ContainsFunc(p.Object.Versions, func(v Version) bool { return v.Past != nil }) {
		e.uvarint(0)
		return
	}
	ancestors := ancestorsOf(p.Object.Versions)
	e.uvarint(uint64(len(ancestors)) + 1)
	for _, a := range ancestors {
		e.uvarint(e.index[a.Dot.Actor])
		e.uvarint(a.Dot.Counter)
		e.b = binary.BigEndian.AppendUint64(e.b, uint64(a.Stamp))
		switch {
		case a.Deleted:
			e.b = append(e.b, ancestorDeleted)
		case a.Lacks || p.told:
			e.b = append(e.b, ancestorNamed)
		default:
			e.b = append(e.b, ancestorValue)
			e.uvarint(uint64(len(a.Value)))
			e.b = append(e.b, a.Value...)
		}
	}
	for _, v := range p.Object.Versions {
		e.past(v.Past, ancestors)
	}
}

// pastForgotten stands where the number of elders does.
const pastForgotten = maxPast + 1

// past appends which of the ancestors a version has in its past.
func (e *encoder) past(p *Past, ancestors []elder) {
	switch {
	case p == nil:
		e.uvarint(0)
		return
	case p.isForgotten():
		e.uvarint(pastForgotten)
		return
	}
	e.uvarint(uint64(len(p.elders)))
	e.uvarint(uint64(p.gap))
	last, all := -1, Past{elders: ancestors}
	for _, elder := range p.elders {
		i, _ := all.search(elder.Version)
		n := uint64(i-last-1) << 1
		if elder.sole {
			n |= 1
		}
		e.uvarint(n)
		last = i
	}
}

// pasts reads what the versions of an object have overwritten.
func (d *decoder) pasts(vs []Version) {
	n := d.uvarint()
	if n == 0 {
		return
	}
	ancestors := d.ancestors(n - 1)
	for i := range vs {
		vs[i].Past = d.past(ancestors)
		if p := vs[i].Past; len(p.list()) > 0 && p.elders[len(p.elders)-1].compareAge(vs[i]) >= 0 {
			d.fail("ancestor that is not older")
		}
	}
}

func (d *decoder) ancestors(n uint64) []*Ancestor {
	out := make([]*Ancestor, d.fitting(n, minElderSize))
	for i := range out {
		out[i] = d.ancestor()
		if d.err == nil && i > 0 && out[i-1].compareAge(out[i].Version) >= 0 {
			d.fail("ancestors out of order")
		}
		if d.err != nil {
			return nil
		}
	}
	return out
}

func (d *decoder) ancestor() *Ancestor {
	place, counter := d.place(), d.uvarint()
	stamp := d.uint64()
	a := &Ancestor{}
	switch d.byte() {
	case ancestorNamed:
		a.Lacks = true
	case ancestorDeleted:
		a.Deleted = true
	case ancestorValue:
		a.Value = d.bytes(d.count(1))
	default:
		d.fail("whether a value follows")
	}
	if d.err == nil && counter == 0 {
		d.fail("ancestor without a counter")
	}
	if d.err != nil {
		return nil
	}
	a.Dot, a.Stamp = clock.Dot{Actor: d.actors[place], Counter: counter}, clock.Timestamp(stamp)
	return a
}

func (d *decoder) past(ancestors []*Ancestor) *Past {
	n := d.uvarint()
	switch {
	case d.err != nil || n == 0:
		return nil
	case n == pastForgotten:
		return &Past{}
	}
	if n > maxPast || n > uint64(len(ancestors)) {
		d.fail("past that is too long")
		return nil
	}
	p := &Past{elders: make([]elder, n), gap: int(min(d.uvarint(), maxPast+1))}
	last := -1
	for i := range p.elders {
		step := d.uvarint()
		if d.err != nil || step>>1 >= uint64(len(ancestors)-last-1) {
			d.fail("ancestor that is not in the list")
			return nil
		}
		last += int(step>>1) + 1
		p.elders[i] = elder{ancestors[last], step&1 == 1}
	}
	if p.gap > len(p.elders) {
		d.fail("gap after the end of a past")
		return nil
	}
	return p
}
