package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kvnode/kvnode/engine/replica"
)

// CreateTable creates a table in the whole cluster, or finds it there with the same options: creating is idempotent. When the table exists with other
// options the error is ErrTableExists and nothing changes. Both sides of a split may create a table; when they meet, the options that were given
// first hold, and TableInfo names the others.
func (e *Engine) CreateTable(ctx context.Context, name string, o TableOptions) (TableInfo, error) {
	if !validName(name) {
		return TableInfo{}, ErrBadTableName
	}
	asked := o.Handler
	o, err := o.normalise(name)
	if err != nil {
		return TableInfo{}, err
	}
	if err := e.AwaitReady(ctx); err != nil {
		return TableInfo{}, err
	}
	if err := e.bringIn(ctx, asked); err != nil {
		return TableInfo{}, err
	}
	err = e.decide(ctx, keyTable+name, func(held []replica.Version) ([]byte, error) {
		fact, known := tableFactOf(e.core.codec, held)
		switch {
		case known && fact.Live && fact.Options == o:
			return nil, errAsItIs
		case known && fact.Live:
			return nil, fmt.Errorf("%w: it has %s", ErrTableExists, fact.Options)
		}
		return e.core.codec.record(tableRecord{Epoch: max(fact.Epoch, 1), Live: true, Options: o}), nil
	})
	if err != nil && !errors.Is(err, errAsItIs) {
		return TableInfo{}, err
	}
	return e.Table(ctx, name)
}

// errAsItIs ends a decision that changes nothing.
var errAsItIs = errors.New("the record is as it should be")

// DropTable removes a table with all its entries, at all nodes. A drop wins over writes that it has not seen.
func (e *Engine) DropTable(ctx context.Context, name string) error {
	if err := e.AwaitReady(ctx); err != nil {
		return err
	}
	return e.decide(ctx, keyTable+name, func(held []replica.Version) ([]byte, error) {
		fact, known := tableFactOf(e.core.codec, held)
		if !known || !fact.Live {
			return nil, ErrNoTable
		}
		return e.core.codec.record(tableRecord{Epoch: fact.Epoch + 1, Options: fact.Options}), nil
	})
}

// ClearTable deletes all entries that this node knows of; what it has not seen stays.
func (e *Engine) ClearTable(ctx context.Context, name string) error {
	if err := e.AwaitReady(ctx); err != nil {
		return err
	}
	t, err := e.core.space.table(name)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(slices.Sorted(t.keys("")), MaxBatch) {
		if _, err := e.Delete(ctx, name, batch); err != nil {
			return err
		}
	}
	return nil
}

// Tables describes all tables, by name.
func (e *Engine) Tables(ctx context.Context) ([]TableInfo, error) {
	if err := e.AwaitReady(ctx); err != nil {
		return nil, err
	}
	out := []TableInfo{}
	for _, t := range e.core.space.sortedTables() {
		out = append(out, e.core.space.info(t))
	}
	return out, nil
}

// Table describes one table.
func (e *Engine) Table(ctx context.Context, name string) (TableInfo, error) {
	if err := e.AwaitReady(ctx); err != nil {
		return TableInfo{}, err
	}
	t, err := e.core.space.table(name)
	if err != nil {
		return TableInfo{}, err
	}
	return e.core.space.info(t), nil
}

func (s *space) tableFact(name string) (tableFact, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f, ok := s.facts.tables[name]
	return f, ok
}

func (s *space) info(t *table) TableInfo {
	s.mu.RLock()
	out := TableInfo{Name: t.name, Epoch: t.epoch, Options: t.options, RejectedOptions: slices.Clone(s.facts.tables[t.name].Rejected)}
	if r, ok := s.facts.handler(t); ok {
		active := s.facts.public(r)
		out.Active = &active
	}
	if r, ok := s.facts.shadow(t); ok {
		shadow := s.facts.public(r)
		out.Shadow = &shadow
	}
	for _, r := range s.facts.earlier(t) {
		out.Earlier = append(out.Earlier, s.facts.public(r))
	}
	s.mu.RUnlock()
	for _, p := range t.parts {
		p.mu.RLock()
		out.Keys += p.rep.Len()
		out.Bytes += p.rep.Bytes()
		out.Conflicts += t.numConflictsLocked(p)
		out.Unstable += p.rep.NumUnstable()
		p.mu.RUnlock()
	}
	return out
}

// numConflictsLocked is the number of keys of a partition with two or more versions that the table shows.
func (t *table) numConflictsLocked(p *partition) int {
	if t.options.Deletes == VisibleDeletes {
		return p.rep.NumConflicts()
	}
	return p.rep.NumContested()
}

// decide replaces one record of the catalogue by what becomes of it, and waits until the connected members have that.
func (e *Engine) decide(ctx context.Context, key string, decide decision) error {
	dot, events, err := e.core.decideCatalogue(key, e.core.stamp(), decide)
	if err != nil {
		return err
	}
	e.core.report(events...)
	return e.awaitRecord(ctx, waitDot{p: e.core.space.catalogue, dot: dot})
}

// awaitRecord waits until all connected members have these records of the catalogue.
func (e *Engine) awaitRecord(ctx context.Context, dots ...waitDot) error {
	e.poke()
	_, err := e.awaitWaiter(ctx, &waiter{dots: dots, level: AckAll, timeout: e.core.cfg.AckTimeout})
	return err
}

// String names the options as the command line takes them.
func (o TableOptions) String() string {
	return fmt.Sprintf("type=%s ack=%s unresolved=%s deletes=%s handler=%s local=%t", o.Type, o.Ack, o.Unresolved, o.Deletes, o.Handler, o.Local)
}
