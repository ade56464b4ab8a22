package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// Driver runs one incarnation of a node without goroutines, timers or a network, for simulations: whoever holds it owns the time, delivers what
// arrives and performs the effects. The same calls in the same order have the same outcome. The API's calls are those of the Engine itself (see
// Call), so that what is simulated is what runs. Not safe for concurrent use.
type Driver struct {
	engine  *Engine
	pending []Input
	again   []MadeAgain // by the last Step, as reaped
	reaped  []Reaped
}

// NewDriver boots an incarnation. Config.Now should be set: it is the time that local writes see. The error names the field of a bad Config.
func NewDriver(cfg Config, resolver Resolver) (*Driver, error) {
	e, err := newEngine(cfg, resolver)
	if err != nil {
		return nil, err
	}
	return &Driver{engine: e}, nil
}

// Step takes what calls have left and then the events, at one moment of time, and returns what is to be done. Jobs of JudgeConflict go to Judge,
// ShadowConflict to Shadow, PrepareHandlers to Prepare; the other effects are the caller's.
func (d *Driver) Step(now time.Time, events ...Input) []Effect {
	d.collect(nil)
	d.again, d.reaped = nil, nil
	effects := d.step(now, append(d.pending, events...)...)
	for d.engine.core.unfinished {
		effects = append(effects, d.step(now)...)
	}
	d.pending = nil
	if d.engine.Ready() {
		d.engine.readyOnce.Do(func() { close(d.engine.ready) })
	}
	return effects
}

func (d *Driver) step(now time.Time, events ...Input) []Effect {
	effects := d.engine.core.Step(now, events...)
	d.again, d.reaped = append(d.again, d.engine.core.again...), append(d.reaped, d.engine.core.reaped...)
	return effects
}

// Call runs one call of the API to its end, or up to where it would wait for acknowledgements: then waits is true, its local effect is complete, and
// acked is called in a later Step, or by Close, with the number of nodes that have it and the error that the caller would have had. While the node is
// not ready the error is ErrNotReady at once. The call must hand on the context that it is given.
func (d *Driver) Call(call func(ctx context.Context, e *Engine) error, acked func(nodes int, err error)) (waits bool, err error) {
	if !d.engine.Ready() {
		return false, ErrNotReady
	}
	ctx := &parking{d: d, acked: acked}
	err = call(ctx, d.engine)
	d.collect(acked)
	if ctx.parked && errors.Is(err, ErrNotAcknowledged) {
		return true, nil
	}
	return false, err
}

// collect takes over what calls have posted to the step, and says whether one of them waits for acknowledgements.
func (d *Driver) collect(acked func(int, error)) (waits bool) {
	for {
		select {
		case in := <-d.engine.inputs:
			if a, ok := in.(await); ok && acked != nil {
				waits = true
				tell := a.w.done
				a.w.done = func(nodes int, err error) {
					tell(nodes, err)
					acked(nodes, err)
				}
			}
			d.pending = append(d.pending, in)
		default:
			return waits
		}
	}
}

// parking is the context of a call that must not block: it is cancelled from the moment on in which the call has registered a wait.
type parking struct {
	d      *Driver
	acked  func(int, error)
	parked bool
}

var _ context.Context = (*parking)(nil)

// Deadline implements context.Context: there is none.
func (p *parking) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context: there is none.
func (p *parking) Value(any) any { return nil }

// Done implements context.Context.
func (p *parking) Done() <-chan struct{} {
	if p.d.collect(p.acked) {
		p.parked = true
	}
	if !p.parked {
		return nil
	}
	over := make(chan struct{})
	close(over)
	return over
}

// Err implements context.Context.
func (p *parking) Err() error {
	if p.parked {
		return context.Canceled
	}
	return nil
}

// MadeAgain returns what the last Step made again of closed incarnations' mutations.
func (d *Driver) MadeAgain() []MadeAgain { return d.again }

