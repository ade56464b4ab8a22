package engine

import (
	"maps"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// A version travels with the names of those that it has overwritten, but mostly without their values, which the receivers have. A node that lacks the
// value of a conflict's base all the same, or has forgotten the past of a version, asks the other members for it, and shows siblings meanwhile. Only when no
// connected member has it the conflict is judged without.

// baseRounds is how often the connected members are asked for a base that none has sent, judgeRetry apart.
const baseRounds = 3

// localTurns is how often a tick takes the lock of a partition of a local table to forget pasts, each time of some thousand keys.
const localTurns = 8

// baseQuest is the search for a base that is not here.
type baseQuest struct {
	siblings string
	rounds   int
}

// given returns the base as handlers see it.
func (j Job) given() *replica.Version {
	if j.base == nil || j.base.Lacks {
		return nil
	}
	return &j.base.Version
}

// judged names what is judged, in the cache of views: what was judged without its base is judged again once that is there.
func (j Job) judged() string {
	if j.base != nil && j.base.Lacks {
		return j.siblings + " without base"
	}
	return j.siblings
}

func (j Job) cached() (view, bool) { return j.t.views.get(j.key, j.judged(), j.record) }

func (j Job) cache(v view) { j.t.views.put(j.key, j.judged(), j.record, v) }

// awaitsBase says whether the base is not here, and may be somewhere else.
func (j Job) awaitsBase() bool {
	return j.base != nil && j.base.Lacks && !j.t.views.isWaived(j.key, j.siblings)
}

// publicBase shows a base, unless its value is not known here.
func publicBase(base *replica.Ancestor) *Version {
	if base == nil || base.Lacks {
		return nil
	}
	v := publicVersion(base.Version)
	return &v
}

// fetchBase asks the connected members for the base of a conflict that is not here, and reports whether the conflict must wait for it.
func (c *Core) fetchBase(job Job) bool {
	if !job.awaitsBase() {
		delete(c.cases.bases, job.id())
		return false
	}
	q := c.cases.bases[job.id()]
	if q == nil || q.siblings != job.siblings {
		q = &baseQuest{siblings: job.siblings}
		c.cases.bases[job.id()] = q
	}
	if q.rounds == baseRounds || len(c.members.sorted) == 0 || job.t.options.Local {
		job.t.views.waive(job.key, job.siblings)
		job.t.hub.notify(job.key)
		delete(c.cases.bases, job.id())
		return false
	}
	q.rounds++
	c.broadcast(c.codec.frame(frameAskObjects, askObjectsFrame{ID: job.t.partition(job.key).id, Keys: [][]byte{[]byte(job.key)}}))
	c.cases.later = append(c.cases.later, job.id())
	c.cases.retryAt = c.now.Add(judgeRetry)
	return true
}

// insistOnBases asks for bases again that no member had: who has come since may have them.
func (c *Core) insistOnBases() {
	for _, t := range c.space.sortedTables() {
		t.views.insist()
	}
}

// forgetBases forgets the searches for bases of conflicts that are over.
func (c *Core) forgetBases() {
	maps.DeleteFunc(c.cases.bases, func(id caseID, _ *baseQuest) bool { _, queued := c.cases.queued[id]; return !queued })
}

// onAskObjects sends objects with all that is known of what their versions have overwritten.
func (c *Core) onAskObjects(from clock.Actor, f askObjectsFrame) error {
	p := c.space.find(f.ID)
	if p == nil || len(f.Keys) == 0 || c.audit.withholds(p) {
		return nil
	}
	keys := make([]string, len(f.Keys))
	for i, key := range f.Keys {
		keys[i] = string(key)
	}
	p.mu.RLock()
	delta := p.rep.Pack(keys, chunkBytes)
	p.mu.RUnlock()
	c.send(from, LaneBulk, c.codec.frame(frameObjects, objectsFrame{ID: f.ID, Seals: c.closing.digest, Delta: delta.AppendBinary(nil)}))
	return nil
}

// onObjects takes objects that were asked for.
func (c *Core) onObjects(from clock.Actor, f objectsFrame) error {
	if !c.knowsSeals(from, f.Seals) {
		return nil
	}
	if err := c.applyGroup(mutationGroup{ID: f.ID, Delta: f.Delta}); err != nil {
		return err
	}
	t, err := c.space.table(f.ID.Table)
	if err != nil {
		return nil //nolint:nilerr // it was dropped meanwhile
	}
	for _, id := range c.cases.later {
		if _, asked := c.cases.bases[id]; asked && id.table == t.name {
			c.enqueue(id)
			t.hub.notify(id.key)
		}
	}
	return nil
}

// planTidying looks which partitions of local tables have pasts: in a table that is not replicated they are of use for some seconds, to writes with an
// old context.
func (c *Core) planTidying() {
	if len(c.untidied) > 0 {
		return
	}
	for _, t := range c.space.sortedTables() {
		if !t.options.Local {
			continue
		}
		for _, p := range t.parts {
			if p.numPasts() > 0 {
				c.untidied = append(c.untidied, p)
			}
		}
	}
}

func (p *partition) numPasts() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.rep.NumPasts()
}

// tidyLocals forgets some of these pasts.
func (c *Core) tidyLocals() {
	for range localTurns {
		if len(c.untidied) == 0 {
			return
		}
		if !c.untidied[0].forgetPasts() {
			c.untidied = c.untidied[1:]
		}
	}
}

// forgetPasts forgets pasts of some thousand keys, and reports whether there may be more.
func (p *partition) forgetPasts() (more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rep.CollectPasts(nil) > 0
}
