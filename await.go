package kvnode

import (
	"context"
	"fmt"
	"time"

	"github.com/kvnode/kvnode/engine"
)

// pollInterval is the pause between looks at a node's status.
const pollInterval = 20 * time.Millisecond

type status struct{ engine.Status }

// readyPeers counts the other members that are connected and ready.
func (s status) readyPeers() int {
	n := 0
	for _, m := range s.Members {
		if !m.Self && m.Connected && m.Ready {
			n++
		}
	}
	return n
}

// await polls the node's status until it is as wanted.
func (n *Node) await(ctx context.Context, wanted func(status) bool) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		s, err := n.Status(ctx)
		if err == nil && wanted(status{s}) {
			return nil
		}
		select {
		case <-tick.C:
		case <-n.done:
			return fmt.Errorf("node %s has ended: %w", n.cfg.Name, ErrClosed)
		case <-ctx.Done():
			return fmt.Errorf("node %s: %w", n.cfg.Name, ctx.Err())
		}
	}
}
