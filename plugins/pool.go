package plugins

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// pool keeps the idle instances of one module, last in first out, and bounds how many are at work.
type pool struct {
	size int
	// hot is an idle instance that keeps its slot: the next call takes it without the lock. Whoever waits, or closes the pool,
	// sets slow first and looks for a hot one then; whoever leaves one looks at slow afterwards. So one of the two sees the other.
	hot  atomic.Pointer[instance]
	slow atomic.Bool

	// mu guards all below.
	mu   sync.Mutex
	idle []*instance
	busy int // slots taken, at most size; that of hot counts
	// turns are of those who wait for a slot, first come first served: each is sent true with a slot, or false when the
	// pool has closed.
	turns  []chan bool
	closed bool
	// drained is closed when the pool has closed and no slot is taken.
	drained chan struct{}
}

func newPool(size int) *pool {
	return &pool{size: size, drained: make(chan struct{})}
}

// acquire waits for leave to run, and returns an idle instance, or nil when the caller has to make one. It returns
// ErrClosed, or ctx's error wrapped in ErrHost.
func (p *pool) acquire(ctx context.Context) (*instance, error) {
	if i := p.hot.Swap(nil); i != nil {
		return i, nil
	}
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		return nil, ErrClosed
	case p.busy < p.size:
		p.busy++
		i := p.popLocked()
		p.mu.Unlock()
		return i, nil
	}
	turn := make(chan bool, 1)
	p.turns = append(p.turns, turn)
	p.coolLocked()
	p.mu.Unlock()
	return p.wait(ctx, turn)
}

// wait is the slow path of acquire.
func (p *pool) wait(ctx context.Context, turn chan bool) (*instance, error) {
	select {
	case granted := <-turn:
		if !granted {
			return nil, ErrClosed
		}
		return p.pop(), nil
	case <-ctx.Done():
		if !p.withdraw(turn) && <-turn {
			p.release(nil)
		}
		return nil, fmt.Errorf("%w: wait for an instance: %w", ErrHost, ctx.Err())
	}
}

// withdraw stops waiting. It returns false when the turn has come already.
func (p *pool) withdraw(turn chan bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.turns, turn)
	if at < 0 {
		return false
	}
	p.turns = slices.Delete(p.turns, at, at+1)
	p.slow.Store(p.closed || len(p.turns) > 0)
	return true
}

// coolLocked makes everybody take the lock, and gives the slot of the hot instance to who waits.
func (p *pool) coolLocked() {
	p.slow.Store(true)
	if i := p.hot.Swap(nil); i != nil {
		p.releaseLocked(i)
	}
}

func (p *pool) pop() *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.popLocked()
}

// popAny is pop, and takes the hot instance too.
func (p *pool) popAny() *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.hot.Swap(nil); i != nil {
		p.releaseLocked(i)
	}
	return p.popLocked()
}

func (p *pool) popLocked() *instance {
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
	if i != nil && p.hot.CompareAndSwap(nil, i) {
		if !p.slow.Load() {
			return
		}
		if i = p.hot.Swap(nil); i == nil {
			return // another took it, with its slot
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.releaseLocked(i)
}

func (p *pool) releaseLocked(i *instance) {
	if i != nil {
		p.idle = append(p.idle, i)
	}
	if len(p.turns) > 0 {
		p.turns[0] <- true
		p.turns = slices.Delete(p.turns, 0, 1)
		p.slow.Store(p.closed || len(p.turns) > 0)
		return
	}
	p.busy--
	if p.closed && p.busy == 0 {
		close(p.drained)
	}
}

func (p *pool) put(i *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, i)
}

// close waits for the calls that run, refuses others, and closes every instance. It is called once.
func (p *pool) close(ctx context.Context) error {
	p.shut()
	<-p.drained
	var errs []error
	for i := p.pop(); i != nil; i = p.pop() {
		errs = append(errs, i.close(ctx))
	}
	return errors.Join(errs...)
}

// shut refuses everybody who waits or comes.
func (p *pool) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, turn := range p.turns {
		turn <- false
	}
	p.turns = nil
	if p.busy == 0 {
		close(p.drained)
	}
	p.coolLocked()
}
