package engine

import (
	"bytes"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/kvnode/kvnode/clock"
)

// A shadow is a handler that runs beside the one in force, at the merger and on the same conflicts, without effect: what readers see, quarantines and
// restarts are the live handler's alone. What it would have changed is counted. Every conflict has one merger, which tells the others, so that
// each node can report on all; telling is not repaired, and a node that joins later counts from then on.

// Outcome is how a conflict ends under one handler.
type Outcome struct {
	State State
	// Verdict is as in a Conflict; empty where nobody has judged.
	Verdict string
	// Value is what readers see, if it has at most 64 KiB.
	Value  []byte
	Reason string
}

// Difference is a conflict that would end differently under the shadow.
type Difference struct {
	// ID names the conflict in the journal.
	ID     string
	Key    string
	Live   Outcome
	Shadow Outcome
	Time   time.Time
}

// ShadowReport says what a table's shadow has been found to change, as far as this node knows.
type ShadowReport struct {
	Table   string
	Handler Handler
	// Compared counts conflicts, each once: those that would end equally, and those that would end differently.
	Compared  int
	Equal     int
	Different int
	// Errors and Traps count what the shadow answered, among Compared.
	Errors int
	Traps  int
	// Differences are the latest of the different ones, newest first.
	Differences []Difference
}

// maxDifferences bounds the differences that are kept, maxCompared the conflicts of which a node remembers that they were compared.
const (
	maxDifferences = 20
	maxCompared    = 100_000
)

// shadowBook keeps the reports, by table. Safe for concurrent use.
type shadowBook struct {
	mu sync.Mutex
	m  map[string]*shadowPage
}

// shadowPage is about one shadow of one table.
type shadowPage struct {
	record   string
	compared map[string]struct{}
	report   ShadowReport
}

func newShadowBook() *shadowBook { return &shadowBook{m: map[string]*shadowPage{}} }

// note counts a comparison, once for each conflict. The record says which shadow it is about; what is about another than the one in force is not counted
// where there is news of that one.
func (b *shadowBook) note(table, record, inForce string, d Difference, isEqual bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	page, ok := b.m[table]
	if !ok || page.record != record {
		if ok && page.record == inForce {
			return
		}
		page = &shadowPage{record: record, compared: map[string]struct{}{}}
		b.m[table] = page
	}
	if _, known := page.compared[d.ID]; !known {
		page.add(d, isEqual)
	}
}

func (p *shadowPage) add(d Difference, isEqual bool) {
	if len(p.compared) >= maxCompared {
		clear(p.compared) // what is open is compared, and counted, again
	}
	p.compared[d.ID] = struct{}{}
	r := &p.report
	r.Compared++
	switch d.Shadow.Verdict {
	case string(VerdictError):
		r.Errors++
	case verdictTrap:
		r.Traps++
	}
	if isEqual {
		r.Equal++
		return
	}
	r.Different++
	r.Differences = slices.Insert(r.Differences, 0, d)
	r.Differences = r.Differences[:min(len(r.Differences), maxDifferences)]
}

// keep forgets what is about other shadows than these, by table.
func (b *shadowBook) keep(inForce map[string]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.m, func(table string, page *shadowPage) bool { return inForce[table] != page.record })
}

// knows says whether a conflict was compared under a shadow.
func (b *shadowBook) knows(table, record, id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	page, ok := b.m[table]
	if !ok || page.record != record {
		return false
	}
	_, known := page.compared[id]
	return known
}

// report returns what was found of a shadow.
func (b *shadowBook) report(table, record string) ShadowReport {
	b.mu.Lock()
	defer b.mu.Unlock()
	page, ok := b.m[table]
	if !ok || page.record != record {
		return ShadowReport{}
	}
	out := page.report
	out.Differences = slices.Clone(out.Differences)
	return out
}

// verdictTrap stands for a trap where verdicts are told.
const verdictTrap = "trap"

// outcome is a view as others are told of it.
func (v view) outcome() Outcome {
	o := Outcome{State: v.state, Verdict: v.verdict, Reason: v.reason}
	if len(v.value) <= maxToldValue && !v.absent {
		o.Value = v.value
	}
	return o
}

// endsAs says whether readers see the same in both views, and in the same state.
func (v view) endsAs(w view) bool {
	return v.state == w.state && v.absent == w.absent && bytes.Equal(v.value, w.value)
}

