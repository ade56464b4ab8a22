package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/fixture"
)

// numFresh is how many modules are loaded anew: a second for a large one.
const numFresh = 3

// maxInterpreted is how much fuel the interpreter may use in all: it takes some 50 times as long as compiled code.
const maxInterpreted = 30_000_000

// testDeterminism runs the conflict twice, and once where little was run before.
func testDeterminism(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	first, err := k.call(ctx, in)
	if err != nil {
		return finding{}, err
	}
	again, err := k.call(ctx, in)
	if err != nil {
		return finding{}, err
	}
	if problem := differ("first", first, "again", again); problem != "" {
		return judged(problem), nil
	}
	fresh, err := k.freshOne(ctx)
	if err != nil {
		return finding{}, err
	}
	other, err := k.callOn(ctx, fresh, in)
	return judged(differ("in a used instance", first, "in a fresh one", other)), err
}

// freshOne returns one of the modules that have run little, each in its turn.
func (k *checker) freshOne(ctx context.Context) (fixture.Resolver, error) {
	if len(k.fresh) < numFresh {
		r, err := k.subject.Fresh(ctx)
		if err == nil {
			k.fresh = append(k.fresh, r)
		}
		return r, err
	}
	return k.fresh[k.calls%numFresh], nil
}

// differ compares two outcomes of one conflict, and says what is different, or nothing.
func differ(where string, a outcome, elsewhere string, b outcome) string {
	switch {
	case a.String() != b.String() || string(a.verdict.Value) != string(b.verdict.Value):
		return fmt.Sprintf("%s %s, %s %s", where, a, elsewhere, b)
	case a.verdict.Fuel != b.verdict.Fuel:
		return fmt.Sprintf("same verdict, other fuel: %s %d units, %s %d", where, a.verdict.Fuel, elsewhere, b.verdict.Fuel)
	default:
		return ""
	}
}

// testInterpreter runs the conflict compiled and interpreted, while there is fuel. A call that nests too deep says nothing: the
// interpreter's own stack ends earlier.
func testInterpreter(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	if k.interpreted >= maxInterpreted {
		return finding{}, nil
	}
	compiled, err := k.call(ctx, in)
	if err != nil || k.interpreted+compiled.verdict.Fuel > maxInterpreted {
		return finding{}, err
	}
	k.interpreted += compiled.verdict.Fuel
	interpreted, err := k.callOn(ctx, k.subject.Interpreted, in)
	if err != nil || strings.Contains(compiled.trap+interpreted.trap, "stack") {
		return finding{}, err
	}
	return judged(differ("compiled", compiled, "interpreted", interpreted)), nil
}

// testPurity runs the conflict after whatever was run before, in the state that this has left. What that depends on is the history, so
// there is no small counterexample.
func testPurity(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	reset, err := k.call(ctx, in)
	if err != nil {
		return finding{}, err
	}
	unreset, err := k.callOn(ctx, k.subject.Unreset, in)
	if err != nil {
		return finding{}, err
	}
	if doubt := k.subject.Doubt(); doubt != nil {
		return judged(doubt.Error()), nil
	}
	return judged(differ("after a reset", reset, "without one", unreset)), nil
}

// testTraps wants any verdict. Running out of fuel is another law.
func testTraps(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	o, err := k.call(ctx, in)
	if err != nil || o.trap == "" || o.exhausted {
		return judged(""), err
	}
	return judged(o.trap), nil
}

// testTrapsUnlike wants what testTraps wants, of conflicts for which another one, that plain makes of it, does not trap. When that one
// traps as well, it breaks the law of traps.
func testTrapsUnlike(plain func(plugins.Input) plugins.Input) func(context.Context, *checker, plugins.Input) (finding, error) {
	return func(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
		trap, err := testTraps(ctx, k, in)
		if trap.problem == "" || err != nil {
			return trap, err
		}
		without := plain(in)
		other, err := testTraps(ctx, k, without)
		if other.problem == "" || err != nil {
			return trap, err
		}
		k.noteTrap(without, other.problem)
		return finding{}, nil
	}
}

// withoutDeletes has empty values where in has deletes.
func withoutDeletes(in plugins.Input) plugins.Input {
	in.Versions = slices.Clone(in.Versions)
	for i := range in.Versions {
		in.Versions[i].Deleted = false
	}
	return in
}

func withoutBase(in plugins.Input) plugins.Input {
	in.Base = nil
	return in
}

// testFuel wants the call to end.
func testFuel(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	o, err := k.call(ctx, in)
	if err != nil || !o.exhausted {
		return judged(""), err
	}
	return judged(o.trap), nil
}

// testFixture holds a verdict against what the case of this conflict expects.
func testFixture(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	for i, c := range k.config.Fixtures {
		if c.Want == nil || !sameInput(c.Input(), in) {
			continue
		}
		results, err := fixture.Run(ctx, k.subject.Reused, k.config.Fixtures[i:i+1])
		if err != nil {
			return finding{}, err
		}
		if r := results[0]; !r.Passed {
			return judged(fmt.Sprintf("%s: %s%s", c.Label(i), r.Trap, r.Difference)), nil
		}
		return judged(""), nil
	}
	return finding{}, nil
}

// sameInput says whether both are one conflict of one case: they share its versions.
func sameInput(a, b plugins.Input) bool {
	return &a.Versions[0] == &b.Versions[0]
}
