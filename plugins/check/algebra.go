package check

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/fixture"
)

// gap is what lies between the times of the versions that the laws of algebra make, so that a merged value finds its place after
// what it covers and before what it has not seen.
const gap = 16

// view is what readers see of a conflict.
type view struct {
	outcome outcome
	// decided says that there is one version to be seen: version, with the stamp of a client that writes it back.
	decided bool
	version plugins.Version
}

// String says the view in a line.
func (v view) String() string {
	switch {
	case !v.decided:
		return v.outcome.String()
	case v.version.Deleted:
		return "deleted"
	default:
		return fixture.Describe(plugins.Verdict{Kind: plugins.Set, Value: v.version.Value})[len("set "):]
	}
}

// same says whether readers see the same: equal bytes, equal JSON, or nothing.
func (v view) same(w view) bool {
	return v.decided == w.decided && v.version.Deleted == w.version.Deleted && fixture.Equal(v.version.Value, w.version.Value)
}

// is says whether readers see this version.
func (v view) is(w plugins.Version) bool { return v.same(view{decided: true, version: w}) }

// expected is the expectation of a handler by which readers see this view.
func (v view) expected() *fixture.Want {
	if v.version.Deleted {
		return &fixture.Want{Kind: plugins.Delete}
	}
	_, isDocument := documentOf(v.version.Value)
	return &fixture.Want{Kind: plugins.Set, Value: v.version.Value, JSON: isDocument}
}

// refused says that the handler wants none of these values: it answered with an error, or trapped.
func (v view) refused() bool {
	return v.outcome.trap != "" || v.outcome.verdict.Kind == plugins.Failed
}

// view merges versions in any order. A trap is noted.
func (k *checker) view(ctx context.Context, in plugins.Input) (view, error) {
	in.Versions = slices.Clone(in.Versions)
	slices.SortFunc(in.Versions, func(a, b plugins.Version) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Origin, b.Origin))
	})
	o, err := k.call(ctx, in)
	if err != nil {
		return view{}, err
	}
	v := view{outcome: o}
	switch {
	case o.trap != "":
		if !o.exhausted {
			k.noteTrap(in, o.trap)
		}
		return v, nil
	case o.verdict.Kind == plugins.Set:
		v.version.Value = o.verdict.Value
	case o.verdict.Kind == plugins.Pick:
		v.version = in.Versions[o.verdict.Index]
	case o.verdict.Kind == plugins.Delete:
		v.version.Deleted = true
	default:
		return v, nil
	}
	newest := in.Versions[len(in.Versions)-1]
	v.decided, v.version.Time, v.version.Origin = true, newest.Time+1, newest.Origin
	return v, nil
}

// conflict is a conflict of these versions under in's key.
func conflict(in plugins.Input, versions ...plugins.Version) plugins.Input {
	return plugins.Input{Key: in.Key, Versions: versions}
}

// spaced gives the values of in stamps of their own, far apart, in order.
func spaced(in plugins.Input) plugins.Input {
	out := conflict(in, slices.Clone(in.Versions)...)
	for i := range out.Versions {
		out.Versions[i].Time, out.Versions[i].Origin = uint64(gap*(i+1)), uint64(len(out.Versions)-i)
	}
	return out
}

// compareViews compares views that should be the same. It says nothing about conflicts on which the handler trapped or never decided.
func compareViews(names [2]string, a, b view) finding {
	switch {
	case a.outcome.trap != "" || b.outcome.trap != "" || !a.decided && !b.decided:
		return finding{}
	case a.same(b):
		return judged("")
	default:
		return judged(fmt.Sprintf("%s is %s, %s is %s", names[0], a, names[1], b))
	}
}

func testStamps(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	a, err := k.view(ctx, in)
	if err != nil {
		return finding{}, err
	}
	b, err := k.view(ctx, spaced(in))
	return compareViews([2]string{"the value", "with other times and origins it"}, a, b), err
}

func testCommutativity(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	a, err := k.view(ctx, spaced(in))
	if err != nil {
		return finding{}, err
	}
	turned := conflict(in, slices.Clone(in.Versions)...)
	slices.Reverse(turned.Versions)
	b, err := k.view(ctx, spaced(turned))
	return compareViews([2]string{"the value", "in the opposite order it"}, a, b), err
}

