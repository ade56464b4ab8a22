package engine

import (
	"context"

	"github.com/kvnode/kvnode/engine/replica"
)

// look is what a reader sees of a key's siblings, given as the table shows them. It may run the handler, in the caller's goroutine and with no lock held.
func (c *Core) look(ctx context.Context, t *table, key string, versions []replica.Version) (view, *judged) {
	distinct := collapse(versions)
	switch len(distinct) {
	case 0:
		return view{state: Single, absent: true}, nil
	case 1:
		return view{state: Single, value: distinct[0].Value}, nil
	}
	job, have := c.job(t, key, versions)
	if !have {
		return policyView(distinct, t.options.Unresolved), nil
	}
	if v, ok := c.judges.cached(job); ok {
		return v, nil
	}
	if job.handler.Disabled {
		return latest(distinct, Disabled, job.handler.whyDisabled()), nil
	}
	if q, ok := c.space.quarantined(job); ok {
		return latest(distinct, Quarantined, q.Reason), nil
	}
	return c.run(ctx, job)
}

// job is the run of the handler in force on siblings, given in canonical order. Without a handler, the job has the zero record.
func (c *Core) job(t *table, key string, versions []replica.Version) (job Job, have bool) {
	rec, have := c.space.handler(t)
	return Job{
		t: t, key: key, versions: collapse(versions), siblings: siblingsHash(versions), base: replica.Base(versions), handler: rec, record: rec.id(c.codec),
	}, have
}

// run judges in the caller's goroutine. What has to reach the step comes back too: a trap at a reader quarantines without a restart.
func (c *Core) run(ctx context.Context, job Job) (view, *judged) {
	v, err := c.judge(ctx, job)
	if trap, ok := asTrap(err); ok {
		return latest(job.versions, Quarantined, trap.Reason), &judged{job: job, err: err, reader: true}
	}
	if err != nil {
		return latest(job.versions, Unavailable, err.Error()), nil
	}
	c.journal.note(c.verdictEntry(job, v))
	return v, nil
}

// judge runs a handler, in the caller's goroutine, and counts what came of it.
func (c *Core) judge(ctx context.Context, job Job) (view, error) {
	v, err := c.judges.run(ctx, job)
	c.space.runs.add(job.handler.SHA256, runOf(v, err))
	return v, err
}

// verdictEntry is what the journal keeps of a verdict.
func (c *Core) verdictEntry(job Job, v view) Conflict {
	return Conflict{
		ID: job.conflict(), Table: job.t.name, Key: job.key, Versions: publicVersions(job.versions), Base: publicBase(job.base),
		State: v.state, Verdict: v.verdict, Value: v.value, Reason: v.reason, Plugin: job.handler.Plugin, SHA256: job.handler.SHA256, Fuel: v.fuel,
		Took: v.took, Time: c.cfg.Now().UTC(),
	}
}

func publicVersions(versions []replica.Version) []Version {
	out := make([]Version, len(versions))
	for i, v := range versions {
		out[i] = publicVersion(v)
	}
	return out
}

func publicVersion(v replica.Version) Version {
	return Version{Value: v.Value, Stamp: v.Stamp, Time: v.Stamp.Time().UTC(), Actor: v.Dot.Actor, Dot: v.Dot.String(), Deleted: v.Deleted}
}
