package torture

import (
	"context"
	"fmt"
	"slices"

	"github.com/kvnode/kvnode/engine"
)

// poison makes two concurrent versions of the key on which the handler traps: two writes, at two nodes, of clients that have seen the same.
func (r *run) poison(ctx context.Context, first, second *node) {
	p := place{judgedTable, poisonKey}
	one, err := first.ask(ctx)
	if err != nil {
		return
	}
	other, err := second.ask(ctx)
	if err != nil {
		return
	}
	t, err := r.read(ctx, first, one, p)
	if err != nil {
		return
	}
	r.traps++
	w := write{place: p, token: &t, level: engine.AckLocal}
	r.write(ctx, first, one, w, fmt.Sprintf("poison-%d-a", r.traps), false)
	r.write(ctx, second, other, w, fmt.Sprintf("poison-%d-b", r.traps), false)
}

// restartLedger remembers which nodes restarted for which trap.
type restartLedger struct {
	// by has the nodes, by conflict and module.
	by map[string][]string
	// limits says how many nodes each may cost.
	limits map[string]int
	total  int
}

// checkRestarts checks that a trap costs at most one restart where all nodes saw each other all the time, and that nobody restarts without one.
func (r *run) checkRestarts(ctx context.Context, e episode) {
	calm := r.calm(e)
	fresh := 0
	for _, n := range r.cluster.nodes {
		journal, err := r.journal(ctx, n)
		if err != nil {
			if ctx.Err() == nil {
				r.history.fail("the journal of %s cannot be read: %v", n.name, err)
			}
			return
		}
		for _, c := range journal {
			fresh += r.restarts.add(c, calm, len(r.cluster.nodes))
		}
	}
	for _, text := range r.restarts.tooMany() {
		r.history.fail("%s", text)
	}
	total := 0
	for _, p := range r.pictures {
		total += p.restarts
	}
	if calm && total-r.restarts.total > fresh {
		r.history.fail("%d nodes have restarted, for %d traps", total-r.restarts.total, fresh)
	}
	r.report.Restarts += max(0, total-r.restarts.total)
	r.restarts.total = total
}

func (r *run) journal(ctx context.Context, n *node) ([]engine.Conflict, error) {
	api, err := n.ask(ctx)
	if err != nil {
		return nil, err
	}
	journal, err := api.Conflicts(ctx)
	if err != nil {
		return nil, fmt.Errorf("conflicts: %w", err)
	}
	return slices.DeleteFunc(journal, func(c engine.Conflict) bool { return c.Restarted == "" }), nil
}

// add notes the restart that a journal tells of, and returns 1 if it is the first for its conflict.
func (l *restartLedger) add(c engine.Conflict, calm bool, nodes int) int {
	id := c.ID + " of " + c.Key + " under " + c.SHA256
	before, known := l.by[id]
	if !slices.Contains(before, c.Restarted) {
		l.by[id] = append(before, c.Restarted)
	}
	if known {
		return 0
	}
	l.limits[id] = nodes
	if calm {
		l.limits[id] = 1
	}
	return 1
}

// tooMany tells of the conflicts that cost more restarts than they may.
func (l *restartLedger) tooMany() []string {
	var out []string
	for id, nodes := range l.by {
		if len(nodes) > l.limits[id] {
			out = append(out, fmt.Sprintf("conflict %s was the reason of %d restarts: of %v", id, len(nodes), nodes))
		}
	}
	return out
}

// calm reports whether, in the episode, each node saw all others all the time, but for those that restarted because of a trap.
func (r *run) calm(e episode) bool {
	restarted := map[string]bool{}
	for i, p := range r.pictures {
		restarted[r.cluster.nodes[i].name] = p.restarts != r.before[i]
		r.before[i] = p.restarts
	}
	calm := !e.has(Kill, Leave, Stop, Cut, Split, OneWay)
	for _, n := range r.cluster.nodes {
		for _, peer := range n.takeDowns() {
			calm = calm && (restarted[peer] || restarted[n.name])
		}
	}
	return calm
}
