package engine

import (
	"sync"
	"time"
)

// RunStats counts what came of the runs of a module at one node, for readers and as the merger, since its first incarnation in this process.
type RunStats struct {
	Runs uint64 `json:"runs"`
	// Values, Deletes, Keeps and Errors are verdicts.
	Values  uint64 `json:"values"`
	Deletes uint64 `json:"deletes"`
	Keeps   uint64 `json:"keeps"`
	Errors  uint64 `json:"errors"`
	Traps   uint64 `json:"traps"`
	// Failures are runs that this node could not make.
	Failures uint64 `json:"failures"`
	Fuel     uint64 `json:"fuel"`
	// Took is the time that all runs took together, waiting for an instance included, and loading the module not.
	Took time.Duration `json:"took_ns"`
}

// plus adds two counts.
func (r RunStats) plus(s RunStats) RunStats {
	return RunStats{
		Runs: r.Runs + s.Runs, Values: r.Values + s.Values, Deletes: r.Deletes + s.Deletes, Keeps: r.Keeps + s.Keeps, Errors: r.Errors + s.Errors,
		Traps: r.Traps + s.Traps, Failures: r.Failures + s.Failures, Fuel: r.Fuel + s.Fuel, Took: r.Took + s.Took,
	}
}

// runOf is the count of one run.
func runOf(v view, err error) RunStats {
	r := RunStats{Runs: 1, Fuel: v.fuel, Took: v.took}
	if trap, ok := asTrap(err); ok {
		r.Traps, r.Fuel = 1, trap.Fuel
		return r
	}
	if err != nil {
		r.Failures = 1
		return r
	}
	switch VerdictKind(v.verdict) {
	case VerdictValue:
		r.Values = 1
	case VerdictDelete:
		r.Deletes = 1
	case VerdictKeep:
		r.Keeps = 1
	case VerdictError:
		r.Errors = 1
	}
	return r
}

// runs counts the runs of all modules, by SHA-256. Safe for concurrent use.
type runs struct {
	mu sync.Mutex
	m  map[string]RunStats
}

func newRuns() *runs { return &runs{m: map[string]RunStats{}} }

func (r *runs) add(sha256 string, s RunStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.m[sha256] = r.m[sha256].plus(s)
}

func (r *runs) of(sha256 string) RunStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.m[sha256]
}

// all adds up the runs of all modules.
func (r *runs) all() RunStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out RunStats
	for _, s := range r.m {
		out = out.plus(s)
	}
	return out
}