func testAssociativity(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	v := spaced(in).Versions
	ab, err := k.view(ctx, conflict(in, v[0], v[1]))
	if err != nil || !ab.decided {
		return finding{}, err
	}
	bc, err := k.view(ctx, conflict(in, v[1], v[2]))
	if err != nil || !bc.decided {
		return finding{}, err
	}
	left, err := k.view(ctx, conflict(in, ab.version, v[2]))
	if err != nil {
		return finding{}, err
	}
	right, err := k.view(ctx, conflict(in, v[0], bc.version))
	return compareViews([2]string{"f(f(a, b), c)", "f(a, f(b, c))"}, left, right), err
}

func testIdempotence(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	v := spaced(in).Versions
	x, err := k.view(ctx, conflict(in, v[0], v[1]))
	if err != nil || !x.decided {
		return finding{}, err
	}
	twin := x.version
	twin.Time++
	twins := conflict(in, x.version, twin)
	xx, err := k.view(ctx, twins)
	return compareViews([2]string{"x = f(a, b)", "f(x, x)"}, x, xx).wanting(twins, x), err
}

func testAbsorption(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	v := spaced(in).Versions
	x, err := k.view(ctx, conflict(in, v[0], v[1]))
	if err != nil || !x.decided {
		return finding{}, err
	}
	for i, name := range []string{"f(a, x)", "f(b, x)"} {
		absorbed := conflict(in, v[i], x.version)
		again, err := k.view(ctx, absorbed)
		if err != nil {
			return finding{}, err
		}
		if f := compareViews([2]string{"x = f(a, b)", name}, x, again); f.problem != "" || !f.applies {
			return f.wanting(absorbed, x), nil
		}
	}
	return judged(""), nil
}

// The rounds of testGrowth: in each, all values are merged in once more. The last ones must not grow.
const (
	growthRounds = 6
	growthCalm   = 3
)

func testGrowth(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	v := spaced(in).Versions
	x := view{decided: true, version: v[0]}
	sizes := make([]int, growthRounds)
	for round := range sizes {
		for _, next := range v {
			next.Time = x.version.Time + gap
			var err error
			if x, err = k.view(ctx, conflict(in, x.version, next)); err != nil || !x.decided {
				return finding{}, err
			}
		}
		sizes[round] = len(x.version.Value)
	}
	for round := growthRounds - growthCalm; round < growthRounds; round++ {
		if sizes[round] <= sizes[round-1] {
			return judged(""), nil
		}
	}
	return judged(fmt.Sprintf("merged in again and again, three values of %d bytes become %d", total(v), sizes)), nil
}

// total is the length of all values.
func total(versions []plugins.Version) int {
	n := 0
	for i := range versions {
		n += len(versions[i].Value)
	}
	return n
}

// testThreeWay says something only where the base makes a difference, other than that it is refused.
func testThreeWay(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	if in.Base == nil || in.Base.Deleted {
		return finding{}, nil
	}
	with, err := k.view(ctx, in)
	if err != nil {
		return finding{}, err
	}
	without, err := k.view(ctx, conflict(in, in.Versions...))
	if err != nil || with.refused() || without.refused() || with.String() == without.String() {
		return finding{}, err
	}
	for _, changed := range in.Versions[:2] {
		for first := range 2 {
			if f, err := k.unchanged(ctx, in, changed, first == 0); f.problem != "" || err != nil {
				return f, err
			}
		}
	}
	return judged(""), nil
}

// unchanged merges a version with one that has the base's value, written before or after it.
func (k *checker) unchanged(ctx context.Context, in plugins.Input, changed plugins.Version, first bool) (finding, error) {
	side := *in.Base
	pair := []plugins.Version{side, changed}
	if !first {
		pair = []plugins.Version{changed, side}
	}
	one := spaced(conflict(in, pair...))
	one.Base = &plugins.Version{Value: in.Base.Value}
	v, err := k.view(ctx, one)
	if err != nil || v.refused() || v.is(changed) || bytes.Equal(changed.Value, side.Value) {
		return judged(""), err
	}
	normal, err := k.view(ctx, spaced(conflict(in, changed, changed)))
	if err != nil || normal.decided && v.same(normal) {
		return judged(""), err // it is what the handler writes for that value
	}
	want := view{decided: true, version: changed}
	return judged(fmt.Sprintf("one side still is the base, the other %s: together they are %s", want, v)).wanting(one, want), nil
}
