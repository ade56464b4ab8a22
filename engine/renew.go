package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvnode/kvnode/engine/replica"
)

// writePlugin writes the record of a module that is installed: what comes with that, over what is held by now. Where that changes nothing it is written only
// if anyway says so. It returns the record that holds, and what to wait for.
func (c *Core) writePlugin(rec pluginRecord, anyway bool) (pluginRecord, []waitDot, error) {
	isRenewed := false
	dot, events, err := c.decideCatalogue(rec.key(), c.stamp(), func(held []replica.Version) ([]byte, error) {
		if before, known := pluginOf(c.codec, held); known {
			var changed bool
			if rec, changed = before.renewed(rec); !changed && !anyway {
				return nil, errAsItIs
			}
			isRenewed = rec.Limits != before.Limits || rec.Rewriter != before.Rewriter
		}
		return c.codec.record(rec), nil
	})
	switch {
	case errors.Is(err, errAsItIs):
		return rec, nil, nil
	case err != nil:
		return rec, nil, fmt.Errorf("write the record of the module: %w", err)
	}
	c.report(events...)
	if isRenewed {
		c.reportRenewed(rec)
	}
	return rec, []waitDot{{p: c.space.catalogue, dot: dot}}, nil
}

// reportRenewed reports in which tables the handler is another from now on: limits belong to a module, and the one that judges them has new ones.
func (c *Core) reportRenewed(p pluginRecord) {
	for _, t := range c.space.sortedTables() {
		if h, ok := c.space.handler(t); ok && h.runs(p) && !h.Disabled {
			c.report(Event{Kind: EventHandlerActive, Table: t.name})
		}
	}
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
