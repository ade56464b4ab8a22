package engine

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

const (
	// leaveTimeout bounds the wait until all connected members know a quarantine, before the node restarts.
	leaveTimeout = 2 * time.Second
	// intensityWindow and maxRestarts are the restart intensity of one module over the whole cluster, as of a supervisor in OTP. It counts traps: a
	// node goes down some time after its own, and so that no four go down within a minute the window is longer by that.
	intensityWindow = time.Minute + leaveTimeout
	maxRestarts     = 3
	// trustedSkew is how far a record's date must be back to be believed.
	trustedSkew = 10 * time.Minute
	// restartPatience is how long a member that went down for a restart is waited for.
	restartPatience = 15 * time.Second
)

// leaving is a restart under way: the quarantine spreads, then the node goes down.
type leaving struct {
	job      Job
	reason   string
	told     bool
	deadline time.Time
	// gone says that the node has said goodbye, and waits to be closed.
	gone bool
}

func asTrap(err error) (*Trap, bool) {
	trap, ok := errors.AsType[*Trap](err)
	return trap, ok
}

// quarantineKey names one handler record on one set of siblings.
func quarantineKey(j Job) string { return keyQuarantine + j.conflict() + "/" + j.record }

// quarantined says whether the job's handler record trapped on exactly these siblings before.
func (s *space) quarantined(j Job) (quarantineRecord, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	q, ok := s.facts.quarantines[quarantineKey(j)]
	return q, ok
}

// trapped quarantines the handler on these siblings. The merging node restarts for it, unless some member is restarting already or the module
// has used up its restarts; then it is disabled for the table.
func (c *Core) trapped(job Job, reason string, merging bool) {
	c.journal.note(Conflict{
		ID: job.conflict(), Table: job.t.name, Key: job.key, Versions: publicVersions(job.versions), Base: publicBase(job.base),
		State: Quarantined, Verdict: verdictTrap, Reason: reason, Plugin: job.handler.Plugin, SHA256: job.handler.SHA256, Time: c.now.UTC(),
	})
	if _, already := c.space.quarantined(job); already || !c.current(job) {
		return
	}
	calm := c.leaving == nil && !c.anyRestarting() // then every restart that is counted took place: who trapped as well, and stayed, has said so
	spent := c.restartsOf(job) >= maxRestarts
	restart := merging && calm && !spent
	dot, err := c.quarantine(job, reason, restart)
	if err != nil {
		c.report(Event{Kind: EventError, Table: job.t.name, Key: job.key, Err: err})
		return
	}
	c.report(Event{
		Kind: EventTrap, Table: job.t.name, Key: job.key,
		Attrs: []slog.Attr{slog.String("reason", reason), slog.Bool("restart", restart), slog.String("plugin", job.handler.Plugin), slog.String("module", job.handler.SHA256)},
	})
	if merging && calm && spent && job.handler.SHA256 != "" {
		c.disable(job)
	}
	if restart {
		c.leave(job, reason, dot)
	}
}

// current says whether the job is still what would be run: a late outcome of other siblings or of an earlier record has no consequence.
func (c *Core) current(job Job) bool {
	t, err := c.space.table(job.t.name)
	if err != nil || t.epoch != job.t.epoch {
		return false
	}
	versions := t.siblings(job.key)
	if len(versions) < 2 {
		return false
	}
	now, _ := c.job(t, job.key, versions)
	return now.siblings == job.siblings && now.record == job.record
}

func (c *Core) quarantineOf(job Job, reason string, restart bool) quarantineRecord {
	return quarantineRecord{
		Table: job.t.name, Epoch: job.t.epoch, Key: []byte(job.key), Siblings: job.siblings, Handler: job.handler, Reason: reason,
		Restart: restart, Who: c.cfg.Name, Actor: c.cfg.Actor, Time: uint64(c.cfg.Now().UnixMilli()),
	}
}

func (c *Core) quarantine(job Job, reason string, restart bool) (waitDot, error) {
	rec := c.quarantineOf(job, reason, restart)
	dot, events, err := c.putCatalogue(quarantineKey(job), c.codec.record(rec), c.stamp())
	c.report(events...)
	return waitDot{p: c.space.catalogue, dot: dot}, err
}

// disable takes a module out of service for its table: siblings are kept, readers see the latest version.
func (c *Core) disable(job Job) {
	_, events, err := c.decideCatalogue(keyHandler+job.t.name, c.stamp(), func(held []replica.Version) ([]byte, error) {
		entry, activated := handlersOf(c.codec, held, job.t.epoch)
		if activated && !entry.Active.sameActivation(job.handler) {
			return nil, errAsItIs // another one was activated meanwhile
		}
		entry.Active = job.handler.disabled(uint64(c.cfg.Now().UnixMilli()))
		return c.codec.record(entry), nil
	})
	if errors.Is(err, errAsItIs) {
		return
	}
	c.report(events...)
	c.report(Event{Kind: EventHandlerDisabled, Table: job.t.name, Err: err, Attrs: []slog.Attr{slog.String("plugin", job.handler.Plugin)}})
}

