package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kvnode/kvnode/engine/replica"
)

// Ready says whether the node has caught up with its peers and serves.
func (e *Engine) Ready() bool { return e.core.published.Load().ready }

// ReadyPeer names a ready member's HTTP address, for requests that come before this node is ready.
func (e *Engine) ReadyPeer() (string, bool) {
	for _, p := range e.core.published.Load().peers {
		if p.ready && !p.leaving && p.http != "" {
			return p.http, true
		}
	}
	return "", false
}

// Members lists the known and the connected members, this one included, by name.
func (e *Engine) Members(context.Context) ([]Member, error) {
	cfg := e.core.cfg
	v := e.core.published.Load()
	out := []Member{{
		Name: cfg.Name, Incarnation: cfg.Actor, HTTP: cfg.HTTP, Route: cfg.Route, Self: true, Connected: true, Ready: v.ready,
		Restarts: cfg.Restarts, Uptime: e.uptime().Round(time.Second).String(),
	}}
	for _, p := range v.peers {
		out = append(out, Member{
			Name: p.name, Incarnation: p.actor, HTTP: p.http, Route: p.route, Connected: true, Ready: p.ready, Restarts: p.restarts,
			Uptime: cfg.Now().Sub(p.since).Round(time.Second).String(),
		})
	}
	for _, m := range v.known {
		if !slices.ContainsFunc(out, func(o Member) bool { return o.Name == m.Name }) {
			out = append(out, Member{Name: m.Name, Incarnation: m.Actor, HTTP: m.HTTP, Route: m.Route})
		}
	}
	slices.SortFunc(out, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (e *Engine) uptime() time.Duration {
	return e.core.cfg.Now().Sub(e.opened)
}

// Status describes this node.
func (e *Engine) Status(ctx context.Context) (Status, error) {
	members, err := e.Members(ctx)
	if err != nil {
		return Status{}, err
	}
	cfg := e.core.cfg
	out := Status{
		Name: cfg.Name, Cluster: cfg.Cluster, Actor: cfg.Actor, Ready: e.Ready(), Uptime: e.uptime(), Restarts: cfg.Restarts, Members: members,
		Findings: e.core.audit.findings.Load(),
	}
	for _, t := range e.core.space.sortedTables() {
		info := e.core.space.info(t)
		out.Tables++
		out.Keys += info.Keys
		out.Conflicts += info.Conflicts
	}
	for _, p := range e.core.everyPartition() {
		known := p.clock()
		out.Incarnations = max(out.Incarnations, known.Len())
		out.ClockBytes = max(out.ClockBytes, len(known.AppendBinary(nil)))
	}
	var all uint64
	for _, d := range e.core.digests() {
		all = all*31 + d.Clocks
	}
	out.Digest = fmt.Sprintf("%016x", all)
	return out, nil
}

// Conflicts lists the journal, newest first: the conflicts that this node has seen, with the verdicts that it knows of.
func (e *Engine) Conflicts(context.Context) ([]Conflict, error) {
	out := e.core.journal.list()
	for i := range out {
		e.core.renew(&out[i])
	}
	return out, nil
}

// renew fills in what is so now: whether the siblings are still there, and who merges them.
func (c *Core) renew(entry *Conflict) {
	entry.State = orDefault(entry.State, Pending)
	t, err := c.space.table(entry.Table)
	if err != nil {
		entry.settle()
		return
	}
	versions := t.siblings(entry.Key)
	entry.Open = len(versions) > 1 && conflictID(t.name, t.epoch, entry.Key, siblingsHash(versions)) == entry.ID
	if !entry.Open {
		entry.settle()
		return
	}
	if len(entry.Versions) == 0 {
		entry.Versions = publicVersions(versions)
	}
	c.renewState(t, entry, versions)
}

// settle says of a conflict that is over that nothing is pending any more.
func (entry *Conflict) settle() {
	if entry.State == Pending {
		entry.State = Settled
	}
}

// renewState brings an open entry in line with the handler that is in force now, without running it.
func (c *Core) renewState(t *table, entry *Conflict, versions []replica.Version) {
	job, have := c.job(t, entry.Key, versions)
	_, quarantined := c.space.quarantined(job)
	switch {
	case !have:
		v := policyView(job.versions, t.options.Unresolved)
		entry.State, entry.Verdict, entry.Value = v.state, "policy", v.value
	case job.handler.Disabled:
		entry.State, entry.Reason = Quarantined, job.handler.whyDisabled()
	case entry.State == Quarantined && !quarantined, entry.SHA256 != "" && entry.SHA256 != job.handler.SHA256:
		entry.State, entry.Verdict, entry.Reason, entry.Value = Pending, "", "", nil // another handler is in force
	}
}

// Conflict shows one conflict, by ID or an unambiguous beginning of it. An open one is judged here and now, as a reader would see it.
func (e *Engine) Conflict(ctx context.Context, id string) (Conflict, error) {
	var found []Conflict
	for _, entry := range e.core.journal.list() {
		if id != "" && strings.HasPrefix(entry.ID, id) {
			found = append(found, entry)
		}
	}
	switch len(found) {
	case 0:
		return Conflict{}, fmt.Errorf("%w (asked for %.40q; 'kvnode conflict ls' lists them)", ErrNoConflict, id)
	case 1:
	default:
		return Conflict{}, fmt.Errorf("%w: %d begin with %.40q, give more of it", ErrNoConflict, len(found), id)
	}
	entry := found[0]
	e.core.renew(&entry)
	if entry.Open {
		e.judgeNow(ctx, &entry)
	}
	return entry, nil
}

// judgeNow adds what a reader sees of an open conflict to its entry.
func (e *Engine) judgeNow(ctx context.Context, entry *Conflict) {
	t, err := e.core.space.table(entry.Table)
	if err != nil {
		return
	}
	seen := e.read(ctx, t, entry.Key)
	entry.State, entry.Value, entry.Reason = seen.State, seen.Value, seen.Reason
	if seen.Deleted {
		entry.Verdict = string(VerdictDelete)
	}
}
