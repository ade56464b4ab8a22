package fire

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/kvnode/kvnode/engine"
)

// Store is a node as its clients see it.
type Store interface {
	Put(ctx context.Context, table string, kvs []engine.KV, opts ...engine.WriteOption) (engine.Written, error)
	Delete(ctx context.Context, table string, keys []string, opts ...engine.WriteOption) (engine.Written, error)
	Get(ctx context.Context, table, key string) (engine.Entry, error)
}

// Config says how hot the fire is.
type Config struct {
	Seed  uint64
	Table string
	// Nodes are the names of the nodes.
	Nodes []string
	// Levels are those that writers use; there is one writer for each node and level.
	Levels []engine.AckLevel
	// Rate is how many keys a second all writers together mean to write, Batch how many a call writes.
	Rate, Batch int
	// Plain keys are overwritten, and in the end deleted, all the time; Forked keys get pairs of writes that have not seen each other.
	Plain, Forked int
	// ForkEvery is how many calls of a writer lie between two forks, ReadEvery between two reads.
	ForkEvery, ReadEvery int
	// Node returns the running incarnation of a node.
	Node func(name string) Store
}

// pause is the time between the calls of a writer.
func (c Config) pause() time.Duration {
	whole := time.Duration(len(c.Nodes)*len(c.Levels)*c.Batch) * time.Second / time.Duration(c.Rate)
	return whole * time.Duration(c.ForkEvery-1) / time.Duration(c.ForkEvery) // a fork writes two keys only
}

// deleteEvery is how many calls of a writer lie between two deletes.
const deleteEvery = 29

// Crew writes and reads until it is stopped.
type Crew struct {
	cfg    Config
	ledger *Ledger
	work   sync.WaitGroup
	end    context.CancelFunc
}

// Start begins the fire. The caller stops it.
func Start(ctx context.Context, cfg Config) *Crew {
	ctx, end := context.WithCancel(ctx)
	c := &Crew{cfg: cfg, ledger: newLedger(cfg.Nodes), end: end}
	for i, node := range cfg.Nodes {
		for j, level := range cfg.Levels {
			w := &writer{crew: c, node: node, level: level, rand: rand.New(rand.NewPCG(cfg.Seed, uint64(i*len(cfg.Levels)+j)))}
			c.work.Go(func() { w.run(ctx) })
		}
	}
	return c
}

// Ledger returns what was written and read so far.
func (c *Crew) Ledger() *Ledger { return c.ledger }

// Stop ends the fire once the calls under way have returned.
func (c *Crew) Stop() {
	c.end()
	c.work.Wait()
}

// writer calls one node at one level.
type writer struct {
	crew  *Crew
	node  string
	level engine.AckLevel
	rand  *rand.Rand
}

func (w *writer) run(ctx context.Context) {
	cfg := w.crew.cfg
	pause := time.NewTicker(cfg.pause())
	defer pause.Stop()
	calls := context.WithoutCancel(ctx)
	for n := w.rand.IntN(cfg.ForkEvery); ; n++ {
		if n%cfg.ReadEvery == 0 {
			w.read(calls, w.anyKey())
		}
		switch {
		case n%cfg.ForkEvery == 0:
			w.fork(calls)
		case n%deleteEvery == 0:
			w.remove(calls)
		default:
			w.put(calls)
		}
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

func (w *writer) store() Store { return w.crew.cfg.Node(w.node) }

func (w *writer) anyKey() string {
	if w.rand.IntN(2) == 0 {
		return w.forkedKey()
	}
	return plainKey(w.rand.IntN(w.crew.cfg.Plain))
}

func (w *writer) forkedKey() string { return fmt.Sprintf("fork%05d", w.rand.IntN(w.crew.cfg.Forked)) }

func plainKey(i int) string { return fmt.Sprintf("plain%05d", i) }

// batch picks keys in a row.
func (w *writer) batch() []string {
	keys := make([]string, w.crew.cfg.Batch)
	first := w.rand.IntN(w.crew.cfg.Plain)
	for i := range keys {
		keys[i] = plainKey((first + i) % w.crew.cfg.Plain)
	}
	return keys
}

func (w *writer) put(ctx context.Context) {
	began := time.Now()
	var kvs []engine.KV
	for _, key := range w.batch() {
		kvs = append(kvs, engine.KV{Key: key, Value: []byte(w.crew.ledger.value(w.node, w.level))})
	}
	out, err := w.store().Put(ctx, w.crew.cfg.Table, kvs, engine.WithAck(w.level))
	w.note(began, kvs, nil, out, err)
}

func (w *writer) remove(ctx context.Context) {
	began := time.Now()
	keys := w.batch()
	kvs := make([]engine.KV, len(keys))
	for i, key := range keys {
		kvs[i].Key = key
	}
	out, err := w.store().Delete(ctx, w.crew.cfg.Table, keys, engine.WithAck(w.level))
	w.note(began, kvs, nil, out, err)
}

// fork writes two values that have seen the same.
func (w *writer) fork(ctx context.Context) {
	key := w.forkedKey()
	seen, ok := w.read(ctx, key)
	if !ok {
		return
	}
	for range 2 {
		began := time.Now()
		kvs := []engine.KV{{Key: key, Value: []byte(w.crew.ledger.value(w.node, w.level))}}
		out, err := w.store().Put(ctx, w.crew.cfg.Table, kvs, engine.WithAck(w.level), engine.WithContext(seen.Context))
		w.note(began, kvs, &seen, out, err)
	}
}

// value is one that nobody wrote before.
func (l *Ledger) value(node string, level engine.AckLevel) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastID++
	return fmt.Sprintf("%d-%s-%s", l.lastID, node, level)
}

// note puts the outcome of a call into the ledger. Who writes with the token of an earlier read replaces what that read has shown, others what the
// call says that it replaced.
func (w *writer) note(began time.Time, kvs []engine.KV, seen *engine.Entry, out engine.Written, err error) {
	if err != nil {
		w.crew.ledger.refuse(err)
	}
	if len(out.Previous) == 0 {
		return // nothing was applied
	}
	acked := out.Acked
	if err != nil {
		acked = 0
	}
	for i, kv := range kvs {
		before := out.Previous[i]
		if seen != nil {
			before = *seen
		}
		w.crew.ledger.applied(outcome{
			node: w.node, key: kv.Key, value: string(kv.Value), level: string(w.level), covers: values(before), began: began, acked: acked,
		})
	}
}

// read looks at a key and notes what it was shown.
func (w *writer) read(ctx context.Context, key string) (engine.Entry, bool) {
	must := w.crew.ledger.must(w.node, key)
	e, err := w.store().Get(ctx, w.crew.cfg.Table, key)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		w.crew.ledger.refuse(err)
		return e, false
	}
	w.crew.ledger.answered(read{node: w.node, key: key, must: must, ended: time.Now(), siblings: values(e)})
	return e, true
}

func values(e engine.Entry) []string {
	out := make([]string, len(e.Siblings))
	for i, v := range e.Siblings {
		out[i] = string(v.Value)
	}
	return out
}
