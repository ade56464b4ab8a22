package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/fixture"
)

// State is what was found of a law.
type State string

// The states of a law.
const (
	// Held: nothing was found that breaks it. That is no proof.
	Held State = "held"
	// Broken: there is a counterexample.
	Broken State = "broken"
	// NotApplicable: no conflict was found that the law says anything about.
	NotApplicable State = "not applicable"
)

// Report is what a check found. In JSON it is what is kept beside a module and with it.
type Report struct {
	// SHA256 identifies the module, in hex.
	SHA256 string `json:"sha256"`
	// Rewriter is the version of the host's rewriter: with another one the report says nothing about fuel.
	Rewriter int `json:"rewriter"`
	// Limits are those that it was made for: with others a node may see another behaviour.
	Limits Limits `json:"limits"`
	// Time is when the check was made, in UTC.
	Time time.Time `json:"time"`
	Seed uint64    `json:"seed"`
	// Runs is how many conflicts were made for each law, Calls how often the handler was run in all.
	Runs  int `json:"runs"`
	Calls int `json:"calls"`
	// Fixtures and Recorded are how many cases were given.
	Fixtures int   `json:"fixtures"`
	Recorded int   `json:"recorded"`
	Fuel     Fuel  `json:"fuel"`
	Laws     []Law `json:"laws"`
}

// Limits are those that the handler was run with, defaults filled.
type Limits struct {
	MemoryBytes uint64 `json:"memory_bytes"`
	Fuel        uint64 `json:"fuel"`
	OutputBytes uint64 `json:"output_bytes"`
	// Reset is plugins.ResetNone for a handler that is to be installed so.
	Reset plugins.Reset `json:"reset"`
}

// Fuel is what calls that did not trap used.
type Fuel struct {
	// P99 is what 99 of 100 calls stayed within, Max the most.
	P99 uint64 `json:"p99"`
	Max uint64 `json:"max"`
}

// Law is one law and what was found.
type Law struct {
	Name string `json:"name"`
	// Needed says that a node relies on it; the others are merely good.
	Needed bool `json:"needed"`
	// Rule says the law in one sentence.
	Rule  string `json:"rule"`
	State State  `json:"state"`
	// Count is how many conflicts the law was held against.
	Count int `json:"count"`
	// Problem says how the law is broken, Note what else is worth knowing.
	Problem string `json:"problem,omitempty"`
	Note    string `json:"note,omitempty"`
	// Counterexample is a small conflict that breaks the law, to be pasted into a fixture file. Where it traps, or has an expectation, it fails as
	// a fixture until the handler is mended; else the law says that two outcomes are the same, and Problem what they are: f(a, b) is the
	// handler's value for a and b. It is nil where the module is at fault on every conflict, or a size is the point.
	Counterexample *fixture.Case `json:"counterexample,omitempty"`
}

// OK says that no needed law is broken.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Laws, func(l Law) bool { return l.Needed && l.State == Broken })
}

// Broken are the names of the broken laws, in the order of the report.
func (r *Report) Broken() []string {
	var names []string
	for _, l := range r.Laws {
		if l.State == Broken {
			names = append(names, l.Name)
		}
	}
	return names
}

// Summary says the report in one line: "ok: 7 of 7 needed laws held, 8 of 9 good ones (broken: associativity)". Laws that do not
// apply are not counted.
func (r *Report) Summary() string {
	var applied, held [2]int
	for _, l := range r.Laws {
		i := 0
		if l.Needed {
			i = 1
		}
		switch l.State {
		case Held:
			held[i]++
			applied[i]++
		case Broken:
			applied[i]++
		case NotApplicable:
		}
	}
	word, list := "ok", ""
	if !r.OK() {
		word = "broken"
	}
	if broken := r.Broken(); len(broken) > 0 {
		list = " (broken: " + strings.Join(broken, ", ") + ")"
	}
	return fmt.Sprintf("%s: %d of %d needed laws held, %d of %d good ones%s", word, held[1], applied[1], held[0], applied[0], list)
}

// Fit is the report without the largest of its counterexamples, as many as it takes to encode the rest in at most n bytes of JSON, and
// with short problems if that is not enough. Laws and states stay.
func (r Report) Fit(n int) Report {
	r.Laws = slices.Clone(r.Laws)
	for encodedSize(r) > n {
		if !dropLargest(r.Laws) {
			shorten(r.Laws)
			break
		}
	}
	return r
}

// shorten cuts all problems.
func shorten(laws []Law) {
	for i := range laws {
		laws[i].Problem = cut(laws[i].Problem, shortProblem)
	}
}

// dropLargest takes the largest counterexample away, and says whether there was one.
func dropLargest(laws []Law) bool {
	largest, size := -1, 0
	for i, l := range laws {
		if l.Counterexample == nil {
			continue
		}
		if s := encodedSize(l.Counterexample); s > size {
			largest, size = i, s
		}
	}
	if largest >= 0 {
		laws[largest].Counterexample = nil
	}
	return largest >= 0
}

// The lengths of a problem, in bytes.
const (
	maxProblem   = 500
	shortProblem = 100
)

// cut is at most n bytes of a text, and three more that say so.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

// encodedSize is the length of v in JSON as it is written to a file.
func encodedSize(v any) int {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("check: encode a report: " + err.Error())
	}
	return len(raw)
}

// limitsOf are the limits that hold, with the reset that is asked for.
func limitsOf(l plugins.Limits, reset plugins.Reset) Limits {
	return Limits{MemoryBytes: l.MemoryBytes, Fuel: l.Fuel, OutputBytes: l.OutputBytes, Reset: cmp.Or(reset, plugins.ResetStrict)}
}
