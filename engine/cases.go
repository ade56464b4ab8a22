package engine

import (
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/kvnode/kvnode/engine/replica"
)

const (
	// maxJudging bounds the handler runs that the merger has under way.
	maxJudging = 4
	// maxConsidered bounds the conflicts that are looked at in one step, so that heartbeats go on.
	maxConsidered = 500
	// judgeRetry is the pause after this host could not run a handler.
	judgeRetry = time.Second
)

// cases are the conflicts that this node has to look at.
type cases struct {
	pending []caseID
	queued  map[caseID]struct{}
	running map[caseID]struct{}
	// later holds the conflicts that this host could not judge, until retryAt.
	later   []caseID
	retryAt time.Time
	// bases are the conflicts whose base is asked for.
	bases map[caseID]*baseQuest
	// rescan says that all conflicts must be looked at again: the members, the handlers or the quarantines have changed.
	rescan     bool
	generation uint64
	// seen is when this node learned of each quarantine: the restart intensity counts by its own clock.
	seen map[string]time.Time
}

type caseID struct {
	table string
	epoch uint64
	key   string
}

func newCases() cases {
	return cases{queued: map[caseID]struct{}{}, running: map[caseID]struct{}{}, bases: map[caseID]*baseQuest{}, seen: map[string]time.Time{}}
}

func (c *Core) enqueue(id caseID) {
	if _, ok := c.cases.queued[id]; ok {
		return
	}
	c.cases.queued[id] = struct{}{}
	c.cases.pending = append(c.cases.pending, id)
}

// conflictID names table, key and siblings; the same on every node.
func conflictID(table string, epoch uint64, key, siblings string) string {
	b := binary.BigEndian.AppendUint64([]byte(table+"\x00"), epoch)
	sum := hash128(append(b, key+"\x00"+siblings...))
	return hex.EncodeToString(sum[:6])
}

// siblings reads what the table shows of a key's versions, in canonical order.
func (t *table) siblings(key string) []replica.Version {
	p := t.partition(key)
	p.mu.RLock()
	versions := p.rep.Get(key)
	p.mu.RUnlock()
	if len(versions) < 2 {
		return t.shown(versions)
	}
	return t.shown(replica.Canonical(versions))
}

// noticeConflict looks at a key that just changed.
func (c *Core) noticeConflict(t *table, key string) {
	versions := t.siblings(key)
	if len(versions) < 2 {
		t.views.drop(key)
		return
	}
	if len(collapse(versions)) < 2 {
		return
	}
	first := c.journal.note(Conflict{
		ID: conflictID(t.name, t.epoch, key, siblingsHash(versions)), Table: t.name, Key: key,
		Versions: publicVersions(versions), Base: publicBase(replica.Base(versions)), Merger: c.merger(t, key), Time: c.now.UTC(),
	})
	if first {
		c.report(Event{Kind: EventConflict, Table: t.name, Key: key, Attrs: []slog.Attr{slog.Int("siblings", len(versions))}})
	}
	c.enqueue(caseID{t.name, t.epoch, key})
}

// merger names the one ready, connected member that runs the handler for a key (rendezvous hashing: Thaler, Ravishankar 1996).
func (c *Core) merger(t *table, key string) string {
	if t.options.Local {
		return c.cfg.Name
	}
	rewriter := c.rewriterOf(t)
	best, weight := "", uint64(0)
	vote := func(name string) {
		if w := xxh3.HashString(name + "\x00" + t.name + "\x00" + key); best == "" || w > weight {
			best, weight = name, w
		}
	}
	if c.boot.ready && c.leaving == nil && c.judges.rewriter() == rewriter {
		vote(c.cfg.Name)
	}
	for _, p := range c.members.sorted {
		if p.hello.Ready && !p.hello.Leaving && p.hello.Rewriter == rewriter {
			vote(p.hello.Name)
		}
	}
	return best
}

// rewriterOf is the version of the metering that the table's handler record asks for: who has another cannot run it and is no merger.
func (c *Core) rewriterOf(t *table) int {
	if rec, ok := c.space.handler(t); ok {
		return rec.Rewriter
	}
	return c.judges.rewriter()
}

