package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvnode/kvnode/engine/replica"
)

// renewPlugin writes the record of a module, where that has changed, and lets the tables that use the module run it as it is installed now: limits belong to a
// module, not to its activation. It returns what to wait for.
func (c *Core) renewPlugin(p pluginRecord, changed bool) ([]waitDot, error) {
	var dots []waitDot
	write := func(key string, decide decision) (written bool, err error) {
		dot, events, err := c.decideCatalogue(key, c.stamp(), decide)
		if errors.Is(err, errAsItIs) {
			return false, nil
		}
		if err == nil {
			c.report(events...)
			dots = append(dots, waitDot{p: c.space.catalogue, dot: dot})
		}
		return err == nil, err
	}
	if changed {
		if _, err := write(p.key(), func([]replica.Version) ([]byte, error) { return c.codec.record(p), nil }); err != nil {
			return nil, err
		}
	}
	for _, t := range c.space.sortedTables() {
		inForce, err := write(keyHandler+t.name, c.renewHandler(t, p))
		if err != nil {
			return nil, fmt.Errorf("renew the handler of table %s: %w", t.name, err)
		}
		if inForce {
			c.report(Event{Kind: EventHandlerActive, Table: t.name})
		}
		if _, err := write(keyShadow+t.name, c.renewShadow(t, p)); err != nil {
			return nil, fmt.Errorf("renew the shadow of table %s: %w", t.name, err)
		}
	}
	return dots, nil
}

// renewHandler is what becomes of a table's handlers when a module is installed anew. The way back stays as it is.
func (c *Core) renewHandler(t *table, p pluginRecord) decision {
	return func(held []replica.Version) ([]byte, error) {
		entry, activated := handlersOf(c.codec, held, t.epoch)
		if !activated || !entry.Active.renewed(p, c.unixMilli()) {
			return nil, errAsItIs
		}
		return c.codec.record(entry), nil
	}
}

// renewShadow is the same for its shadow.
func (c *Core) renewShadow(t *table, p pluginRecord) decision {
	return func(held []replica.Version) ([]byte, error) {
		rec, found := shadowOf(c.codec, held, t.epoch)
		if !found || !rec.renewed(p, c.unixMilli()) {
			return nil, errAsItIs
		}
		return c.codec.record(rec), nil
	}
}

// renewed gives a record the limits and the metering with which its module is installed, and says whether they are others.
func (r *handlerRecord) renewed(p pluginRecord, now uint64) bool {
	if !r.runs(p) || r.Limits == p.Limits && r.Rewriter == p.Rewriter {
		return false
	}
	r.Limits, r.Rewriter, r.Epoch, r.Time = p.Limits, p.Rewriter, r.Epoch+1, now
	return true
}

// installed describes a module that was written, and loads it if a table uses it: the first conflict does not wait for that.
func (e *Engine) installed(ctx context.Context, p pluginRecord, err error) (PluginInfo, error) {
	out := e.core.pluginInfo(p)
	if err != nil || len(out.Tables)+len(out.Shadows) == 0 {
		return out, err
	}
	if err := e.prepareHandlers(ctx); err != nil {
		return out, errors.Join(errors.New("installed, but this node cannot run it now"), err)
	}
	return out, nil
}
