package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kvnode/kvnode/engine/replica"
)

// JournalOption chooses among the entries of the journal.
type JournalOption func(*JournalOptions)

// JournalOptions are what the options of one listing say together.
type JournalOptions struct {
	// Table is the only table, empty for all. Open leaves out what is over.
	Table string
	Open  bool
	// Limit bounds the number of entries, 0 for none.
	Limit int
}

// OfTable chooses the conflicts of one table.
func OfTable(name string) JournalOption { return func(o *JournalOptions) { o.Table = name } }

// OnlyOpen chooses the conflicts whose keys still have exactly these siblings.
func OnlyOpen() JournalOption { return func(o *JournalOptions) { o.Open = true } }

// AtMost chooses the newest n; 0 is no bound.
func AtMost(n int) JournalOption { return func(o *JournalOptions) { o.Limit = n } }

// GatherJournalOptions applies options, the later ones over the earlier ones.
func GatherJournalOptions(opts ...JournalOption) JournalOptions {
	var o JournalOptions
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// Inputs are the versions that a handler is given of the conflict: those that are not equal to a later one, as several deletes are. They share the entry's bytes.
func (entry Conflict) Inputs() []Version {
	var out []Version
	for i, v := range entry.Versions {
		if !slices.ContainsFunc(entry.Versions[i+1:], func(later Version) bool { return later.Deleted == v.Deleted && bytes.Equal(later.Value, v.Value) }) {
			out = append(out, v)
		}
	}
	return out
}

// Conflicts lists the journal, newest first: the conflicts that this node has seen, with the verdicts that it knows of. With OfTable the table must be
// there: ErrNoTable, ErrNotReady.
func (e *Engine) Conflicts(ctx context.Context, opts ...JournalOption) ([]Conflict, error) {
	o := GatherJournalOptions(opts...)
	if o.Table != "" {
		if _, err := e.Table(ctx, o.Table); err != nil {
			return nil, err
		}
	}
	return e.core.listed(o), nil
}

// listed are the entries of the journal that options choose, newest first, with what is known of them now.
func (c *Core) listed(o JournalOptions) []Conflict {
	out := []Conflict{}
	for _, entry := range c.journal.list() {
		if o.Limit > 0 && len(out) == o.Limit {
			break
		}
		if o.Table != "" && entry.Table != o.Table {
			continue
		}
		if c.renew(&entry); entry.Open || !o.Open {
			out = append(out, entry)
		}
	}
	return out
}

// renew fills in what is so now: whether the siblings are still there, and what readers see of them.
func (c *Core) renew(entry *Conflict) {
	t, versions := c.reopen(entry)
	if !entry.Open {
		entry.State = orDefault(entry.end, Overwritten)
		return
	}
	entry.State = orDefault(entry.State, Pending)
	c.renewState(t, entry, versions)
}

// reopen says whether the siblings of an entry are still there, and adds what is known of them.
func (c *Core) reopen(entry *Conflict) (*table, []replica.Version) {
	t, err := c.space.table(entry.Table)
	if err != nil {
		return nil, nil
	}
	versions := t.siblings(entry.Key)
	entry.Open = len(versions) > 1 && conflictID(t.name, t.epoch, entry.Key, siblingsHash(versions)) == entry.ID
	if !entry.Open {
		return t, nil
	}
	if len(entry.Versions) == 0 {
		entry.Versions = publicVersions(versions)
	}
	if base := publicBase(replica.Base(versions)); base != nil {
		entry.Base = base
	}
	return t, versions
}

// renewState brings an open entry in line with the handler that is in force now, without running it.
func (c *Core) renewState(t *table, entry *Conflict, versions []replica.Version) {
	job, have := c.job(t, entry.Key, versions)
	_, quarantined := c.space.quarantined(job)
	switch {
	case !have:
		v := policyView(job.versions, t.options.Unresolved)
		entry.remember()
		entry.State, entry.Verdict, entry.Value = v.state, policyVerdict, v.value
	case job.handler.Disabled:
		entry.remember()
		entry.State, entry.Reason, entry.Value = Disabled, job.handler.whyDisabled(), nil
		if entry.Verdict != verdictTrap {
			entry.Verdict = ""
		}
	case entry.State == Quarantined && !quarantined, entry.SHA256 != "" && entry.SHA256 != job.handler.SHA256:
		entry.remember()
		entry.State, entry.Verdict, entry.Reason, entry.Value = Pending, "", "", nil // another handler is in force
	}
}

// remember keeps the verdict that the journal has, before the entry says what is so now.
func (entry *Conflict) remember() {
	if entry.Recorded == nil && entry.Verdict != "" {
		o := entry.Outcome()
		entry.Recorded = &o
	}
}

// Outcome is the verdict on record, in the state in which it left the conflict: also where the handler that gave it is not in force any more, or is disabled,
// and when the conflict is over. It shares the entry's bytes. Without a Verdict nobody is known to have judged.
func (entry Conflict) Outcome() Outcome {
	if entry.Recorded != nil {
		return *entry.Recorded
	}
	o := Outcome{State: entry.State, Verdict: entry.Verdict, Value: entry.Value, Reason: entry.Reason}
	switch o.Verdict {
	case string(VerdictValue), string(VerdictDelete):
		o.State = Resolved
	case string(VerdictKeep):
		o.State = Kept
	case string(VerdictError):
		o.State = Failed
	case verdictTrap:
		o.State = Quarantined
	}
	return o
}

// Conflict shows one conflict, by ID or an unambiguous beginning of it. An open one is judged here and now, as a reader would see it.
func (e *Engine) Conflict(ctx context.Context, id string) (Conflict, error) {
	entry, err := e.core.findConflict(id)
	if err != nil {
		return Conflict{}, err
	}
	e.core.renew(&entry)
	if entry.Open {
		e.judgeNow(ctx, &entry)
	}
	return entry, nil
}

// findConflict finds an entry of the journal.
func (c *Core) findConflict(id string) (Conflict, error) {
	found := c.journal.list()
	found = slices.DeleteFunc(found, func(entry Conflict) bool { return id == "" || !strings.HasPrefix(entry.ID, id) })
	switch len(found) {
	case 0:
		return Conflict{}, fmt.Errorf("%w (asked for %.40q)", ErrNoConflict, id)
	case 1:
		return found[0], nil
	}
	return Conflict{}, fmt.Errorf("%w (%d begin with %.40q, give more of it)", ErrNoConflict, len(found), id)
}

// judgeNow adds what a reader sees of an open conflict to its entry.
func (e *Engine) judgeNow(ctx context.Context, entry *Conflict) {
	t, err := e.core.space.table(entry.Table)
	if err != nil {
		return
	}
	seen := e.read(ctx, t, entry.Key)
	if now, err := e.core.findConflict(entry.ID); err == nil && entry.Verdict == "" && now.State == seen.State {
		entry.add(now) // by whom, and at what cost
	}
	if seen.State == Unavailable {
		entry.remember()
	}
	entry.State, entry.Value, entry.Reason = seen.State, seen.Value, seen.Reason
	if seen.Deleted && entry.Verdict != policyVerdict {
		entry.Verdict = string(VerdictDelete)
	}
}
