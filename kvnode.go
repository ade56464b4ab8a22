// Package kvnode opens a whole node of a distributed, in-memory key-value store in which the user decides what a conflict means: every node accepts
// writes, also during a network split, and concurrent versions of a key are merged by the table's handle_conflict function, a WebAssembly module.
//
// This package is the only place where the parts are introduced to each other: the tables (package engine), the network (bus), the handlers (plugins)
// and the HTTP API (rest).
package kvnode

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kvnode/kvnode/engine"
)

var (
	// ErrExitOnTrap ends a node with OnTrapExit after a handler trapped; a supervisor should start it again.
	ErrExitOnTrap = errors.New("a handler trapped, and this node is set to exit: start it again")
	// ErrClosed answers calls after Close.
	ErrClosed = engine.ErrClosed
)

// Node is one member of a cluster. It outlives its incarnations: when a handler traps at this node, the node closes everything in order and boots
// again under the same name, with its data. All methods are safe for concurrent use.
type Node struct {
	cfg     Config
	metrics *metrics
	log     *engine.Log // of the handlers, over all incarnations

	// mu guards what follows; changed is closed and replaced whenever the incarnation changes.
	mu       sync.Mutex
	current  *incarnation
	changed  chan struct{}
	restarts int
	past     totals // of the incarnations that have ended

	closing chan struct{}
	once    sync.Once
	done    chan struct{} // closed when the node has ended; err is set before
	err     error
}

// Open starts a node and returns when it listens; it may still be catching up with its peers (AwaitReady). ctx limits the start only. An unreachable
// Join address is logged and tried again for ever; a node of another cluster is an error.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, log: engine.NewLog(), changed: make(chan struct{}), closing: make(chan struct{}), done: make(chan struct{})}
	var err error
	if n.metrics, err = newMetrics(n); err != nil {
		return nil, err
	}
	first, _, err := boot(ctx, n, nil)
	if err != nil {
		n.metrics.unregister()
		return nil, err
	}
	n.install(first)
	go n.supervise(first)
	return n, nil
}

// Wait blocks until the node has ended, by Close or by itself, and says why: nil, ErrExitOnTrap, engine.ErrNameTaken, or what kept it from booting
// again.
func (n *Node) Wait() error {
	<-n.done
	return n.err
}

// Close ends the node in order: requests, engine, handlers, network. It returns when all is ended or ctx is done.
func (n *Node) Close(ctx context.Context) error {
	n.once.Do(func() { close(n.closing) })
	select {
	case <-n.done:
		return n.err
	case <-ctx.Done():
		return fmt.Errorf("close: %w", ctx.Err())
	}
}

// HTTPAddr is where the HTTP API listens, empty when there is none.
func (n *Node) HTTPAddr() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cfg.HTTP == noHTTP {
		return ""
	}
	return n.cfg.HTTP
}

// RouteAddr is the address by which other nodes join this one, empty with an external NATS.
func (n *Node) RouteAddr() string {
	if i := n.peek(); i != nil {
		return i.bus.RouteAddr()
	}
	return ""
}

// ListenAddr is the address that the node takes routes on, empty with an external NATS. It differs from RouteAddr when other nodes are told another
// one (Config.Advertise).
func (n *Node) ListenAddr() string {
	if i := n.peek(); i != nil {
		return i.bus.ListenAddr()
	}
	return ""
}

// AwaitReady waits until the node has caught up with its peers.
func (n *Node) AwaitReady(ctx context.Context) error {
	for {
		e, err := n.engine(ctx)
		if err != nil {
			return err
		}
		err = e.AwaitReady(ctx)
		if err == nil || ctx.Err() != nil || !errors.Is(err, engine.ErrNotReady) && !errors.Is(err, engine.ErrClosed) {
			return err
		}
	}
}

// supervise boots the next incarnation after each restart, until the node ends.
func (n *Node) supervise(i *incarnation) {
	defer close(n.done)
	defer n.metrics.unregister()
	for {
		select {
		case <-n.closing:
			_, n.err = n.stop(i)
			return
		case why := <-i.engine.Ended():
			if i, n.err = n.next(i, why); i == nil {
				return
			}
		}
	}
}

// next ends an incarnation and boots another, or says why the node ends.
func (n *Node) next(i *incarnation, why engine.Ending) (*incarnation, error) {
	n.cfg.Logger.Warn("node goes down", "name", n.cfg.Name, "reason", why.Reason, "restart", why.Restart, "error", why.Err)
	legacy, err := n.stop(i)
	switch {
	case why.Err != nil:
		return nil, errors.Join(why.Err, err)
	case why.Exit:
		return nil, errors.Join(ErrExitOnTrap, err)
	case err != nil:
		n.cfg.Logger.Error("closing before a restart", "error", err)
	}
	n.mu.Lock()
	n.restarts++
	n.mu.Unlock()
	next, err := n.bootAgain(legacy)
	if err != nil {
		return nil, err
	}
	n.install(next)
	return next, nil
}

const (
	// bootTries and bootPause bound the attempts to boot after a restart: the old sockets may linger.
	bootTries = 20
	bootPause = 250 * time.Millisecond
)

func (n *Node) bootAgain(legacy *engine.Legacy) (*incarnation, error) {
	var err error
	for range bootTries {
		var i *incarnation
		if i, legacy, err = boot(context.Background(), n, legacy); err == nil {
			return i, nil
		}
		n.cfg.Logger.Error("booting again", "error", err)
		select {
		case <-n.closing:
			return nil, fmt.Errorf("closed while booting again: %w", err)
		case <-time.After(bootPause):
		}
	}
	return nil, fmt.Errorf("boot again: %w", err)
}

// stop takes an incarnation out of service and closes it.
func (n *Node) stop(i *incarnation) (*engine.Legacy, error) {
	n.mu.Lock()
	n.past = n.past.plus(i.totals())
	n.installLocked(nil)
	n.mu.Unlock()
	return i.close()
}

// tally returns what has been counted in all incarnations that have ended, and the one that runs, if any.
func (n *Node) tally() (restarts int, past totals, now *incarnation) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.restarts, n.past, n.current
}

// install makes an incarnation the current one; nil while there is none.
func (n *Node) install(i *incarnation) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.installLocked(i)
}

func (n *Node) installLocked(i *incarnation) {
	n.current = i
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *Node) peek() *incarnation {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.current
}

// engine returns the current incarnation's engine; between two incarnations it waits for the next.
func (n *Node) engine(ctx context.Context) (*engine.Engine, error) {
	for {
		n.mu.Lock()
		i, changed := n.current, n.changed
		n.mu.Unlock()
		if i != nil {
			return i.engine, nil
		}
		select {
		case <-changed:
		case <-n.done:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: the node is restarting: %w", engine.ErrNotReady, ctx.Err())
		}
	}
}
