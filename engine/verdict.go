package engine

import (
	"time"

	"github.com/kvnode/kvnode/clock"
)

// maxToldValue bounds the values that verdicts carry; a larger one is computed where it is asked for.
const maxToldValue = 64 << 10

// tellVerdict lets the other members' journals know what the merger decided.
func (c *Core) tellVerdict(job Job, v view) {
	if job.t.options.Local {
		return
	}
	f := verdictFrame{
		ID: job.conflict(), Table: job.t.name, Key: []byte(job.key), Merger: c.cfg.Name, State: v.state, Verdict: v.verdict, Reason: v.reason,
		Plugin: job.handler.Plugin, SHA256: job.handler.SHA256, Fuel: v.fuel, Took: uint64(v.took),
	}
	if len(v.value) <= maxToldValue {
		f.Value = v.value
	}
	c.broadcast(c.codec.frame(frameVerdict, f))
}

// onEnded notes how conflicts have ended that were resolved or settled at another member. Where that is not told, they look overwritten.
func (c *Core) onEnded(_ clock.Actor, f endedFrame) error {
	for _, id := range f.IDs {
		c.journal.end(id, f.End)
	}
	return nil
}

// onVerdict notes another member's verdict.
func (c *Core) onVerdict(_ clock.Actor, f verdictFrame) error {
	c.journal.note(Conflict{
		ID: f.ID, Table: f.Table, Key: string(f.Key), Merger: f.Merger, State: f.State, Verdict: f.Verdict, Value: f.Value, Reason: f.Reason,
		Plugin: f.Plugin, SHA256: f.SHA256, Fuel: f.Fuel, Took: time.Duration(f.Took), Time: c.now.UTC(),
	})
	return nil
}
