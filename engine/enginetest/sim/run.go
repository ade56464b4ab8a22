package sim

import (
	"context"
	"fmt"
	"io"
	"maps"
	"time"
)

// Options say which history to play. The same options give the same history.
type Options struct {
	// Seed is what everything random follows from.
	Seed uint64
	// Nodes is how many nodes the cluster begins with, at most MaxNodes; 0: as many as the seed says.
	Nodes int
	// Faults are the kinds of trouble that may happen; which of them do, and how often, is drawn from the seed. 0: all.
	Faults Faults
	// Length is how long clients write and trouble happens, in virtual time; 0: as long as the seed says.
	Length time.Duration
	// Trace receives a line for everything that happens; nil: nobody reads.
	Trace io.Writer
}

// MaxNodes bounds a simulated cluster, its joiners included.
const MaxNodes = 9

// Report is what happened in one history.
type Report struct {
	// Nodes is the number of nodes, joiners included.
	Nodes int
	// Virtual is the time that passed in the simulated world.
	Virtual time.Duration
	// Trace is a hash of everything that every node was told and did: equal options give equal hashes.
	Trace uint64
	// Counts are how often things happened.
	Counts Counts
}

// Violation is a promise that was broken, in the history that the options name.
type Violation struct {
	// Options replay the history.
	Options Options
	// At is when it showed, in virtual time.
	At  time.Duration
	Err error
}

// Error implements error. It names the seed.
func (v *Violation) Error() string {
	return fmt.Sprintf("seed %d after %v: %v", v.Options.Seed, v.At, v.Err)
}

// Unwrap implements errors' way to look inside.
func (v *Violation) Unwrap() error { return v.Err }

// Run plays one history, and lets the cluster come to rest. The error is a *Violation when a promise was broken, and otherwise says that the context
// ended or that the options make no sense. It uses one goroutine; any number of histories may run at once.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Nodes < 0 || o.Nodes > MaxNodes || o.Length < 0 {
		return Report{}, fmt.Errorf("simulate: %d nodes for %v: give 0 to %d nodes and no negative time", o.Nodes, o.Length, MaxNodes)
	}
	h := newHistory(o)
	h.interrupted = ctx.Err
	err := h.play()
	return Report{Nodes: len(h.nodes), Virtual: h.now.Sub(h.begin), Trace: h.trace.sum(), Counts: maps.Clone(h.counts)}, err
}
