package torture

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"time"
)

// play plays an episode: when it returns all has healed.
func (r *run) play(ctx context.Context, e episode) {
	began := time.Now()
	var lanes sync.WaitGroup
	for _, lane := range e.lanes {
		lanes.Go(func() {
			for _, a := range lane {
				if !sleep(ctx, time.Until(began.Add(a.at))) || !r.act(ctx, a) {
					return
				}
			}
		})
	}
	sleep(ctx, e.lasts)
	lanes.Wait()
}

// sleep lets time pass; false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// breathe is the pause before something is tried again.
func breathe(ctx context.Context) { sleep(ctx, pollEvery) }

// act makes one trouble, and undoes it after its time. It reports whether the lane can go on.
func (r *run) act(ctx context.Context, a action) bool {
	r.note("%s", a)
	r.mu.Lock()
	r.faults[a.fault]++
	r.mu.Unlock()
	n := r.cluster.nodes[a.nodes[0]]
	switch a.fault {
	case Kill, Leave:
		return r.lose(ctx, n, a)
	case Stop:
		r.stop(ctx, n, a.lasts)
	case Trap:
		r.poison(ctx, n, r.cluster.nodes[a.others[0]])
		sleep(ctx, a.lasts)
	case Cut, Split, OneWay:
		r.cut(ctx, a)
	}
	return ctx.Err() == nil
}

// lose ends a process and starts it again with empty memory. It reports whether the node has caught up, so that another may go.
func (r *run) lose(ctx context.Context, n *node, a action) bool {
	p := n.takeDown()
	if p == nil {
		return false
	}
	l := r.history.beginLoss()
	if a.fault == Kill {
		p.kill()
	} else if !p.leave() {
		r.history.fail("node %s does not end in order within %s of SIGTERM", n.name, leavePatience)
	}
	r.history.endLoss(l)
	r.note("%s is gone", n.name)
	if !sleep(ctx, a.lasts) {
		return false
	}
	if err := r.cluster.start(ctx, n); err != nil {
		if ctx.Err() == nil {
			r.history.fail("node %s does not start again: %v", n.name, err)
		}
		return false
	}
	r.note("%s runs again", n.name)
	return n.awaitReady(ctx, startPatience)
}

// stop keeps a process from running for a time.
func (r *run) stop(ctx context.Context, n *node, lasts time.Duration) {
	if p := n.running(); p != nil {
		p.signal(syscall.SIGSTOP)
		sleep(ctx, lasts)
		p.signal(syscall.SIGCONT)
	}
}

// cut cuts the network for a time.
func (r *run) cut(ctx context.Context, a action) {
	if a.fault == OneWay {
		r.cluster.links.CutOneWay(r.name(a.nodes[0]), r.name(a.others[0]))
	} else {
		r.cluster.links.Cut(r.names(a.nodes), r.names(a.others))
	}
	sleep(ctx, a.lasts)
	r.cluster.links.Heal()
	r.note("the network heals")
}

func (r *run) name(i int) string { return r.cluster.nodes[i].name }

func (r *run) names(nodes []int) []string {
	out := make([]string, 0, len(nodes))
	for _, i := range nodes {
		out = append(out, r.name(i))
	}
	slices.Sort(out)
	return out
}
