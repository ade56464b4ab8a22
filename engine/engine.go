package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// inputBacklog bounds the inputs that wait for the step. A network that delivers faster waits; what it then loses is repaired.
	inputBacklog = 1024
	// stepInputs bounds the inputs of one step.
	stepInputs = 256
)

// Engine runs one incarnation of a node: the goroutines around a Core. Safe for concurrent use.
//
// The engine owns three kinds of goroutines: one that steps, one for each handler run of the merger and of its shadow, one for each loading of modules. Close ends
// and awaits them all.
type Engine struct {
	core   *Core
	peers  Peers
	inputs chan Input
	wake   chan struct{}
	ended  chan Ending
	opened time.Time

	ctx    context.Context //nolint:containedctx // the engine's own lifetime, which its goroutines share
	cancel context.CancelFunc
	loop   sync.WaitGroup
	work   sync.WaitGroup

	// routes are addresses that are not passed on yet; routesMu makes their passing one at a time.
	routes   atomic.Pointer[[]string]
	routesMu sync.Mutex

	readyOnce sync.Once
	ready     chan struct{}
}

// Ending says why an engine must be closed: for a restart, or for good with an error.
type Ending struct {
	// Restart asks for the next incarnation with this one's Legacy.
	Restart bool
	// Exit asks for the end of the process; its replicas are safe at a peer.
	Exit   bool
	Reason string
	Err    error
}

// Open starts an incarnation on a network. The caller keeps peers open until Close has returned.
func Open(cfg Config, peers Peers, resolver Resolver) (*Engine, error) {
	e, err := newEngine(cfg, resolver)
	if err != nil {
		return nil, err
	}
	e.peers = peers
	peers.Listen(func(from string, _ int, payload []byte) {
		e.post(Arrived{From: from, Payload: payload})
	})
	e.loop.Go(e.run)
	return e, nil
}

// newEngine builds an incarnation that does not run yet. The error names the field of a bad Config.
func newEngine(cfg Config, resolver Resolver) (*Engine, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{
		core:   NewCore(cfg, resolver),
		inputs: make(chan Input, inputBacklog),
		wake:   make(chan struct{}, 1),
		ended:  make(chan Ending, 1),
		opened: cfg.Now(),
		ready:  make(chan struct{}),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e, nil
}

// Ended delivers at most one Ending; the engine goes on until Close.
func (e *Engine) Ended() <-chan Ending { return e.ended }

// Done is closed when Close begins.
func (e *Engine) Done() <-chan struct{} { return e.ctx.Done() }

// NetworkLost tells the engine that payloads may have been lost: it repairs at once.
func (e *Engine) NetworkLost() { e.post(Lost{}) }

// Close says goodbye, ends all goroutines and closes the loaded modules. It returns the state for a next incarnation in this process.
func (e *Engine) Close() (*Legacy, error) {
	e.post(Leave{})
	e.cancel()
	e.loop.Wait()
	e.work.Wait()
	for _, t := range e.core.space.sortedTables() {
		t.hub.close()
	}
	err := e.core.judges.close()
	return e.core.handOver(), err
}

// post hands an input to the step; it waits while the backlog is full.
func (e *Engine) post(in Input) {
	select {
	case e.inputs <- in:
	case <-e.ctx.Done():
	}
}

// poke wakes the step so that it sends what local writes left.
func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// run steps until the engine closes: inputs as they come, many at a time.
func (e *Engine) run() {
	ticker := time.NewTicker(TickInterval)
	defer ticker.Stop()
	e.step(Tick{})
	for {
		select {
		case in := <-e.inputs:
			e.step(e.gather(in)...)
		case <-e.wake:
			e.step(Flush{})
		case <-ticker.C:
			e.step(Tick{})
		case <-e.ctx.Done():
			e.step(append(e.gather(Flush{}), Leave{})...)
			e.abandon()
			return
		}
	}
}

// gather adds the inputs that wait already.
func (e *Engine) gather(first Input) []Input {
	ins := []Input{first}
	for len(ins) < stepInputs {
		select {
		case in := <-e.inputs:
			ins = append(ins, in)
		default:
			return ins
		}
	}
	return ins
}

func (e *Engine) step(ins ...Input) {
	for _, effect := range e.core.Step(e.core.cfg.Now(), ins...) {
		e.perform(effect)
	}
	if e.core.unfinished {
		e.poke()
	}
	if e.core.published.Load().ready {
		e.readyOnce.Do(func() { close(e.ready) })
	}
}

func (e *Engine) perform(effect Effect) {
	switch f := effect.(type) {
	case Transmit:
		e.transmit(f)
	case JudgeConflict:
		e.work.Go(func() { e.judge(f.Job) })
	case ShadowConflict:
		e.work.Go(func() { e.shadow(f) })
	case PrepareHandlers:
		e.work.Go(e.prepare)
	case SetRoutes:
		e.routes.Store(&f.Addrs)
		e.work.Go(e.setRoutes)
	case Restart:
		e.end(Ending{Restart: !f.Exit, Exit: f.Exit, Reason: f.Reason})
	case Stop:
		e.end(Ending{Err: f.Err})
	}
}

func (e *Engine) transmit(f Transmit) {
	if f.To == "" {
		e.check("broadcast", e.peers.Broadcast(f.Lane, f.Payload))
		return
	}
	e.check("send", e.peers.Send(f.To, f.Lane, f.Payload))
}

// check reports an effect that the network refused; repair makes up for what did not leave.
func (e *Engine) check(what string, err error) {
	if err != nil && e.ctx.Err() == nil {
		e.core.cfg.Events(Event{Kind: EventError, Err: fmt.Errorf("%s: %w", what, err)})
	}
}

func (e *Engine) judge(job Job) {
	v, err := e.core.judge(e.ctx, job)
	if err == nil {
		e.core.journal.note(e.core.verdictEntry(job, v))
	}
	e.post(judged{job: job, view: v, err: err})
}

func (e *Engine) shadow(f ShadowConflict) {
	v, err := e.core.judge(e.ctx, f.Job)
	e.post(shadowed{job: f.Job, live: f.live, view: v, err: err})
}

func (e *Engine) prepare() {
	e.check("prepare handlers", e.prepareHandlers(e.ctx))
}

// prepareHandlers loads modules, and tells the watchers of conflicts that no handler could judge before, or can any more.
func (e *Engine) prepareHandlers(ctx context.Context) error {
	changed, err := e.core.judges.prepare(ctx)
	for _, t := range e.core.space.sortedTables() {
		if rec, ok := e.core.space.handler(t); ok && slices.Contains(changed, rec.module()) {
			t.hub.notify(t.conflicts()...)
		}
	}
	return err
}

// setRoutes passes the newest addresses on; it may take as long as a disk or a network takes.
func (e *Engine) setRoutes() {
	e.routesMu.Lock()
	defer e.routesMu.Unlock()
	if addrs := e.routes.Swap(nil); addrs != nil {
		e.check("set routes", e.peers.SetRoutes(*addrs))
	}
}

func (e *Engine) end(why Ending) {
	select {
	case e.ended <- why:
	default:
	}
}

// abandon ends the waits of writers that are still there.
func (e *Engine) abandon() {
	for _, p := range sortedPartitions(maps.Keys(e.core.waiters)) {
		for _, w := range e.core.waiters[p] {
			if !w.over {
				w.end(1, fmt.Errorf("%w: %w", ErrNotAcknowledged, ErrClosed))
			}
		}
	}
}
