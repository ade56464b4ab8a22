package check

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/fixture"
)

// law is a rule, and how to look for a conflict that breaks it.
type law struct {
	name, rule string
	needed     bool
	// versions is how many versions a counterexample must have, 0 for any number.
	versions int
	// whole says that a counterexample is as large as it must be: it is neither shrunk nor shown.
	whole bool
	// right says for which handlers it is right to break the law.
	right string
	// inputs makes the conflicts to try.
	inputs func(k *checker, g *generator) iter.Seq[plugins.Input]
	// test holds the law against one conflict.
	test func(ctx context.Context, k *checker, in plugins.Input) (finding, error)
}

// finding is what became of a law on one conflict. The zero finding is that it says nothing about it.
type finding struct {
	// problem says how the law is broken, or nothing.
	problem string
	applies bool
	// shown is a conflict that shows the problem, with the verdict that the law wants for it. It is nil where that is the conflict itself, and
	// any verdict will do that is no trap, or the law only says that two of them are the same; then the problem says both.
	shown *fixture.Case
}

// judged is the finding of a law that says something about the conflict.
func judged(problem string) finding { return finding{problem: problem, applies: true} }

// wanting is the finding with this conflict for which the law wants that view.
func (f finding) wanting(in plugins.Input, want view) finding {
	if f.problem != "" {
		f.shown = new(fixture.New("", in))
		f.shown.Want = want.expected()
	}
	return f
}

// The names of the laws that others add to.
const (
	lawTraps  = "traps"
	lawFuel   = "fuel"
	lawScale  = "scale"
	lawGrowth = "growth"
)

// laws are all laws for a handler with these limits, in the order of the report.
func laws(l plugins.Limits) []law {
	if l.Reset != plugins.ResetNone {
		return slices.Concat(neededLaws(), goodLaws())
	}
	return slices.Concat(neededLaws(), []law{{
		name: "purity", needed: true, inputs: everyKind, test: testPurity, whole: true,
		rule: "without a reset between calls, verdict and fuel are the same",
	}}, goodLaws())
}

func neededLaws() []law {
	return []law{
		{
			name: "determinism", needed: true, inputs: everyKind, test: testDeterminism,
			rule: "the same conflict gives the same verdict and fuel, again and in a fresh instance",
		},
		{
			name: "interpreter", needed: true, inputs: everyKind, test: testInterpreter,
			rule: "compiled and interpreted, the handler gives the same verdict and fuel",
		},
		{
			name: lawTraps, needed: true, inputs: usualKinds, test: testTraps,
			rule: "no conflict of the usual kind traps: fixtures, recorded ones, and what is made of them",
		},
		{
			name: "deletes", needed: true, inputs: withDeletes, test: testTrapsUnlike(withoutDeletes),
			rule: "a version that is a delete does not trap where an empty value does not",
		},
		{
			name: "base", needed: true, inputs: withBase, test: testTrapsUnlike(withoutBase),
			rule: "a base, be it a delete, does not trap where none does not",
		},
		{
			name: "hostile", needed: true, inputs: hostileKinds, test: testTraps,
			rule: "no value, key or number of versions traps: any bytes, up to 16 KiB",
		},
		{
			name: lawFuel, needed: true, inputs: everyKind, test: testFuel,
			rule: "no call runs out of fuel",
		},
	}
}

func goodLaws() []law {
	return []law{
		{
			name: "fixtures", inputs: fixtures, test: testFixture, whole: true,
			rule: "the fixtures get the verdicts that they expect",
		},
		{
			name: "stamps", inputs: usual(2, 4), test: testStamps, right: "that is right for a handler that prefers a time or an origin",
			rule: "times and origins do not matter while the order of the versions is the same",
		},
		{
			name: "commutativity", inputs: usual(2, 4), test: testCommutativity, right: "that is right for a handler that lets the newest win",
			rule: "it does not matter which value was written first: f(a, b) = f(b, a)",
		},
		{
			name: "associativity", inputs: usual(3, 3), versions: 3, test: testAssociativity,
			rule: "merging in steps gives the same: f(f(a, b), c) = f(a, f(b, c))",
		},
		{
			name: "idempotence", inputs: usual(2, 2), test: testIdempotence,
			rule: "a merged value is stable: with x = f(a, b), f(x, x) = x",
		},
		{
			name: "absorption", inputs: usual(2, 2), test: testAbsorption,
			rule: "what is merged already adds nothing: with x = f(a, b), f(a, x) = x and f(b, x) = x",
		},
		{
			name: lawGrowth, inputs: usual(3, 3), versions: 3, test: testGrowth,
			rule: "merging the same values over and over does not grow without bound",
		},
		{
			name: "three-way", inputs: threeWay, test: testThreeWay, right: "that is right for a handler that removes nothing",
			rule: "a side that still is the base gives way to the side that has changed",
		},
		{
			name: lawScale, inputs: large, test: testScale, whole: true,
			rule: "two values of 16 KiB each do not trap, and sixteen times the bytes take at most 64 times the fuel",
		},
	}
}

// conclude adds what only all laws together know: fuel, and traps that laws of other things met.
func (k *checker) conclude(ctx context.Context, r *Report) error {
	all := laws(k.config.Limits)
	for i := range r.Laws {
		l, err := &r.Laws[i], error(nil)
		switch l.Name {
		case lawTraps:
			err = k.blame(ctx, all[i], l, k.trap)
		case lawFuel:
			err = k.blame(ctx, all[i], l, k.exhausted)
		}
		if err != nil {
			return err
		}
	}
	slices.Sort(k.fuel)
	if n := len(k.fuel); n > 0 {
		r.Fuel = Fuel{P99: k.fuel[(99*n+99)/100-1], Max: k.fuel[n-1]}
	}
	for i := range r.Laws {
		switch l := &r.Laws[i]; l.Name {
		case lawFuel:
			l.Note = k.fuelNote(r.Fuel)
		case lawGrowth:
			l.Note = k.growthNote()
		case lawScale:
			l.Note = k.scaleNote()
		}
	}
	r.Calls = k.calls
	return nil
}

// blame breaks a law that held for what another law met.
func (k *checker) blame(ctx context.Context, l law, examined *Law, s *sighting) error {
	if s == nil || examined.State == Broken {
		return nil
	}
	return k.minimise(ctx, l, s.in, judged(s.reason), examined)
}

// fuelNote is about how close to the limit calls came.
func (k *checker) fuelNote(f Fuel) string {
	limit := k.subject.Limits.Fuel
	text := fmt.Sprintf("at most %d, for 99 of 100 calls %d, of %d units", f.Max, f.P99, limit)
	if f.Max > limit/2 {
		text += "; that is more than half: raise the limit, or refuse large values with an error"
	}
	return text
}

// growthNote is about the size of merged values.
func (k *checker) growthNote() string {
	if k.ratio == 0 {
		return ""
	}
	return fmt.Sprintf("a merged value has at most %.2g times the bytes of its versions", k.ratio)
}