// leave begins the restart: others take over the merging, and learn of the quarantine first.
func (c *Core) leave(job Job, reason string, dot waitDot) {
	c.leaving = &leaving{job: job, reason: reason, deadline: c.now.Add(leaveTimeout)}
	c.nextHello = c.now
	c.await(&waiter{
		dots: []waitDot{dot}, level: AckAll, timeout: leaveTimeout,
		done: func(int, error) { c.leaving.told = true },
	})
}

// checkLeaving goes down once the members know why. The end of the process needs a ready peer that has everything this node has.
func (c *Core) checkLeaving() {
	l := c.leaving
	if l == nil || !l.told || l.gone {
		return
	}
	if c.rivalRestarts() {
		c.stay()
		return
	}
	exit := c.cfg.OnTrap == ExitProcess && !c.space.holdsLocal() // nobody else has what is in local tables
	if exit && c.now.Before(l.deadline) && !c.mirrored() {
		return
	}
	c.goDown(exit && c.mirrored())
}

// goDown ends this incarnation: it takes no writes, and says no more. Until it is closed it can still be read.
func (c *Core) goDown(exit bool) {
	l := c.leaving
	l.gone = true
	c.frozen.Store(true)
	c.journal.note(Conflict{ID: l.job.conflict(), Restarted: c.cfg.Name})
	c.report(Event{Kind: EventRestart, Table: l.job.t.name, Key: l.job.key, Attrs: []slog.Attr{slog.String("reason", l.reason)}})
	c.sayBye()
	c.do(Restart{Reason: l.reason, Exit: exit})
}

// rivalRestarts says whether a member that trapped at the same moment goes down instead: one that is down already, or else the one with the smallest
// actor. A member has sent its quarantine before it confirms another's, so whoever is told by all knows all rivals.
func (c *Core) rivalRestarts() bool {
	c.space.mu.RLock()
	defer c.space.mu.RUnlock()
	for key, q := range c.space.facts.quarantines {
		if !q.Restart || q.Actor == c.cfg.Actor || c.now.Sub(c.cases.seen[key]) >= restartPatience || c.cameBack(q) {
			continue
		}
		if _, up := c.members.peers[q.Actor]; !up || q.Actor.Compare(c.cfg.Actor) < 0 {
			return true
		}
	}
	return false
}

// stay gives a restart up: the quarantine holds, another member restarts.
func (c *Core) stay() {
	job, reason := c.leaving.job, c.leaving.reason
	c.leaving = nil
	c.frozen.Store(false)
	c.nextHello = c.now
	_, events, err := c.decideCatalogue(quarantineKey(job), c.stamp(), func(held []replica.Version) ([]byte, error) {
		for _, v := range held {
			if q, err := decode[quarantineRecord](c.codec, v.Value); err == nil && q.Restart && q.Actor != c.cfg.Actor {
				return v.Value, nil // the rival's record is of the same conflict, and counts
			}
		}
		return c.codec.record(c.quarantineOf(job, reason, false)), nil
	})
	c.report(events...)
	if err != nil {
		c.report(Event{Kind: EventError, Table: job.t.name, Key: job.key, Err: err})
	}
}

// mirrored says whether a ready peer that is not itself going down has all that this node has. From now on nothing is added to that, from no client
// and no peer, or it would never be so while writes rain. A write that is under way holds its partition's lock: it is in.
func (c *Core) mirrored() bool {
	c.frozen.Store(true)
	c.syncSoon()
	ours := c.digests()
	return slices.ContainsFunc(c.members.sorted, func(p *peer) bool {
		return p.hello.Ready && !p.hello.Leaving && (slices.Equal(ours, p.hello.Tables) || c.hasAll(p.actor))
	})
}

// hasAll says whether a member is known to have all that this node has.
func (c *Core) hasAll(member clock.Actor) bool {
	return !slices.ContainsFunc(c.everyPartition(), func(p *partition) bool { return !p.isCoveredBy(member) })
}

func (p *partition) isCoveredBy(member clock.Actor) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.rep.Covers(member, p.rep.Clock())
}

// isFrozen says whether a partition takes nothing any more. The catalogue does to the end: it says who else restarts.
func (c *Core) isFrozen(p *partition) bool { return c.frozen.Load() && p != c.space.catalogue }

