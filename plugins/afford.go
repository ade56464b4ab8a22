package plugins

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvnode/kvnode/plugins/abi"
)

// Check loads a module as Load does and keeps nothing of it. A module that passes will load on every node, and its limits let it
// decide the smallest conflict: ErrTightLimits says which of them does not, and what the module needs.
func (h *Host) Check(ctx context.Context, module []byte, l Limits) (Info, error) {
	m, err := h.Load(ctx, module, l)
	if err != nil {
		return Info{}, h.blameMemory(ctx, module, l, err)
	}
	if err := errors.Join(m.affords(ctx), m.Close(ctx)); err != nil {
		return Info{}, err
	}
	return m.info, nil
}

// blameMemory explains why a module did not load: it would, with the default memory.
func (h *Host) blameMemory(ctx context.Context, module []byte, l Limits, err error) error {
	given := l.withDefaults().MemoryBytes
	if given >= DefaultLimits().MemoryBytes || !errors.Is(err, ErrMemory) && !errors.Is(err, ErrInitialise) {
		return err
	}
	l.MemoryBytes = 0
	m, again := h.Load(ctx, module, l)
	if again != nil {
		return err
	}
	tight := fmt.Errorf("%w: %d bytes of memory, and an instance has %d when it is initialised", ErrTightLimits, given, m.info.MemoryBytes)
	return errors.Join(tight, m.Close(ctx))
}

// affords returns ErrTightLimits when a call's fuel does not suffice for the smallest conflict, and the default does. A handler that uses
// up any fuel is let in: that is no matter of limits.
func (m *Module) affords(ctx context.Context) error {
	generous := m.limits
	generous.Fuel = DefaultLimits().Fuel
	if m.limits.Fuel >= generous.Fuel {
		return nil
	}
	i, err := m.take(ctx, m.pool)
	if err != nil {
		return err
	}
	i.console.out = muted() // the conflict is made up: nobody should read of it
	in := smallest()
	var f abi.Frame
	in.fill(&f)
	var v Verdict
	_ = i.resolve(&f, f.Size(), &generous, &v) // a trap is no matter of limits either
	used := i.used()
	m.discard(i, m.pool)
	if used <= m.limits.Fuel || used >= generous.Fuel {
		return nil
	}
	return fmt.Errorf("%w: %d units of fuel, and a conflict of two values of one byte takes %d; larger ones take more", ErrTightLimits, m.limits.Fuel, used)
}

// smallest is a conflict of two values of one byte.
func smallest() Input {
	return Input{Key: []byte("k"), Versions: []Version{{Value: []byte("a"), Time: 1, Origin: 1}, {Value: []byte("b"), Time: 2, Origin: 2}}}
}
