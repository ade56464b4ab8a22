package plugins

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// pool keeps the idle instances of one module, last in first out, and bounds how many are at work.
type pool struct {
	// slots has one entry for each instance at work.
	slots  chan struct{}
	closed chan struct{}

	// mu guards idle.
	mu   sync.Mutex
	idle []*instance
}

func newPool(size int) *pool {
	return &pool{slots: make(chan struct{}, size), closed: make(chan struct{})}
}

// acquire waits for leave to run, and returns an idle instance, or nil when the caller has to make one. It returns
// ErrClosed, or ctx's error wrapped in ErrHost.
func (p *pool) acquire(ctx context.Context) (*instance, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		if err := p.wait(ctx); err != nil {
			return nil, err
		}
	}
	select {
	case <-p.closed:
		<-p.slots
		return nil, ErrClosed
	default:
		return p.pop(), nil
	}
}

// wait is the slow path of acquire.
func (p *pool) wait(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-p.closed:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("%w: wait for an instance: %w", ErrHost, ctx.Err())
	}
}

func (p *pool) pop() *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	i := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return i
}

// release ends what acquire began. i goes back to the pool; nil means that there is nothing to keep.
func (p *pool) release(i *instance) {
	if i != nil {
		p.put(i)
	}
	<-p.slots
}

func (p *pool) put(i *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, i)
}

// close waits for the calls that run, refuses others, and closes every instance. It is called once.
func (p *pool) close(ctx context.Context) error {
	close(p.closed)
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	var errs []error
	for i := p.pop(); i != nil; i = p.pop() {
		errs = append(errs, i.close(ctx))
	}
	return errors.Join(errs...)
}
