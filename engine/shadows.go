package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvnode/kvnode/engine/replica"
)

// ActivateShadow lets a module run beside the handler in force on all conflicts of a table, those that are open too, without effect; see ShadowReport. It
// takes the place of the shadow before it. Traps of a shadow restart nobody and quarantine nothing. Errors are those of Activate.
func (e *Engine) ActivateShadow(ctx context.Context, table, plugin string) (Handler, error) {
	t, p, err := e.candidate(ctx, table, plugin)
	if err != nil {
		return Handler{}, err
	}
	rec := p.handler(t, e.core.unixMilli())
	err = e.decide(ctx, keyShadow+table, func(held []replica.Version) ([]byte, error) {
		before, _ := shadowOf(e.core.codec, held, t.epoch)
		rec.Epoch = before.Epoch + 1
		return e.core.codec.record(rec), nil
	})
	if err != nil {
		return Handler{}, err
	}
	if err := e.prepareHandlers(ctx); err != nil {
		return e.core.space.publicHandler(rec), errors.Join(errors.New("activated as a shadow, but this node cannot run it now"), err)
	}
	return e.core.space.publicHandler(rec), nil
}

// Shadow reports on the shadow of a table. Errors: ErrNoTable, ErrNoShadow, ErrNotReady.
func (e *Engine) Shadow(ctx context.Context, table string) (ShadowReport, error) {
	if err := e.AwaitReady(ctx); err != nil {
		return ShadowReport{}, err
	}
	t, err := e.core.space.table(table)
	if err != nil {
		return ShadowReport{}, err
	}
	rec, ok := e.core.space.shadow(t)
	if !ok {
		return ShadowReport{}, ErrNoShadow
	}
	out := e.core.space.shadows.report(table, rec.id(e.core.codec))
	out.Table, out.Handler = table, e.core.space.publicHandler(rec)
	return out, nil
}

// EndShadow ends the shadow of a table, everywhere, and returns the last report on it. Errors are those of Shadow.
func (e *Engine) EndShadow(ctx context.Context, table string) (ShadowReport, error) {
	out, err := e.Shadow(ctx, table)
	if err != nil {
		return out, err
	}
	return out, e.decide(ctx, keyShadow+table, func([]replica.Version) ([]byte, error) { return nil, nil })
}

// endShadowOf ends the shadow of a table if its module is the one in force: there is nothing left to compare it with. It returns what to wait for.
func (c *Core) endShadowOf(t *table, inForce handlerRecord) ([]waitDot, error) {
	if w, ok := c.space.shadow(t); !ok || !w.sameModule(inForce) || inForce.Disabled {
		return nil, nil
	}
	dot, events, err := c.decideCatalogue(keyShadow+t.name, c.stamp(), func(held []replica.Version) ([]byte, error) {
		if w, ok := shadowOf(c.codec, held, t.epoch); !ok || !w.sameModule(inForce) {
			return nil, errAsItIs // another one was started meanwhile
		}
		return nil, nil
	})
	switch {
	case errors.Is(err, errAsItIs):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("end the shadow: %w", err)
	}
	c.report(events...)
	return []waitDot{{p: c.space.catalogue, dot: dot}}, nil
}

// shadowOf picks the shadow of a table of this epoch.
func shadowOf(c codec, versions []replica.Version, tableEpoch uint64) (held handlerRecord, found bool) {
	for _, v := range versions {
		r, err := decode[handlerRecord](c, v.Value)
		if err == nil && r.TableEpoch == tableEpoch && (!found || laterHandler(r, held)) {
			held, found = r, true
		}
	}
	return held, found
}

// shadow returns the shadow of an open table.
func (s *space) shadow(t *table) (handlerRecord, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.facts.shadow(t)
}

func (f *facts) shadow(t *table) (handlerRecord, bool) {
	r, ok := f.shadows[t.name]
	return f.asInstalled(r), ok && r.TableEpoch == t.epoch
}