// compareShadow lets the table's shadow, if it has one, judge a conflict that has come to its end under what is in force.
func (c *Core) compareShadow(job Job, have, banned bool) {
	rec, ok := c.space.shadow(job.t)
	if !ok || rec.sameModule(job.handler) || rec.Rewriter != c.judges.rewriter() || !have && c.fetchBase(job) {
		return
	}
	shadow := job
	shadow.handler, shadow.record, shadow.isShadow = rec, rec.id(c.codec), true
	live, ended := c.ended(job, have, banned)
	if _, running := c.cases.running[job.id()]; running || !ended || c.space.shadows.knows(job.t.name, shadow.record, job.conflict()) {
		return
	}
	c.cases.running[job.id()] = struct{}{}
	c.do(ShadowConflict{Job: shadow, live: live})
}

// ended is what readers see of a conflict, once that is known without running a handler.
func (c *Core) ended(job Job, have, banned bool) (live view, ended bool) {
	switch {
	case !have:
		return policyView(job.versions, job.t.options.Unresolved), true
	case job.handler.Disabled:
		return latest(job.versions, Disabled, job.handler.whyDisabled()), true
	case banned:
		live = latest(job.versions, Quarantined, "")
		live.verdict = verdictTrap
		return live, true
	}
	return c.judges.cached(job)
}

// onShadowed takes the outcome of a shadow's run: it is counted and told, and has no other effect.
func (c *Core) onShadowed(e shadowed) {
	delete(c.cases.running, e.job.id())
	trap, isTrap := asTrap(e.err)
	switch {
	case isTrap:
		e.view = latest(e.job.versions, Quarantined, trap.Reason)
		e.view.verdict = verdictTrap
	case e.err != nil:
		c.cases.later = append(c.cases.later, e.job.id())
		c.cases.retryAt = c.now.Add(judgeRetry)
		c.report(Event{Kind: EventError, Table: e.job.t.name, Key: e.job.key, Err: e.err})
		return
	}
	c.enqueue(e.job.id()) // the siblings or the handlers may have changed meanwhile
	f := shadowFrame{
		Table: e.job.t.name, Record: e.job.record, ID: e.job.conflict(), Key: []byte(e.job.key), Equal: e.view.endsAs(e.live),
		Live: toldOutcome(e.live.outcome()), Shadow: toldOutcome(e.view.outcome()),
	}
	c.noteShadow(f)
	if !e.job.t.options.Local {
		c.broadcast(c.codec.frame(frameShadow, f))
	}
	counted := &c.space.tallies.shadowDifferent
	if f.Equal {
		counted = &c.space.tallies.shadowEqual
	}
	counted.Add(1)
	c.report(Event{
		Kind: EventShadowed, Table: e.job.t.name, Key: e.job.key,
		Attrs: []slog.Attr{
			slog.Bool("equal", f.Equal), slog.String("live", f.Live.Verdict), slog.String("shadow", f.Shadow.Verdict), slog.String("reason", f.Shadow.Reason),
			slog.String("plugin", e.job.handler.Plugin), slog.String("module", e.job.handler.SHA256),
		},
	})
	c.settleConflicts()
}

// onShadow notes what another member has found.
func (c *Core) onShadow(_ clock.Actor, f shadowFrame) error {
	c.noteShadow(f)
	return nil
}

func (c *Core) noteShadow(f shadowFrame) {
	t, err := c.space.table(f.Table)
	if err != nil {
		return
	}
	inForce := ""
	if rec, ok := c.space.shadow(t); ok {
		inForce = rec.id(c.codec)
	}
	d := Difference{ID: f.ID, Key: string(f.Key), Live: f.Live.public(), Shadow: f.Shadow.public(), Time: c.cfg.Now().UTC()}
	c.space.shadows.note(f.Table, f.Record, inForce, d, f.Equal)
}

// tidyShadows forgets the reports on shadows that have ended.
func (c *Core) tidyShadows() {
	inForce := map[string]string{}
	for _, t := range c.space.sortedTables() {
		if rec, ok := c.space.shadow(t); ok {
			inForce[t.name] = rec.id(c.codec)
		}
	}
	c.space.shadows.keep(inForce)
}

func toldOutcome(o Outcome) outcomeFrame {
	return outcomeFrame{State: o.State, Verdict: o.Verdict, Value: o.Value, Reason: o.Reason}
}

func (f outcomeFrame) public() Outcome {
	return Outcome{State: f.State, Verdict: f.Verdict, Value: f.Value, Reason: f.Reason}
}
