package check

import (
	"bytes"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/kvnode/kvnode/plugins"
)

// generator makes the conflicts of one law.
type generator struct {
	*rand.Rand

	corpus *corpus
	runs   int
	limits plugins.Limits
}

// newGenerator makes the generator of the law of that name, independent of those of all others.
func newGenerator(k *checker, name string, runs int) *generator {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it has no errors
	return &generator{Rand: rand.New(rand.NewPCG(k.config.Seed, h.Sum64())), corpus: k.corpus, runs: runs, limits: k.subject.Limits}
}

// pick returns one of the elements.
func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// oneIn is true once in n times.
func (g *generator) oneIn(n int) bool { return g.IntN(n) == 0 }

// usual makes conflicts of between least and most versions: given ones first, then what is made of them.
func usual(least, most int) func(*checker, *generator) iter.Seq[plugins.Input] {
	return func(_ *checker, g *generator) iter.Seq[plugins.Input] {
		var given []plugins.Input
		for _, in := range g.corpus.some {
			if plain, ok := plainly(in, least, most); ok {
				given = append(given, plain)
			}
		}
		return g.after(given, func() plugins.Input { return g.conflict(least + g.IntN(most-least+1)) })
	}
}

// plainly is a given conflict without deletes and base, of the right number of versions, if it has enough of them.
func plainly(in plugins.Input, least, most int) (plugins.Input, bool) {
	versions := slices.DeleteFunc(slices.Clone(in.Versions), func(v plugins.Version) bool { return v.Deleted })
	if len(versions) < least {
		return plugins.Input{}, false
	}
	return conflict(in, versions[:min(most, len(versions))]...), true
}

// usualKinds are given conflicts as they are, and conflicts of two to five usual versions, some of them with a base.
func usualKinds(_ *checker, g *generator) iter.Seq[plugins.Input] {
	return g.after(g.corpus.conflicts, func() plugins.Input {
		in := g.conflict(2 + g.IntN(4))
		if g.oneIn(3) {
			in.Base = &plugins.Version{Value: g.value()}
		}
		return in
	})
}

// after yields what is given, and then as many conflicts as there are runs.
func (g *generator) after(given []plugins.Input, next func() plugins.Input) iter.Seq[plugins.Input] {
	return chain(slices.Values(given), func(yield func(plugins.Input) bool) {
		for range g.runs {
			if !yield(next()) {
				return
			}
		}
	})
}

// withDeletes are conflicts in which one version or more are deletes.
func withDeletes(_ *checker, g *generator) iter.Seq[plugins.Input] {
	return g.after(nil, func() plugins.Input {
		in := g.conflict(2 + g.IntN(3))
		one := g.IntN(len(in.Versions))
		for i := range in.Versions {
			if i == one || g.oneIn(4) {
				in.Versions[i].Value, in.Versions[i].Deleted = nil, true
			}
		}
		if g.oneIn(3) {
			in.Base = &plugins.Version{Value: g.value()}
		}
		return in
	})
}

// withBase are conflicts with a base: usual, equal to a version, a delete, empty, or hostile.
func withBase(_ *checker, g *generator) iter.Seq[plugins.Input] {
	return g.after(nil, func() plugins.Input {
		in := g.conflict(2 + g.IntN(3))
		switch in.Base = new(plugins.Version); g.IntN(5) {
		case 0:
			in.Base.Value = pick(g.Rand, in.Versions).Value
		case 1:
			in.Base.Deleted = true
		case 2:
		case 3:
			in.Base.Value = g.hostile()
		default:
			in.Base.Value = g.value()
		}
		return in
	})
}

// threeWay are two versions and a base, all different.
func threeWay(_ *checker, g *generator) iter.Seq[plugins.Input] {
	var given []plugins.Input
	for _, in := range g.corpus.some {
		if plain, ok := plainly(in, 2, 2); ok && in.Base != nil && !in.Base.Deleted {
			plain.Base = in.Base
			given = append(given, plain)
		}
	}
	return g.after(given, func() plugins.Input {
		in := g.conflict(3)
		in.Base = &plugins.Version{Value: in.Versions[0].Value}
		in.Versions = in.Versions[1:]
		return in
	})
}

// fixtures are the conflicts of the fixtures.
func fixtures(k *checker, _ *generator) iter.Seq[plugins.Input] {
	return func(yield func(plugins.Input) bool) {
		for _, c := range k.config.Fixtures {
			if !yield(c.Input()) {
				return
			}
		}
	}
}

// hostileKinds are all hostile values beside usual ones, and conflicts of nothing but hostile values.
func hostileKinds(_ *checker, g *generator) iter.Seq[plugins.Input] {
	var given []plugins.Input
	for _, value := range g.nasty() {
		for _, at := range []int{0, 1} {
			in := g.conflict(2)
			in.Versions[at].Value = value
			given = append(given, in)
		}
	}
	given = append(given, g.many())
	return g.after(given, func() plugins.Input {
		in := g.conflict(2 + g.IntN(3))
		for i := range in.Versions {
			if g.oneIn(2) {
				in.Versions[i].Value = g.hostile()
			}
		}
		if g.oneIn(4) {
			in.Key = g.hostile()
		}
		return in
	})
}

// everyKind are some of every kind: those that were given, usual ones, with deletes, with base, and hostile ones.
func everyKind(k *checker, g *generator) iter.Seq[plugins.Input] {
	quarter := *g
	quarter.runs = max(1, g.runs/4)
	return chain(slices.Values(g.corpus.some), usual(2, 5)(k, &quarter), withDeletes(k, &quarter), withBase(k, &quarter), hostileKinds(k, &quarter))
}

// conflict makes a conflict of n usual versions, their values all different where that is possible.
func (g *generator) conflict(n int) plugins.Input {
	in := plugins.Input{Key: pick(g.Rand, g.corpus.keys), Versions: make([]plugins.Version, n)}
	time := 1 + g.Uint64N(1<<g.IntN(60))
	for i := range in.Versions {
		in.Versions[i] = plugins.Version{Value: g.another(in.Versions[:i]), Time: time, Origin: g.Uint64()}
		time += 1 + g.Uint64N(1<<g.IntN(40))
	}
	return in
}

// another is a value that none of the versions has, unless that is hard to find.
func (g *generator) another(versions []plugins.Version) []byte {
	const attempts = 8
	value := g.value()
	for range attempts {
		if !slices.ContainsFunc(versions, func(v plugins.Version) bool { return bytes.Equal(v.Value, value) }) {
			break
		}
		value = g.value()
	}
	return value
}

// many is a conflict of as many versions as there may be.
func (g *generator) many() plugins.Input { return g.conflict(g.limits.Versions) }