// Reaped returns the deletes that the last Step ended.
func (d *Driver) Reaped() []Reaped { return d.reaped }

// Judge runs a handler and returns its outcome, which the caller steps when the run would have ended.
func (d *Driver) Judge(job Job) Input {
	d.collect(nil)
	d.engine.judge(job)
	return <-d.engine.inputs
}

// Shadow runs a shadow and returns its outcome, as Judge does.
func (d *Driver) Shadow(f ShadowConflict) Input {
	d.collect(nil)
	d.engine.shadow(f)
	return <-d.engine.inputs
}

// Prepare performs PrepareHandlers.
func (d *Driver) Prepare() { d.engine.prepare() }

// Close says goodbye: it returns the last effects, and the state for a next incarnation. The driver must not be used any more.
func (d *Driver) Close(now time.Time) ([]Effect, *Legacy, error) {
	effects := d.Step(now, Leave{})
	d.engine.abandon()
	legacy, err := d.engine.Close()
	return effects, legacy, err
}

// Subscription is a watch that is looked at now and then, instead of waited for. Not safe for concurrent use.
type Subscription struct {
	engine  *Engine
	table   *table
	matcher matcher
	watcher *watcher
}

// Watch is Engine.Watch for whoever must not block. Errors: ErrNotReady, ErrNoTable, ErrBadPattern.
func (d *Driver) Watch(table string, p Pattern) (*Subscription, error) {
	if !d.engine.Ready() {
		return nil, ErrNotReady
	}
	m, t, err := d.engine.prepareMatch(context.Background(), table, p)
	if err != nil {
		return nil, err
	}
	return &Subscription{engine: d.engine, table: t, matcher: m, watcher: t.hub.add()}, nil
}

// Changes returns what has changed since the last call. The error ends the subscription: ErrNoTable, ErrOverloaded.
func (s *Subscription) Changes() ([]Change, error) {
	var out []Change
	for {
		keys, _, err := s.table.hub.read(s.watcher)
		if err != nil || len(keys) == 0 {
			return out, err
		}
		s.engine.yieldChanges(context.Background(), s.table, s.matcher, keys, func(c Change, _ error) bool {
			out = append(out, c)
			return true
		})
	}
}

// Transfers names the repairs that this node takes from others now, in the order of their beginning.
func (d *Driver) Transfers() []uint64 {
	var out []uint64
	for _, t := range d.engine.core.repair.taking {
		out = append(out, t.id)
	}
	slices.Sort(out)
	return out
}

// TableEpoch says what the node's catalogue says of a table: its epoch, 0 for none, and whether it exists.
func (d *Driver) TableEpoch(name string) (epoch uint64, live bool) {
	f, _ := d.engine.core.space.tableFact(name)
	return f.Epoch, f.Live
}

// Mark changes whenever what a node holds of a partition, or knows of its mutations, changes.
type Mark struct{ Epoch, Clock, Sum uint64 }

// Mark returns the mark of the partition that a key is in, the zero Mark when there is no such table. The catalogue is the table without a name.
func (d *Driver) Mark(table, key string) Mark {
	if table == "" {
		m := Mark{}
		m.Clock, m.Sum = d.engine.core.space.catalogue.digest()
		return m
	}
	t, err := d.engine.core.space.table(table)
	if err != nil {
		return Mark{}
	}
	m := Mark{Epoch: t.epoch}
	m.Clock, m.Sum = t.partition(key).digest()
	return m
}

// Held is what a node holds and knows of one key.
type Held struct {
	Epoch uint64
	// Versions are sorted by dot.
	Versions []replica.Version
	// Known is what a write without a context covers.
	Known clock.Context

	clock   clock.Clock
	retired func(clock.Actor) bool
	lost    func(clock.Dot) bool
}

