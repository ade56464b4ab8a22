package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/kvnode/kvnode/engine/replica"
)

// Put writes values and returns what they replaced. Several keys are written together: all are refused or all are applied here; at other nodes they
// may appear one after the other. Without a context a put replaces everything that this node knows of the key.
//
// Errors: ErrNoTable, ErrBadKey, ErrValueTooLarge, ErrBadContext, ErrConflict, ErrTooManySiblings, ErrNoQuorum, ErrNotReady and ErrOverloaded leave
// everything as it was; ErrNotAcknowledged does not. The values are copied.
func (e *Engine) Put(ctx context.Context, table string, kvs []KV, opts ...WriteOption) (Written, error) {
	ws := make([]replica.Write, len(kvs))
	for i, kv := range kvs {
		if len(kv.Value) > MaxValueBytes {
			return Written{}, fmt.Errorf("%w; key %.64q has %d bytes", ErrValueTooLarge, kv.Key, len(kv.Value))
		}
		ws[i] = replica.Write{Key: kv.Key, Value: slices.Clone(kv.Value)}
	}
	return e.write(ctx, table, ws, GatherOptions(opts...))
}

// Delete removes keys and returns what was there; an absent key is no error. Options and errors are those of Put.
func (e *Engine) Delete(ctx context.Context, table string, keys []string, opts ...WriteOption) (Written, error) {
	ws := make([]replica.Write, len(keys))
	for i, key := range keys {
		ws[i] = replica.Write{Key: key, Delete: true}
	}
	return e.write(ctx, table, ws, GatherOptions(opts...))
}

func (e *Engine) write(ctx context.Context, name string, ws []replica.Write, o WriteOptions) (Written, error) {
	if err := validWrites(ws, o); err != nil {
		return Written{}, err
	}
	if err := e.AwaitReady(ctx); err != nil {
		return Written{}, err
	}
	t, err := e.core.space.table(name)
	if err != nil {
		return Written{}, err
	}
	if o.Context != "" {
		if ws[0].Context, err = e.core.readToken(t, ws[0].Key, o.Context); err != nil {
			return Written{}, err
		}
		ws[0].IfCovered = o.Unchanged
	}
	return e.writeTo(ctx, t, ws, orDefault(o.Ack, t.options.Ack))
}

// writeTo applies writes and waits for their acknowledgements.
func (e *Engine) writeTo(ctx context.Context, t *table, ws []replica.Write, level AckLevel) (Written, error) {
	if err := e.core.reachable(t, level); err != nil {
		return Written{}, err
	}
	done, err := e.applyBounded(ctx, t, ws)
	if err != nil {
		return Written{}, err
	}
	e.poke()
	out := e.describe(ctx, t, ws, done)
	e.announce(t, ws, done)
	out.Acked, err = e.awaitAcks(ctx, t, ws, done, level)
	return out, err
}

func validWrites(ws []replica.Write, o WriteOptions) error {
	switch {
	case len(ws) == 0:
		return fmt.Errorf("%w: nothing to write", ErrBadKey)
	case len(ws) > MaxBatch:
		return fmt.Errorf("%w: %d keys at once, at most %d", ErrOverloaded, len(ws), MaxBatch)
	case len(ws) > 1 && sizeOf(ws) > MaxBatchBytes:
		return fmt.Errorf("%w: %d bytes at once, at most %d", ErrOverloaded, sizeOf(ws), MaxBatchBytes)
	case o.Context != "" && len(ws) > 1:
		return fmt.Errorf("%w: a context belongs to one key", ErrBadContext)
	case o.Unchanged && o.Context == "":
		return fmt.Errorf("%w: the condition has no token", ErrBadContext)
	case o.Ack != "" && !validAck(o.Ack):
		return errBadAck(o.Ack)
	}
	seen := make(map[string]struct{}, len(ws))
	for _, w := range ws {
		if err := validKey(w.Key); err != nil {
			return err
		}
		if _, twice := seen[w.Key]; twice {
			return fmt.Errorf("%w: key %.64q is there twice", ErrBadKey, w.Key)
		}
		seen[w.Key] = struct{}{}
	}
	return nil
}

// reachable refuses a write that cannot be acknowledged at its level, before anything is applied.
func (c *Core) reachable(t *table, level AckLevel) error {
	if t.options.Local {
		return nil
	}
	v := c.published.Load()
	switch level {
	case AckOne:
		if len(v.peers) == 0 {
			return fmt.Errorf("%w (no other node is connected)", ErrNoQuorum)
		}
	case AckQuorum:
		if have, need := v.knownConnected(), quorum(len(v.known)); have < need {
			return fmt.Errorf("%w (%d of %d known members are connected, %d are needed)", ErrNoQuorum, have, len(v.known), need)
		}
	case AckLocal, AckAll:
	}
	return nil
}

// knownConnected counts the known members that are connected, this one included.
func (v *clusterView) knownConnected() int {
	n := 1
	for _, m := range v.known {
		if slices.ContainsFunc(v.peers, func(p peerView) bool { return p.actor == m.Actor }) {
			n++
		}
	}
	return n
}

// applyBounded applies writes once there is room for them in the queue to the other nodes.
func (e *Engine) applyBounded(ctx context.Context, t *table, ws []replica.Write) ([]replica.Written, error) {
	if t.options.Local {
		return e.core.apply(t, ws)
	}
	size := sizeOf(ws)
	if err := e.awaitRoom(ctx, size); err != nil {
		return nil, err
	}
	done, err := e.core.apply(t, ws)
	if err != nil {
		e.core.space.backlog.release(size)
	}
	return done, err
}

