package plugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/kvnode/kvnode/plugins/abi"
)

// Reset says what a call may find of the calls before it.
type Reset string

const (
	// ResetStrict puts an instance back into the state after initialisation when a call is over. It is the default.
	ResetStrict Reset = "strict"
	// ResetNone leaves the instance as the call left it, which takes microseconds off each call. It is for handlers whose
	// verdicts, and whose fuel, do not depend on earlier calls. They are watched: the second call of an instance and one
	// in 1,024 later ones, drawn at random, are repeated in the state after initialisation, and so is every call that
	// traps or fails. The repetition counts. When it differs, Doubt says so, and the module is reset strictly at this
	// host from then on. An instance is replaced after 10,000 calls.
	ResetNone Reset = "none"
)

const (
	// instanceCalls is how many calls an instance serves that is not restored.
	instanceCalls = 10_000
	// sampleCalls is the number of calls of which one is repeated.
	sampleCalls = 1024
	// firstSample is the first call that finds what another left.
	firstSample = 2
)

// reused keeps the instances of a module with ResetNone.
type reused struct {
	pool *pool
	// random draws a number below n.
	random func(n uint64) uint64
	// distrust tells the host that the module is not pure.
	distrust func(*ImpureError)
}

// ImpureError is what ErrImpure is about: a conflict on which a reused instance came to something else than a pristine one.
type ImpureError struct {
	Key []byte
	// Reused and Pristine are the two outcomes, in words, with the fuel that they took.
	Reused, Pristine string
	// FuelOnly says that they are the same but for the fuel.
	FuelOnly bool
}

// Error says both.
func (i *ImpureError) Error() string {
	if i.FuelOnly {
		return fmt.Sprintf("handler takes other fuel after earlier calls: install it without reset=none: on key %q same verdict, other fuel: "+
			"a reused instance came to %s, a pristine one to %s", i.Key, i.Reused, i.Pristine)
	}
	return fmt.Sprintf("%s: on key %q a reused instance came to %s, a pristine one to %s", ErrImpure.Error(), i.Key, i.Reused, i.Pristine)
}

// Unwrap makes it an ErrImpure.
func (*ImpureError) Unwrap() error { return ErrImpure }

// Doubt returns the *ImpureError, an ErrImpure, for which a module with ResetNone is reset strictly after all, and nil while
// there is none. Verdicts that were returned before may depend on earlier calls.
func (m *Module) Doubt() error {
	if d := m.doubt.Load(); d != nil {
		return d
	}
	return nil
}

// reuses says whether a frame of a size is for an instance that is not restored. One that needs a buffer of its own is
// not: the buffer would stay, and the next such call would take less fuel.
func (m *Module) reuses(size uint64) bool {
	return m.reused != nil && size <= abi.InitialFrameBytes && m.doubt.Load() == nil
}

// resolveReused runs the handler in the state that an earlier call has left, and makes sure now and then that this makes no
// difference. What the pristine instance says counts, so that it does not show which calls were looked at.
func (m *Module) resolveReused(ctx context.Context, f *abi.Frame, size uint64, v *Verdict) error {
	i, err := m.take(ctx, m.reused.pool)
	if err != nil {
		return err
	}
	err = i.resolve(f, size, &m.limits, v)
	if sample := m.keep(i, err); !sample && err == nil && v.Kind != Failed {
		return nil
	}
	got := outcome{*v, err}
	err = m.resolvePristine(ctx, f, size, v)
	if !errors.Is(err, ErrHost) {
		m.compare(f.Key, got, outcome{*v, err})
	}
	return err
}

// keep ends the use of a reused instance, and says whether its call is a sample.
func (m *Module) keep(i *instance, callErr error) (sample bool) {
	i.calls++
	if sample = i.calls == i.sample; sample {
		i.sample = (i.calls/sampleCalls+1)*sampleCalls + m.reused.random(sampleCalls)
	}
	if callErr == nil && !i.broken && i.calls < instanceCalls {
		i.forget()
		m.reused.pool.release(i)
		if m.doubt.Load() != nil {
			m.dropReused() // found out while this call ran
		}
		return sample
	}
	m.discard(i, m.reused.pool)
	return sample
}

// dropReused closes the idle instances that calls have left behind.
func (m *Module) dropReused() {
	slot, err := m.pool.acquire(context.Background()) // so that Close waits for it
	if err != nil {
		return // closing closes them
	}
	defer m.pool.release(slot)
	for i := m.reused.pool.popAny(); i != nil; i = m.reused.pool.popAny() {
		if err := i.close(i.ctx); err != nil {
			m.throttle.logger.Warn("instance not closed", "error", err)
		}
	}
}

// compare doubts the module when the outcomes differ.
func (m *Module) compare(key []byte, got, want outcome) {
	if got.equal(want) {
		return
	}
	m.reused.distrust(&ImpureError{Key: bytes.Clone(key), Reused: got.String(), Pristine: want.String(), FuelOnly: got.refuelled(0).equal(want.refuelled(0))})
}

// outcome is all that a call shows.
type outcome struct {
	verdict Verdict
	err     error
}

// equal compares fuel too: it decides between a verdict and a trap.
func (o outcome) equal(p outcome) bool {
	a, b := o.verdict, p.verdict
	trapA, isTrapA := errors.AsType[*Trap](o.err)
	trapB, isTrapB := errors.AsType[*Trap](p.err)
	if isTrapA || isTrapB {
		return isTrapA && isTrapB && *trapA == *trapB
	}
	return a.Kind == b.Kind && a.Index == b.Index && a.Message == b.Message && a.Fuel == b.Fuel && bytes.Equal(a.Value, b.Value)
}

// refuelled is the outcome with other fuel.
func (o outcome) refuelled(fuel uint64) outcome {
	o.verdict.Fuel = fuel
	if trap, ok := errors.AsType[*Trap](o.err); ok {
		o.err = &Trap{Reason: trap.Reason, Fuel: fuel}
	}
	return o
}

// maxOutcomeText is how much of an outcome a message quotes.
const maxOutcomeText = 256

func (o outcome) String() string {
	text, fuel := o.verdict.String(), o.verdict.Fuel
	if trap, ok := errors.AsType[*Trap](o.err); ok {
		text, fuel = "the trap "+strconv.Quote(trap.Reason), trap.Fuel
	}
	return fmt.Sprintf("%s with %d units of fuel", text[:min(len(text), maxOutcomeText)], fuel)
}
