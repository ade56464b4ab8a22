package plugins

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"

	"github.com/kvnode/kvnode/plugins/abi"
)

// Module is a compiled handler with its pool of instances. It is safe for concurrent use.
type Module struct {
	info     Info
	limits   Limits
	globals  []string
	throttle *throttle
	// singleUse says that a call may change what cannot be restored, so that each needs a new instance.
	singleUse bool
	// reused is nil with ResetStrict, and for a module of which the host knows better.
	reused *reused
	doubt  atomic.Pointer[ImpureError]

	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	cache    wazero.CompilationCache
	image    *image
	pool     *pool

	closing  sync.Once
	closeErr error
	forget   func()
}

// Info returns what is known about the module.
func (m *Module) Info() Info { return m.info }

// Limits returns the limits that hold for the module, defaults filled.
func (m *Module) Limits() Limits { return m.limits }

// Resolve runs the handler on one conflict. ctx counts only while it waits for a free instance: a running call ends by
// fuel alone, so that it ends the same way everywhere.
//
// It returns a *Trap for a call that violated the contract, ErrHost when this node cannot run it now, and ErrInput for
// versions that are no conflict. Everything else, the handler's own error included, is a Verdict.
func (m *Module) Resolve(ctx context.Context, in Input) (Verdict, error) {
	if err := in.validate(); err != nil {
		return Verdict{}, err
	}
	var frame abi.Frame
	in.fill(&frame)
	size := frame.Size()
	if reason := m.limits.refuse(&frame, size); reason != "" {
		return Verdict{Kind: Failed, Message: reason}, nil
	}
	var v Verdict
	err := m.resolve(ctx, &frame, size, &v)
	return v, err
}

func (m *Module) resolve(ctx context.Context, f *abi.Frame, size uint64, v *Verdict) error {
	if m.reuses(size) {
		return m.resolveReused(ctx, f, size, v)
	}
	return m.resolvePristine(ctx, f, size, v)
}

// resolvePristine runs the handler in the state after initialisation.
func (m *Module) resolvePristine(ctx context.Context, f *abi.Frame, size uint64, v *Verdict) error {
	i, err := m.take(ctx, m.pool)
	if err != nil {
		return err
	}
	err = i.resolve(f, size, &m.limits, v)
	m.giveBack(i, err)
	return err
}

// first makes the first instance, whose state after initialisation is what every call begins with.
func (m *Module) first() error {
	i, err := m.newInstance()
	if err != nil {
		if trap, ok := errors.AsType[*Trap](err); ok {
			return fmt.Errorf("%w: %s", ErrInitialise, trap.Reason)
		}
		return err
	}
	m.info.MemoryBytes, m.info.InitFuel = i.memory.size, i.initFuel
	if m.image, err = newImage(i.bytes()); err == nil {
		err = m.image.adopt(i.memory)
	}
	if err != nil {
		return errors.Join(err, i.close(i.ctx))
	}
	m.pool.put(i)
	return nil
}

// take returns an instance of a pool; a new one is pristine.
func (m *Module) take(ctx context.Context, p *pool) (*instance, error) {
	i, err := p.acquire(ctx)
	if err != nil || i != nil {
		return i, err
	}
	if i, err = m.spawn(); err != nil {
		p.release(nil)
		return nil, err
	}
	return i, nil
}

// spawn makes one more instance. The first one was initialised without fault, so a fault now is this node's.
func (m *Module) spawn() (*instance, error) {
	i, err := m.newInstance()
	if err != nil {
		return nil, fmt.Errorf("%w: make an instance: %s", ErrHost, err.Error())
	}
	if err = m.image.adopt(i.memory); err != nil {
		return nil, errors.Join(err, i.close(i.ctx))
	}
	return i, nil
}

// giveBack ends the use of an instance after a call that returned callErr: it is restored, or closed when it trapped, has
// grown, or cannot be restored.
func (m *Module) giveBack(i *instance, callErr error) {
	if callErr == nil && !i.broken && !m.singleUse && i.memory.size == m.info.MemoryBytes {
		err := i.restore(m.image)
		if err == nil {
			m.pool.release(i)
			return
		}
		m.throttle.logger.Warn("instance not restored", "error", err)
	}
	m.discard(i, m.pool)
}

// discard closes an instance and ends its use.
func (m *Module) discard(i *instance, p *pool) {
	if err := i.close(i.ctx); err != nil {
		m.throttle.logger.Warn("instance not closed", "error", err)
	}
	p.release(nil)
}

// Close waits for the calls that run, and frees the module. Calls that wait for an instance, and later ones, return
// ErrClosed. Closing again does nothing.
func (m *Module) Close(ctx context.Context) error {
	m.closing.Do(func() {
		m.closeErr = m.close(context.WithoutCancel(ctx))
		m.forget()
	})
	return m.closeErr
}

// close frees what there is of a module that may be half made.
func (m *Module) close(ctx context.Context) error {
	var errs []error
	if m.reused != nil {
		errs = append(errs, m.reused.pool.close(ctx))
	}
	errs = append(errs, m.pool.close(ctx), m.closeRuntime(ctx))
	if m.image != nil {
		errs = append(errs, m.image.close())
	}
	return errors.Join(errs...)
}

// closeRuntime frees the compiled code.
func (m *Module) closeRuntime(ctx context.Context) error {
	var errs []error
	if m.runtime != nil {
		errs = append(errs, m.runtime.Close(ctx))
	}
	if m.cache != nil {
		errs = append(errs, m.cache.Close(ctx))
	}
	m.runtime, m.compiled, m.cache = nil, nil, nil
	return errors.Join(errs...)
}