// sizeOf counts the bytes of the keys and values.
func sizeOf(ws []replica.Write) int {
	n := 0
	for _, w := range ws {
		n += size(w)
	}
	return n
}

func size(w replica.Write) int { return len(w.Key) + len(w.Value) }

// apply writes all or nothing, under the locks of all partitions concerned.
func (c *Core) apply(t *table, ws []replica.Write) ([]replica.Written, error) {
	parts := t.lockAll(ws)
	defer unlockAll(parts)
	if parts[0].rep.Self() != c.cfg.Actor {
		return nil, ErrClosed // a later incarnation has taken the replicas over
	}
	if c.frozen.Load() {
		return nil, ErrClosed // it goes down; a peer may have been asked whether it has all that is here
	}
	now := c.stamp()
	for i := range ws {
		ws[i].Now, ws[i].Visible = now, t.options.Deletes == VisibleDeletes
		if err := t.partition(ws[i].Key).rep.Check(ws[i]); err != nil {
			return nil, refusal(ws[i].Key, err)
		}
	}
	done := make([]replica.Written, len(ws))
	for i, w := range ws {
		var err error
		if done[i], err = t.partition(w.Key).rep.Write(w); err != nil {
			return nil, refusal(w.Key, err) // cannot happen after Check
		}
	}
	c.queue(t, ws, parts)
	return done, nil
}

// queue leaves what was written to be sent. The partitions are locked.
func (c *Core) queue(t *table, ws []replica.Write, parts []*partition) {
	if t.options.Local {
		for _, p := range parts {
			p.rep.Drain(math.MaxInt)
			p.rep.Collect(nil)
		}
		return
	}
	for _, w := range ws {
		t.partition(w.Key).waiting += size(w)
	}
	for _, p := range parts {
		c.space.touch(p)
	}
}

// lockAll locks the partitions of all keys, in the order of their index.
func (t *table) lockAll(ws []replica.Write) []*partition {
	var parts []*partition
	for _, w := range ws {
		if p := t.partition(w.Key); !slices.Contains(parts, p) {
			parts = append(parts, p)
		}
	}
	slices.SortFunc(parts, func(a, b *partition) int { return a.id.Index - b.id.Index })
	for _, p := range parts {
		p.mu.Lock()
	}
	return parts
}

func unlockAll(parts []*partition) {
	for _, p := range parts {
		p.mu.Unlock()
	}
}

func refusal(key string, err error) error {
	if errors.Is(err, replica.ErrContextAhead) {
		return fmt.Errorf("%w (it names mutations of this node that were never made)", ErrBadContext)
	}
	return fmt.Errorf("key %.64q: %w", key, err)
}

// announce tells the step of conflicts that began or ended, and the watchers of everything.
func (e *Engine) announce(t *table, ws []replica.Write, done []replica.Written) {
	keys := make([]string, 0, len(ws))
	for i, w := range ws {
		if !done[i].New {
			continue
		}
		keys = append(keys, w.Key)
		if w.Context != nil || len(done[i].Previous) > 1 {
			e.post(noticed{t: t, key: w.Key})
		}
	}
	if len(keys) > 0 {
		t.hub.notify(keys...)
	}
}

// describe turns the outcome into entries and tokens.
func (e *Engine) describe(ctx context.Context, t *table, ws []replica.Write, done []replica.Written) Written {
	out := Written{Previous: make([]Entry, len(ws)), Contexts: make([]string, len(ws))}
	for i, d := range done {
		out.Previous[i] = e.entry(ctx, t, ws[i].Key, replica.Canonical(d.Previous), nil)
		out.Contexts[i] = e.core.token(t, ws[i].Key, d.Context)
	}
	return out
}

// awaitAcks waits until enough members have applied the writes.
func (e *Engine) awaitAcks(ctx context.Context, t *table, ws []replica.Write, done []replica.Written, level AckLevel) (int, error) {
	if t.options.Local || level == AckLocal {
		return 1, nil
	}
	w := &waiter{level: level, timeout: e.core.cfg.AckTimeout}
	for i, d := range done {
		if !d.Dot.Actor.IsZero() {
			w.dots = append(w.dots, waitDot{p: t.partition(ws[i].Key), dot: d.Dot})
		}
	}
	return e.awaitWaiter(ctx, w)
}

func (e *Engine) awaitWaiter(ctx context.Context, w *waiter) (int, error) {
	type result struct {
		acked int
		err   error
	}
	over := make(chan result, 1)
	w.done = func(acked int, err error) { over <- result{acked, err} }
	e.post(await{w})
	select {
	case r := <-over:
		return r.acked, r.err
	case <-ctx.Done():
		return 1, fmt.Errorf("%w: %w", ErrNotAcknowledged, ctx.Err())
	case <-e.ctx.Done():
		return 1, fmt.Errorf("%w: %w", ErrNotAcknowledged, ErrClosed)
	}
}

// AwaitReady waits until this node has caught up with its peers, at most AckTimeout, then answers ErrNotReady.
func (e *Engine) AwaitReady(ctx context.Context) error {
	if e.ctx.Err() != nil {
		return ErrClosed
	}
	if e.Ready() {
		return nil
	}
	timer := time.NewTimer(e.core.cfg.AckTimeout)
	defer timer.Stop()
	select {
	case <-e.ready:
		return nil
	case <-e.ctx.Done():
		return ErrClosed
	case <-timer.C:
		return ErrNotReady
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrNotReady, ctx.Err())
	}
}
