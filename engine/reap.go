package engine

import (
	"math"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// Reaped is a mutation by which a node has ended visible deletes that were alone at their key.
type Reaped struct {
	Table string
	Epoch uint64
	replica.Reaped
}

// reapers are the connected members that can end deletes.
func (c *Core) reapers() []clock.Actor {
	var out []clock.Actor
	for _, p := range c.members.sorted {
		if p.hello.Ready && !p.hello.Leaving {
			out = append(out, p.actor)
		}
	}
	return out
}

// reapLocked ends the deletes of a partition that are alone, stable, and this node's to end. A node that is not ready, or goes down, leaves that to
// others.
func (c *Core) reapLocked(p *partition, known, connected []clock.Actor) bool {
	if p.rep.NumLone() == 0 || !c.boot.ready || c.leaving != nil || c.frozen.Load() || p.rep.Self() != c.cfg.Actor {
		return false
	}
	reaped := p.rep.Reap(known, connected)
	for _, m := range reaped {
		c.reaped = append(c.reaped, Reaped{Table: p.id.Table, Epoch: p.id.Epoch, Reaped: m})
	}
	return len(reaped) > 0
}

// reapLocals ends the deletes of tables that are not replicated: what this node has, all have.
func (c *Core) reapLocals() {
	for _, t := range c.space.sortedTables() {
		if !t.options.Local {
			continue
		}
		for _, p := range t.parts {
			p.mu.Lock()
			if c.reapLocked(p, nil, nil) {
				p.rep.Drain(math.MaxInt)
				p.rep.Collect(nil)
			}
			p.mu.Unlock()
		}
	}
}

// numLone counts the keys of all tables of which nothing but deletes is left.
func (s *space) numLone() int {
	n := 0
	for _, t := range s.sortedTables() {
		for _, p := range t.parts {
			p.mu.RLock()
			n += p.rep.NumLone()
			p.mu.RUnlock()
		}
	}
	return n
}
