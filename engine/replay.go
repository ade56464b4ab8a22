package engine

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// ReplayQuery chooses recorded conflicts, and what is to judge them.
type ReplayQuery struct {
	// ID is one conflict, or an unambiguous beginning of its ID. Table is, without an ID, the table whose conflicts are meant.
	ID    string
	Table string
	// Limit bounds the number of conflicts, the newest first; 0 for none.
	Limit int
	// Plugin names an installed module as Activate takes it; empty means the handler in force for the conflict's table.
	Plugin string
}

// Replayed is what a module makes of a recorded conflict.
type Replayed struct {
	ID    string
	Table string
	Key   string
	// Before is what was recorded, After how the conflict would end now.
	Before Outcome
	After  Outcome
	// Changed says that a verdict was recorded and After is another.
	Changed bool
	Fuel    uint64
	Took    time.Duration
}

// Replay runs an installed module again on conflicts of this node's journal, open or not, and says what would change. It has no effect. Conflicts whose
// versions this node does not know are left out. Errors: ErrNoConflict, ErrNoTable, ErrNoPlugin, ErrNoHandler, ErrNotReady.
func (e *Engine) Replay(ctx context.Context, q ReplayQuery) ([]Replayed, error) {
	if err := e.AwaitReady(ctx); err != nil {
		return nil, err
	}
	chosen, err := e.recorded(q)
	if err != nil {
		return nil, err
	}
	out := []Replayed{}
	for _, entry := range chosen {
		rec, err := e.core.space.replayer(entry.Table, q.Plugin)
		if err != nil {
			return nil, err
		}
		if rec.Rewriter != e.core.judges.rewriter() {
			return nil, errRewriter
		}
		judge, err := e.core.judges.load(ctx, rec)
		if err != nil {
			return nil, err
		}
		again, err := ReplayOn(ctx, judge, []Conflict{entry}, e.core.cfg.Now)
		if err != nil {
			return nil, err
		}
		out = append(out, again...)
	}
	return out, nil
}

// recorded finds the entries of the journal that a query means, with what is known of them now.
func (e *Engine) recorded(q ReplayQuery) ([]Conflict, error) {
	if q.ID == "" {
		if _, err := e.core.space.table(q.Table); err != nil {
			return nil, err
		}
		return e.core.listed(JournalOptions{Table: q.Table, Limit: q.Limit}), nil
	}
	entry, err := e.core.findConflict(q.ID)
	if err != nil {
		return nil, err
	}
	e.core.renew(&entry)
	return []Conflict{entry}, nil
}

// replayer is the record to replay conflicts of a table with.
func (s *space) replayer(table, plugin string) (handlerRecord, error) {
	t, err := s.table(table)
	if err != nil && plugin == "" {
		return handlerRecord{}, err
	}
	if plugin == "" {
		rec, ok := s.handler(t)
		if !ok {
			return rec, ErrNoHandler
		}
		return rec, nil
	}
	p, err := s.findPlugin(plugin)
	return handlerRecord{Plugin: p.Name, SHA256: p.SHA256, Limits: p.Limits, Rewriter: p.Rewriter}, err
}

// ReplayOn runs a judge on recorded conflicts and says what would change. Conflicts with fewer than two versions are left out. The error is the context's.
func ReplayOn(ctx context.Context, judge Judge, conflicts []Conflict, now func() time.Time) ([]Replayed, error) {
	out := []Replayed{}
	for _, entry := range conflicts {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("replay: %w", err)
		}
		versions := recordedVersions(entry.Inputs())
		if len(versions) < 2 {
			continue
		}
		begin := now()
		verdict, err := judge.Judge(ctx, entry.Key, versions, recordedBase(entry.Base))
		again := replayed(versions, verdict, err)
		r := Replayed{
			ID: entry.ID, Table: entry.Table, Key: entry.Key, Fuel: again.fuel, Took: now().Sub(begin),
			Before: entry.Outcome(),
			After:  Outcome{State: again.state, Verdict: again.verdict, Value: again.value, Reason: again.reason},
		}
		r.Changed = r.Before.isVerdict() && again.state != Unavailable && !r.Before.endsAs(r.After)
		out = append(out, r)
	}
	return out, nil
}

// replayed is the view that a run's outcome comes to.
func replayed(versions []replica.Version, verdict Verdict, err error) view {
	trap, isTrap := asTrap(err)
	switch {
	case isTrap:
		v := latest(versions, Quarantined, validText(trap.Reason))
		v.verdict, v.fuel = verdictTrap, trap.Fuel
		return v
	case err != nil:
		return latest(versions, Unavailable, validText(err.Error()))
	}
	v := viewOf(versions, verdict)
	v.reason = validText(v.reason)
	return v
}

// recordedVersions are versions as a judge takes them.
func recordedVersions(versions []Version) []replica.Version {
	out := make([]replica.Version, len(versions))
	for i, v := range versions {
		out[i] = recordedVersion(v)
	}
	return out
}

func recordedVersion(v Version) replica.Version {
	return replica.Version{Dot: clock.Dot{Actor: v.Actor}, Stamp: v.Stamp, Value: v.Value, Deleted: v.Deleted}
}

func recordedBase(base *Version) *replica.Version {
	if base == nil {
		return nil
	}
	v := recordedVersion(*base)
	return &v
}

// isVerdict says whether somebody has judged.
func (o Outcome) isVerdict() bool { return o.Verdict != "" }

// endsAs says whether readers see the same. Of two that show the latest version, for whatever reason, the state counts.
func (o Outcome) endsAs(p Outcome) bool {
	switch o.Verdict {
	case string(VerdictDelete):
		return o.Verdict == p.Verdict
	case string(VerdictKeep), string(VerdictError), verdictTrap:
		return o.State == p.State
	}
	isTold := o.Value != nil // long values are not told to the other members
	return o.State == p.State && p.Verdict != string(VerdictDelete) && (!isTold || bytes.Equal(o.Value, p.Value))
}
