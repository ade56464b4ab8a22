package replica

import "slices"

// Base returns the version that all siblings have overwritten, and overwrote last: their nearest common ancestor. It is nil when there is none, when there
// are several, or when it is not remembered. It depends on nothing but the siblings, so that all replicas agree on it, but for Lacks: an Ancestor that Lacks,
// and has no Dot, stands for one that others may remember, where the past of a sibling was forgotten here.
//
// The nearest common ancestor is what three-way merges start from: Mens, "A State-of-the-Art Survey on Software Merging" (IEEE TSE 28(5), 2002).
func Base(siblings []Version) *Ancestor {
	switch {
	case len(siblings) < 2 || slices.ContainsFunc(siblings, func(s Version) bool { return s.Past == nil }):
		return nil
	case slices.ContainsFunc(siblings, func(s Version) bool { return s.Past.isForgotten() }):
		return &Ancestor{Lacks: true}
	}
	for _, e := range slices.Backward(siblings[0].Past.list()) {
		switch common := commonTo(siblings, e); {
		case common == nil:
		case isLast(siblings, common) && isNearest(siblings, common):
			return common
		default:
			return nil
		}
	}
	return nil
}

// commonTo returns the ancestor, with its value if any sibling has it, if all siblings have overwritten it.
func commonTo(siblings []Version, e elder) *Ancestor {
	out := e.Ancestor
	for _, s := range siblings {
		i, found := s.Past.search(e.Version)
		if !found {
			return nil
		}
		if a := s.Past.elders[i].Ancestor; out.Lacks && !a.Lacks {
			out = a
		}
	}
	return out
}

// isLast reports whether a common ancestor succeeds the older ones, and was the only version once, for all siblings.
func isLast(siblings []Version, a *Ancestor) bool {
	return !slices.ContainsFunc(siblings, func(s Version) bool { return !s.Past.isSole(a.Version) })
}

// isNearest reports whether no common ancestor succeeds a: one of the siblings names all that came after a in its past, or what all of that succeeds,
// and each of these some other sibling has not overwritten.
func isNearest(siblings []Version, a *Ancestor) bool {
	isCommon := func(e elder) bool {
		return !slices.ContainsFunc(siblings, func(s Version) bool { return s.Past.excludes(e.Version) })
	}
	return slices.ContainsFunc(siblings, func(s Version) bool {
		at, _ := s.Past.search(a.Version)
		later := s.Past.elders[at+1:]
		if at < s.Past.gap {
			later = s.Past.elders[at+1 : s.Past.gap]
		}
		return at+1 != s.Past.gap && !slices.ContainsFunc(later, isCommon)
	})
}

// excludes reports whether a version was certainly not overwritten. It must be later than some elder.
func (p *Past) excludes(v Version) bool {
	i, found := p.search(v)
	return !found && (p.gap == 0 || i != p.gap)
}
