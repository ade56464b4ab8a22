package clock

import (
	"cmp"
	"slices"
)

// Interval is the counters from Lo to Hi, both included.
type Interval struct {
	Lo, Hi uint64
}

// Entry is what a clock knows of one actor: the counters 1 to Base, and those in Ext.
// Invariant: Ext is sorted, disjoint, not adjacent, and begins above Base+1.
type Entry struct {
	Base uint64
	Ext  []Interval
}

// Has reports whether the counter n is known. No counter is 0, so 0 always is.
func (e Entry) Has(n uint64) bool {
	if n <= e.Base {
		return true
	}
	i := e.search(n)
	return i < len(e.Ext) && e.Ext[i].Lo <= n
}

// Max returns the greatest counter that is known, 0 for none.
func (e Entry) Max() uint64 {
	if len(e.Ext) == 0 {
		return e.Base
	}
	return e.Ext[len(e.Ext)-1].Hi
}

// IsEmpty reports whether nothing is known.
func (e Entry) IsEmpty() bool {
	return e.Base == 0 && len(e.Ext) == 0
}

// Equal reports whether both entries know the same counters.
func (e Entry) Equal(f Entry) bool {
	return e.Base == f.Base && slices.Equal(e.Ext, f.Ext)
}

// Covers reports whether e knows every counter that f knows.
func (e Entry) Covers(f Entry) bool {
	return len(f.Minus(e)) == 0
}

// Clone returns a copy that shares nothing with e.
func (e Entry) Clone() Entry {
	return Entry{Base: e.Base, Ext: slices.Clone(e.Ext)}
}

// Intervals returns all known counters as intervals, ascending: 1 to Base first, then Ext. The slice is new.
func (e Entry) Intervals() []Interval {
	out := make([]Interval, 0, len(e.Ext)+1)
	if e.Base > 0 {
		out = append(out, Interval{1, e.Base})
	}
	return append(out, e.Ext...)
}

// Intersect returns the counters that both entries know.
func (e Entry) Intersect(f Entry) Entry {
	var out []Interval
	a, b := e.Intervals(), f.Intervals()
	for len(a) > 0 && len(b) > 0 {
		if lo, hi := max(a[0].Lo, b[0].Lo), min(a[0].Hi, b[0].Hi); lo <= hi {
			out = append(out, Interval{lo, hi})
		}
		if a[0].Hi < b[0].Hi {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return entryOf(out)
}

// Within returns the counters of iv that are known, ascending. The slice is new.
func (e Entry) Within(iv Interval) []Interval {
	var out []Interval
	for _, known := range e.Intervals() {
		if lo, hi := max(known.Lo, iv.Lo), min(known.Hi, iv.Hi); lo <= hi {
			out = append(out, Interval{lo, hi})
		}
	}
	return out
}

// search returns the index of the first interval of Ext that does not end before n.
func (e Entry) search(n uint64) int {
	i, _ := slices.BinarySearchFunc(e.Ext, n, func(iv Interval, n uint64) int { return cmp.Compare(iv.Hi, n) })
	return i
}

// add makes the counters of iv known. It may change Ext in place. Invariant kept: see Entry.
func (e *Entry) add(iv Interval) {
	switch {
	case iv.Hi <= e.Base:
		return
	case iv.Lo <= e.Base+1:
		e.Base = iv.Hi
		e.absorb()
	default:
		e.insert(iv)
	}
}

// insert merges iv, which begins above Base+1, into Ext.
func (e *Entry) insert(iv Interval) {
	i := e.search(iv.Lo - 1) // the first interval that touches iv from the left, overlaps it or lies behind it
	j := i
	for j < len(e.Ext) && e.Ext[j].Lo-1 <= iv.Hi {
		iv.Lo, iv.Hi = min(iv.Lo, e.Ext[j].Lo), max(iv.Hi, e.Ext[j].Hi)
		j++
	}
	e.Ext = slices.Replace(e.Ext, i, j, iv)
}

// absorb moves the intervals that Base has reached into it.
func (e *Entry) absorb() {
	i := 0
	for i < len(e.Ext) && e.Ext[i].Lo-1 <= e.Base {
		e.Base = max(e.Base, e.Ext[i].Hi)
		i++
	}
	if i == len(e.Ext) {
		e.Ext = nil
		return
	}
	e.Ext = slices.Delete(e.Ext, 0, i)
}

// union returns the counters that e or f knows, as an entry that shares nothing with either.
func (e Entry) union(f Entry) Entry {
	all := slices.Concat(e.Intervals(), f.Intervals())
	slices.SortFunc(all, func(a, b Interval) int { return cmp.Compare(a.Lo, b.Lo) })
	return entryOf(all)
}

// Minus returns the counters that e knows and f does not, ascending. The slice is new.
func (e Entry) Minus(f Entry) []Interval {
	var out []Interval
	known := f.Intervals()
	for _, iv := range e.Intervals() {
		for len(known) > 0 && known[0].Hi < iv.Lo {
			known = known[1:]
		}
		out = appendRest(out, iv, known)
	}
	return out
}

// appendRest appends the parts of iv that lie outside of known, whose first interval does not end before iv.
func appendRest(out []Interval, iv Interval, known []Interval) []Interval {
	lo := iv.Lo
	for _, k := range known {
		if k.Lo > iv.Hi {
			break
		}
		if k.Lo > lo {
			out = append(out, Interval{lo, k.Lo - 1})
		}
		if k.Hi >= iv.Hi {
			return out
		}
		lo = k.Hi + 1
	}
	return append(out, Interval{lo, iv.Hi})
}

// entryOf returns the entry of the counters in sorted intervals, which may touch or overlap.
func entryOf(sorted []Interval) Entry {
	var e Entry
	for _, iv := range sorted {
		last := len(e.Ext) - 1
		switch {
		case iv.Lo-1 <= e.Base && last < 0:
			e.Base = max(e.Base, iv.Hi)
		case last >= 0 && iv.Lo-1 <= e.Ext[last].Hi:
			e.Ext[last].Hi = max(e.Ext[last].Hi, iv.Hi)
		default:
			e.Ext = append(e.Ext, iv)
		}
	}
	return e
}
