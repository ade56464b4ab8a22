package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/kvnode/kvnode/engine/replica"
)

// Activate makes a module the judge of a table's conflicts, everywhere: what readers see of conflicts is computed anew, and quarantines of the old
// record end. The plugin is a name (its newest module, or a built-in handler), NAME@NUMBER, NAME@SHA-256, a SHA-256, or an unambiguous beginning of one. Errors: ErrNoTable,
// ErrNoPlugin, ErrNotReady.
func (e *Engine) Activate(ctx context.Context, table, plugin string) (Handler, error) {
	t, p, err := e.candidate(ctx, table, plugin)
	if err != nil {
		return Handler{}, err
	}
	rec, err := e.decideHandler(ctx, t, func(before handlerEntry, _ bool) (handlerEntry, error) {
		return before.then(p.handler(t, e.core.unixMilli())), nil
	})
	if err != nil {
		return Handler{}, err
	}
	return e.activated(ctx, t, rec)
}

// candidate finds a table and a module to judge its conflicts, which is installed if it is a built-in one.
func (e *Engine) candidate(ctx context.Context, name, plugin string) (*table, pluginRecord, error) {
	if err := e.AwaitReady(ctx); err != nil {
		return nil, pluginRecord{}, err
	}
	t, err := e.core.space.table(name)
	if err != nil {
		return nil, pluginRecord{}, err
	}
	if err := e.bringIn(ctx, plugin); err != nil {
		return nil, pluginRecord{}, err
	}
	p, err := e.core.space.findPlugin(plugin)
	return t, p, err
}

// Rollback makes the module judge a table's conflicts that did so before, with the limits that it is installed with now; again and again, it goes further
// back. A handler that somebody has disabled is itself the one before; one that was disabled because it trapped too often is not. Modules that are not
// installed any more are passed over. Errors: ErrNoTable, ErrNoEarlier, ErrNotReady.
func (e *Engine) Rollback(ctx context.Context, table string) (Handler, error) {
	if err := e.AwaitReady(ctx); err != nil {
		return Handler{}, err
	}
	t, err := e.core.space.table(table)
	if err != nil {
		return Handler{}, err
	}
	installed := e.core.space.plugins()
	rec, err := e.decideHandler(ctx, t, func(before handlerEntry, _ bool) (handlerEntry, error) {
		return before.back(e.core.unixMilli(), installed)
	})
	if err != nil {
		return Handler{}, err
	}
	return e.activated(ctx, t, rec)
}

// activated announces a record in force and loads its module.
func (e *Engine) activated(ctx context.Context, t *table, rec handlerRecord) (Handler, error) {
	e.core.report(Event{Kind: EventHandlerActive, Table: t.name})
	out := e.core.space.publicHandler(rec)
	if err := e.prepareHandlers(ctx); err != nil {
		return out, errors.Join(errors.New("activated, but this node cannot run it now"), err)
	}
	return out, nil
}

// Disable takes the handler of a table out of service, everywhere: conflicts are not judged, and readers see the latest version and that there are
// siblings. Activate and Rollback lift it. Errors: ErrNoTable, ErrNoHandler, ErrNotReady.
func (e *Engine) Disable(ctx context.Context, table string) (Handler, error) {
	if err := e.AwaitReady(ctx); err != nil {
		return Handler{}, err
	}
	t, err := e.core.space.table(table)
	if err != nil {
		return Handler{}, err
	}
	rec, err := e.decideHandler(ctx, t, func(before handlerEntry, found bool) (handlerEntry, error) {
		if !found {
			return before, ErrNoHandler
		}
		byHand := !before.Active.Disabled || before.Active.ByHand // what trapped too often is no way back because somebody agrees
		before.Active = before.Active.disabled(e.core.unixMilli())
		before.Active.ByHand = byHand
		return before, nil
	})
	if err != nil {
		return Handler{}, err
	}
	e.core.report(Event{Kind: EventHandlerStopped, Table: t.name})
	return e.core.space.publicHandler(rec), nil
}

// decideHandler replaces a table's handlers by what decide, which runs under the catalogue's lock, makes of those held; found says whether there is one in
// force. It returns the record that is in force now, once all connected members have it. The table's shadow ends if it is that module.
func (e *Engine) decideHandler(ctx context.Context, t *table, decide func(before handlerEntry, found bool) (handlerEntry, error)) (handlerRecord, error) {
	first, installed := e.core.space.handler(t)
	var after handlerEntry
	dot, events, err := e.core.decideCatalogue(keyHandler+t.name, e.core.stamp(), func(held []replica.Version) ([]byte, error) {
		before, found := handlersOf(e.core.codec, held, t.epoch)
		if !found && installed {
			before.Active = first // the first module of the table's namesake
		}
		var err error
		if after, err = decide(before, found || installed); err != nil {
			return nil, err
		}
		return e.core.codec.record(after), nil
	})
	if err != nil {
		return handlerRecord{}, err
	}
	e.core.report(events...)
	dots, err := e.core.endShadowOf(t, after.Active)
	if err != nil {
		return after.Active, err
	}
	return after.Active, e.awaitRecord(ctx, append(dots, waitDot{p: e.core.space.catalogue, dot: dot})...)
}

func (c *Core) unixMilli() uint64 { return uint64(c.cfg.Now().UnixMilli()) }

// publicHandler is a record as people see it, with the limits that its module has now.
func (s *space) publicHandler(r handlerRecord) Handler {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.facts.public(s.facts.asInstalled(r))
}

// then puts a record in force, after the one that is.
func (e handlerEntry) then(next handlerRecord) handlerEntry {
	next.Epoch = e.Active.Epoch + 1
	out := handlerEntry{Active: next, Earlier: e.Earlier}
	if e.Active.SHA256 == "" {
		return out
	}
	return out.after(e.Active)
}

// back puts the latest of the earlier records in force whose module is installed; what came after it is forgotten. What was disabled by hand is itself the
// latest of them.
func (e handlerEntry) back(now uint64, installed []pluginRecord) (handlerEntry, error) {
	if e.Active.Disabled && e.Active.ByHand {
		if r, ok := e.again(e.Active, now, installed); ok {
			return handlerEntry{Active: r, Earlier: e.Earlier}, nil
		}
	}
	for i, r := range slices.Backward(e.Earlier) {
		if r.sameModule(e.Active) {
			continue
		}
		if r, ok := e.again(r, now, installed); ok {
			return handlerEntry{Active: r, Earlier: slices.Clone(e.Earlier[:i])}, nil
		}
	}
	return e, ErrNoEarlier
}

// again is the record that puts an earlier one's module in force once more.
func (e handlerEntry) again(r handlerRecord, now uint64, installed []pluginRecord) (_ handlerRecord, ok bool) {
	if !slices.ContainsFunc(installed, r.runs) {
		return r, false
	}
	r.Epoch, r.Time, r.Disabled, r.ByHand = e.Active.Epoch+1, now, false, false
	return r, true
}

// disabled is the record that takes a handler out of service.
func (r handlerRecord) disabled(now uint64) handlerRecord {
	r.Disabled, r.Epoch, r.Time = true, r.Epoch+1, now
	return r
}