// noteQuarantines remembers when this node learned of each quarantine. What it learns while it catches up may be older: it is dated by the record
// itself if that says that it is much older; clocks may differ by less.
func (c *Core) noteQuarantines() {
	c.space.mu.RLock()
	defer c.space.mu.RUnlock()
	for _, key := range slices.Sorted(maps.Keys(c.space.facts.quarantines)) {
		if _, ok := c.cases.seen[key]; ok {
			continue
		}
		q := c.space.facts.quarantines[key]
		at := c.now
		if age := c.cfg.Now().Sub(time.UnixMilli(int64(q.Time))); !c.boot.ready && age > trustedSkew {
			at = at.Add(-age)
		}
		c.cases.seen[key] = at
		c.journal.note(c.quarantinedConflictLocked(q))
	}
	for key := range c.cases.seen {
		if _, ok := c.space.facts.quarantines[key]; !ok {
			delete(c.cases.seen, key)
		}
	}
}

// quarantinedConflictLocked is the journal entry of a trap that happened at another node.
func (c *Core) quarantinedConflictLocked(q quarantineRecord) Conflict {
	entry := Conflict{
		ID: conflictID(q.Table, q.Epoch, string(q.Key), q.Siblings), Table: q.Table, Key: string(q.Key), State: Quarantined, Verdict: verdictTrap,
		Reason: q.Reason, Plugin: q.Handler.Plugin, SHA256: q.Handler.SHA256, Time: c.now.UTC(),
	}
	if t, ok := c.space.tables[q.Table]; ok {
		if versions := t.siblings(string(q.Key)); siblingsHash(versions) == q.Siblings {
			entry.Versions, entry.Base = publicVersions(versions), publicBase(replica.Base(versions))
		}
	}
	if q.Restart {
		entry.Restarted, entry.Merger = q.Who, q.Who
	}
	return entry
}

// restartsOf counts the module's restarts in the intensity window, over all tables and the whole cluster; without a module those of the table.
func (c *Core) restartsOf(job Job) int {
	c.space.mu.RLock()
	defer c.space.mu.RUnlock()
	n := 0
	for key, q := range c.space.facts.quarantines {
		sameCause := q.Handler.SHA256 == job.handler.SHA256 && (q.Handler.SHA256 != "" || q.Table == job.t.name)
		if q.Restart && sameCause && c.now.Sub(c.cases.seen[key]) < intensityWindow {
			n++
		}
	}
	return n
}

// anyRestarting says whether some member went down for a restart and has not come back ready.
func (c *Core) anyRestarting() bool {
	c.space.mu.RLock()
	defer c.space.mu.RUnlock()
	for key, q := range c.space.facts.quarantines {
		if q.Restart && c.now.Sub(c.cases.seen[key]) < restartPatience && !c.cameBack(q) {
			return true
		}
	}
	return false
}

// cameBack says whether the member that restarted for q runs as a later incarnation, ready.
func (c *Core) cameBack(q quarantineRecord) bool {
	if q.Who == c.cfg.Name {
		return q.Actor != c.cfg.Actor
	}
	return slices.ContainsFunc(c.members.sorted, func(p *peer) bool {
		return p.hello.Name == q.Who && p.actor != q.Actor && p.hello.Ready
	})
}

// sweepQuarantines deletes the records that forbid nothing any more: other siblings, another handler, no table. The key's merger does it, once it has been
// ready for a whole window: what it learned before may be dated by its wall clock, which is no reason to take a restart from the count of all others.
func (c *Core) sweepQuarantines() {
	if !c.boot.ready || c.now.Sub(c.boot.readySince) <= intensityWindow {
		return
	}
	for _, key := range c.liftedQuarantines() {
		_, events, err := c.deleteCatalogue(key, c.stamp())
		c.reportWritten(events, err)
	}
}

func (c *Core) liftedQuarantines() []string {
	c.space.mu.RLock()
	quarantines := maps.Clone(c.space.facts.quarantines)
	c.space.mu.RUnlock()
	var out []string
	for _, key := range slices.Sorted(maps.Keys(quarantines)) {
		if c.now.Sub(c.cases.seen[key]) > intensityWindow && c.lifted(quarantines[key]) {
			out = append(out, key)
		}
	}
	return out
}

func (c *Core) lifted(q quarantineRecord) bool {
	if f, known := c.space.tableFact(q.Table); !known || f.Epoch < q.Epoch {
		return false // others may know the table
	}
	t, err := c.space.table(q.Table)
	if err != nil || t.epoch != q.Epoch {
		return c.smallestActor()
	}
	if t.options.Local && q.Who != c.cfg.Name || c.merger(t, string(q.Key)) != c.cfg.Name {
		return false // of a local table only the node that trapped knows the siblings
	}
	rec, _ := c.space.handler(t)
	return rec != q.Handler || siblingsHash(t.siblings(string(q.Key))) != q.Siblings
}