// Held reads one key, whether the node is ready or not. ErrNoTable when there is no such table.
func (d *Driver) Held(table, key string) (Held, error) {
	t, err := d.engine.core.space.table(table)
	if err != nil {
		return Held{}, err
	}
	p := t.partition(key)
	p.mu.RLock()
	defer p.mu.RUnlock()
	lost := func(dot clock.Dot) bool {
		rec, sealed := d.engine.core.space.seal(dot.Actor)
		return sealed && !t.options.Local && !rec.entries()[p.id].Has(dot.Counter)
	}
	return Held{Epoch: t.epoch, Versions: p.rep.Get(key), Known: p.rep.Context(key), clock: p.rep.Clock(), retired: d.engine.core.space.isRetired, lost: lost}, nil
}

// Has says whether the node knows a mutation of the key: it arrived here, or something that succeeds it, or its incarnation is over, and with it all that
// it has written that counts.
func (h Held) Has(dot clock.Dot) bool {
	return !h.lost(dot) && (h.clock.Has(dot) || h.Known.Covers(dot) || h.retired(dot.Actor))
}

// Lost says whether all members have agreed, as far as the node knows, that a mutation of a dead incarnation does not count: nobody had it, or whoever
// had it has made it again.
func (h Held) Lost(dot clock.Dot) bool { return h.lost(dot) }

// Over says whether the mutation is of an incarnation of which nothing is left anywhere, as far as the node knows: something succeeds it at every member.
func (h Held) Over(dot clock.Dot) bool { return h.retired(dot.Actor) }

// Made counts the mutations of the key's partition that an actor is known to have made without a gap.
func (h Held) Made(by clock.Actor) uint64 { return h.clock.Base(by) }

// Digests describes, a line for each table, what this node knows and holds: two nodes with equal lines hold the same. The catalogue is first.
func (d *Driver) Digests() []string {
	var out []string
	for _, t := range d.engine.core.digests() {
		out = append(out, fmt.Sprintf("%q epoch %d clocks %016x sum %016x", t.Table, t.Epoch, t.Clocks, t.Sum))
	}
	return out
}

// Unstable counts the mutations, those of the catalogue included, that are not known to be at every known member.
func (d *Driver) Unstable() int {
	n := 0
	for _, p := range d.engine.core.everyPartition() {
		n += p.rep.NumUnstable()
	}
	return n
}

// Lone counts the keys of all tables of which nothing but deletes is left.
func (d *Driver) Lone() int { return d.engine.core.space.numLone() }

// Quarantined says whether the handler in force is known here to have trapped on exactly the siblings that the key has now.
func (d *Driver) Quarantined(table, key string) bool {
	c := d.engine.core
	t, err := c.space.table(table)
	if err != nil {
		return false
	}
	job, _ := c.job(t, key, t.siblings(key))
	_, known := c.space.quarantined(job)
	return known
}

// Table names the job's table.
func (j Job) Table() string { return j.t.name }

// Key names the job's key.
func (j Job) Key() string { return j.key }

// String names table, key, siblings and handler record of a job: equal on every node.
func (j Job) String() string {
	return fmt.Sprintf("%s/%s conflict %s record %.8s", j.t.name, j.key, j.conflict(), j.record)
}

// FrameName names the kind of a payload, for traces.
func FrameName(payload []byte) string {
	names := [...]string{
		frameHello: "hello", frameBye: "bye", frameMutations: "mutations", frameAck: "ack", frameProbe: "probe", frameClocks: "clocks",
		framePull: "pull", frameChunk: "chunk",
		frameVerdict: "verdict", frameBeat: "beat", frameClosing: "closing", frameClosingReply: "closing reply", frameAskSeals: "ask seals", frameSeals: "seals",
		frameSurvey: "survey", frameSurveyed: "surveyed", frameInspect: "inspect", frameInspected: "inspected", frameDisputed: "disputed",
		frameShadow: "shadow", frameAskObjects: "ask objects", frameObjects: "objects", frameEnded: "ended",
	}
	if len(payload) < 2 || int(payload[1]) >= len(names) {
		return "unknown"
	}
	return names[payload[1]]
}