// settleConflicts judges the conflicts of which this node is the merger, once its view of the members is stable.
func (c *Core) settleConflicts() {
	if !c.boot.ready || c.leaving != nil || c.now.Sub(c.members.changed) < c.cfg.StableView {
		return
	}
	if c.cases.generation != c.members.generation {
		c.cases.generation, c.cases.rescan = c.members.generation, true
		c.insistOnBases()
	}
	if c.cases.rescan {
		c.cases.rescan = false
		c.rescan()
	}
	c.retryJudging()
	for range maxConsidered {
		if len(c.cases.pending) == 0 || len(c.cases.running) >= maxJudging || c.leaving != nil {
			return
		}
		id := c.cases.pending[0]
		c.cases.pending = c.cases.pending[1:]
		delete(c.cases.queued, id)
		c.consider(id)
	}
}

// rescan queues every key with siblings.
func (c *Core) rescan() {
	for _, t := range c.space.sortedTables() {
		for _, key := range t.conflicts() {
			c.enqueue(caseID{t.name, t.epoch, key})
		}
	}
}

// conflicts lists the keys with siblings.
func (t *table) conflicts() []string {
	var out []string
	for _, p := range t.parts {
		p.mu.RLock()
		out = append(out, slices.Sorted(p.rep.Conflicts())...)
		p.mu.RUnlock()
	}
	return out
}

func (c *Core) retryJudging() {
	if len(c.cases.later) == 0 || c.now.Before(c.cases.retryAt) {
		return
	}
	for _, id := range c.cases.later {
		c.enqueue(id)
	}
	c.cases.later = nil
	c.forgetBases()
	c.do(PrepareHandlers{})
}

// consider decides what to do about one conflict: nothing, the policy, or a run of the handler.
func (c *Core) consider(id caseID) {
	t, err := c.space.table(id.table)
	if err != nil || t.epoch != id.epoch {
		return
	}
	versions := t.siblings(id.key)
	if len(versions) < 2 {
		t.views.drop(id.key)
		return
	}
	job, have := c.job(t, id.key, versions)
	if have && len(job.versions) > 1 && c.fetchBase(job) {
		return
	}
	if len(job.versions) < 2 || c.merger(t, id.key) != c.cfg.Name {
		return
	}
	_, banned := c.space.quarantined(job)
	switch {
	case banned, job.handler.Disabled:
	case !have && t.options.Unresolved == RestartNode:
		c.trapped(job, "the table's policy restarts the merging node", true)
	case !have:
	default:
		c.judgeAsMerger(job)
	}
	c.compareShadow(job, have, banned)
}

// judgeAsMerger lets this node, the merger, judge a conflict, unless that is done or under way.
func (c *Core) judgeAsMerger(job Job) {
	if _, done := c.judges.cached(job); done {
		return
	}
	if _, running := c.cases.running[job.id()]; running {
		return // looked at again when that run ends
	}
	c.cases.running[job.id()] = struct{}{}
	c.do(JudgeConflict{Job: job})
}

func (j Job) id() caseID { return caseID{j.t.name, j.t.epoch, j.key} }

// conflict is the job's name in the journal.
func (j Job) conflict() string { return conflictID(j.t.name, j.t.epoch, j.key, j.siblings) }

// onJudged takes the outcome of a handler's run.
func (c *Core) onJudged(e judged) {
	if !e.reader {
		delete(c.cases.running, e.job.id())
	}
	trap, isTrap := asTrap(e.err)
	if !e.reader && (isTrap || e.err == nil) {
		c.enqueue(e.job.id()) // the siblings or the handler may have changed meanwhile
	}
	switch {
	case isTrap:
		c.trapped(e.job, trap.Reason, !e.reader)
	case e.err != nil:
		c.cases.later = append(c.cases.later, e.job.id())
		c.cases.retryAt = c.now.Add(judgeRetry)
		c.report(Event{Kind: EventError, Table: e.job.t.name, Key: e.job.key, Err: e.err})
	default:
		c.tellVerdict(e.job, e.view)
		c.report(Event{
			Kind: EventJudged, Table: e.job.t.name, Key: e.job.key,
			Attrs: []slog.Attr{slog.String("verdict", e.view.verdict), slog.Uint64("fuel", e.view.fuel)},
		})
	}
	c.settleConflicts()
}
