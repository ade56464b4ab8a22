package replica

import (
	"cmp"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// A version remembers which versions its author overwrote, so that whoever judges a conflict can tell what each side has changed: its past. A past is
// fixed at birth, by the author, and travels with the version. So the base of siblings is a function of the siblings alone, and the same everywhere.
// What overwrites a version adds it to the past that it takes over; older ones are left out as follows.
//
//   - Once a version is known to be everywhere, what came before it is no base of anything that is written from then on.
//   - Of more than maxPast the oldest and the newest are kept: where a split began, and what just happened. Between them is a gap.
//   - A past goes altogether once its version stands alone and nothing concurrent can be under way any more, see CollectPasts. Replicas do that at
//     different times. Until then no concurrent version can arrive that they would judge differently; a write with an old context is made where both are
//     known, and its object brings the other version with its past.
//   - Members that are forgotten are not waited for. When one comes back with a concurrent version, some replicas have forgotten the past of the other,
//     and some have not. So a replica remembers that it has forgotten a past, which no version without a past has: then it does not know whether there is
//     a base, and asks for it as for a value that it lacks.

const (
	// maxPast is how many versions a past names at most.
	maxPast = 8
	// oldPast is how many of these are the oldest, before a gap.
	oldPast = 5
	// maxPastBytes bounds the values of a past: an object travels whole, in one message.
	maxPastBytes = 2 << 20
)

// Ancestor is a version that was overwritten.
type Ancestor struct {
	Version

	// Lacks says that the value is not known here.
	Lacks bool
}

// Past is what a version has overwritten, as far as that is remembered: in the order of stamps, then dots. It is never changed. One without elders was
// forgotten here.
type Past struct {
	elders []elder
	// gap is 0, or the number of elders before which nothing is left out; what is left out after them has succeeded all of these.
	gap int
}

// elder is one version of a past. It is sole when each earlier one in the past precedes it, and each later one succeeds it.
type elder struct {
	*Ancestor

	sole bool
}

func (v Version) compareAge(w Version) int {
	return cmp.Or(cmp.Compare(v.Stamp, w.Stamp), v.Dot.Compare(w.Dot))
}

// isForgotten reports whether there was a past, which is not remembered here.
func (p *Past) isForgotten() bool {
	return p != nil && len(p.elders) == 0
}

func (v Version) withoutPast() Version {
	v.Past = nil
	return v
}

// list returns the elders, also of no past.
func (p *Past) list() []elder {
	if p == nil {
		return nil
	}
	return p.elders
}

// search returns the place of the version in the past, or where it would be.
func (p *Past) search(v Version) (int, bool) {
	return slices.BinarySearchFunc(p.list(), v, func(e elder, v Version) int { return e.compareAge(v) })
}

func (p *Past) isSole(v Version) bool {
	i, found := p.search(v)
	return found && p.elders[i].sole
}

// pastOf returns the past of a local write over old that leaves some versions.
func (r *Replica) pastOf(w Write, old entry, kept []Version) *Past {
	switch {
	case len(old.Versions) == 0 || !old.Context.CoversAll(r.stripped(w.Context)):
		return nil // the writer may have seen, and overwritten, what is not known here
	case len(kept) > 0 && len(old.Versions) > 1:
		return nil
	case len(kept) > 0:
		return kept[0].Past.glimpsed(w.Context)
	}
	out := &Past{}
	if *out = lineOf(old.Versions[0]); len(old.Versions) > 1 {
		*out = union(linesOf(old.Versions))
	}
	r.raise(out)
	if out.limit(); len(out.elders) == 0 {
		return nil
	}
	return out
}

// linesOf returns the pasts of what overwrites one of the versions each.
func linesOf(vs []Version) []Past {
	lines := make([]Past, len(vs))
	for i, v := range vs {
		lines[i] = lineOf(v)
	}
	return lines
}

// lineOf returns the past of what overwrites v.
func lineOf(v Version) (line Past) {
	elders := v.Past.list()
	if n := len(elders); v.Past.isGlimpse() || n > 0 && elders[n-1].compareAge(v) >= 0 {
		elders = nil // of a stamp that the audit has corrected nothing is known
	}
	if len(elders) > 0 {
		line.gap = v.Past.gap
	}
	line.elders = make([]elder, 0, len(elders)+1)
	line.elders = append(append(line.elders, elders...), elder{&Ancestor{Version: v.withoutPast()}, true})
	return line
}

// glimpsed returns the past of a write whose author has seen one of these versions last, and maybe others that were replaced since: nobody can tell whether
// it has overwritten a later one.
func (p *Past) glimpsed(ctx clock.Context) *Past {
	for _, e := range slices.Backward(p.list()) {
		if e.sole && ctx.Covers(e.Dot) {
			return &Past{elders: []elder{e}, gap: 1}
		}
	}
	return nil
}

// isGlimpse reports whether nothing is known of what came after the elders.
func (p *Past) isGlimpse() bool {
	return p != nil && p.gap == len(p.elders)
}

// union joins the lines of siblings.
func union(lines []Past) Past {
	var out Past
	end, gaps := commonEnd(lines)
	for _, line := range lines {
		elders := line.elders
		if gaps && end == nil {
			elders = elders[max(len(elders)-1, 0):]
		}
		for _, e := range elders {
			out.insert(e, lines)
		}
	}
	if end != nil {
		i, _ := out.search(end.Version)
		out.gap = i + 1
	}
	return out
}

// commonEnd returns the last elder before the first gap, if it is sole in all lines: then what is left out of any has succeeded it. gaps says whether
// there are any.
func commonEnd(lines []Past) (end *Ancestor, gaps bool) {
	for _, line := range lines {
		if line.gap > 0 && (end == nil || line.elders[line.gap-1].compareAge(end.Version) < 0) {
			end = line.elders[line.gap-1].Ancestor
		}
	}
	if end == nil {
		return nil, false
	}
	if slices.ContainsFunc(lines, func(line Past) bool { return !line.isSole(end.Version) }) {
		return nil, true
	}
	return end, true
}

// insert adds an elder of one of the lines.
func (p *Past) insert(e elder, lines []Past) {
	i, found := p.search(e.Version)
	if found {
		return
	}
	e.sole = !slices.ContainsFunc(lines, func(line Past) bool { return !line.isSole(e.Version) })
	p.elders = slices.Insert(p.elders, i, e)
}

// raise leaves out what is older than a version that is everywhere.
func (r *Replica) raise(p *Past) {
	for i := len(p.elders) - 1; i > 0; i-- {
		if p.elders[i].sole && r.isEverywhere(p.elders[i].Dot) {
			p.cut(i)
			return
		}
	}
}

// cut leaves out the oldest n.
func (p *Past) cut(n int) {
	p.elders = p.elders[n:]
	p.gap = max(p.gap-n, 0)
}

// limit leaves out what a past has beyond maxPast and maxPastBytes: what follows the oldest, as far as it succeeds these, or the oldest.
func (p *Past) limit() {
	for len(p.elders) > maxPast || p.size() > maxPastBytes {
		for k := min(oldPast, len(p.elders)-1); k > 0 && p.gap == 0; k-- {
			if p.elders[k-1].sole {
				p.gap = k
			}
		}
		switch p.gap {
		case 0:
			p.cut(1)
		case len(p.elders):
			p.end()
		default:
			p.elders = slices.Delete(p.elders, p.gap, p.gap+1)
		}
	}
}

// end leaves out the last elder before a gap that ends the past, and those before it that did not stand alone.
func (p *Past) end() {
	p.elders = p.elders[:len(p.elders)-1]
	for len(p.elders) > 0 && !p.elders[len(p.elders)-1].sole {
		p.elders = p.elders[:len(p.elders)-1]
	}
	p.gap = len(p.elders)
}

// size is how many bytes the values have.
func (p *Past) size() (bytes int) {
	for _, e := range p.elders {
		bytes += len(e.Value)
	}
	return bytes
}

// isEverywhere reports whether all members that were known at the last collection are known to have the mutation. That it has left the log says nothing:
// the log is bounded.
func (r *Replica) isEverywhere(d clock.Dot) bool {
	return r.known != nil && !slices.ContainsFunc(r.known, func(member clock.Actor) bool { return !r.Knows(member, d) })
}

// isTold reports whether a mutation that leaves these versions may travel without the values of their pasts. Who lacks the value of something that a lean
// mutation has overwritten lacks the mutation which wrote that, does not take it for known now if this one travels alone, and gets it by repair, with the
// value: see packFor. What siblings have overwritten is needed at once, and always travels.
func (r *Replica) isTold(vs []Version, leanAlone bool) bool {
	return len(vs) == 1 && (leanAlone || !slices.ContainsFunc(vs[0].Past.list(), func(e elder) bool { return !r.isEverywhere(e.Dot) }))
}

// recall gives versions, which were merged out of old and of what has arrived, their pasts: also those of a conflict that the other replica still has,
// and all values that are known here or have come. The values that arrived are copied.
func recall(merged, old, arrived []Version) {
	for i, v := range merged {
		mine, theirs := pastOfDot(old, v.Dot), pastOfDot(arrived, v.Dot)
		switch {
		case mine != nil && mine.lacks():
			merged[i].Past = mine.filled(old, arrived)
		case mine == nil && theirs.isForgotten():
			merged[i].Past = theirs
		case len(mine.list()) == 0 && len(theirs.list()) > 0 && (len(merged) > 1 || !hasDot(old, v.Dot)):
			merged[i].Past = theirs.filled(old, arrived)
		}
	}
}

func pastOfDot(vs []Version, d clock.Dot) *Past {
	if i := slices.IndexFunc(vs, func(v Version) bool { return v.Dot == d }); i >= 0 {
		return vs[i].Past
	}
	return nil
}

func (p *Past) lacks() bool {
	return slices.ContainsFunc(p.elders, func(e elder) bool { return e.Lacks })
}

// filled returns a copy of the past, with the values that old has, and copies of those that have arrived.
func (p *Past) filled(old, arrived []Version) *Past {
	out := &Past{elders: slices.Clone(p.elders), gap: p.gap}
	for i, e := range out.elders {
		if held := ancestorIn(old, e.Version); held != nil {
			out.elders[i].Ancestor = held
		} else if came := ancestorIn(arrived, e.Version); came != nil {
			v := came.withoutPast()
			v.Value = slices.Clone(v.Value)
			out.elders[i].Ancestor = &Ancestor{Version: v}
		}
	}
	return out
}

// ancestorIn returns what versions have of v, themselves or in their pasts, with its value; nil for none.
func ancestorIn(vs []Version, v Version) *Ancestor {
	for _, held := range vs {
		if held.Dot == v.Dot && held.Stamp == v.Stamp {
			return &Ancestor{Version: held.withoutPast()}
		}
		if i, found := held.Past.search(v); found && !held.Past.elders[i].Lacks {
			return held.Past.elders[i].Ancestor
		}
	}
	return nil
}
