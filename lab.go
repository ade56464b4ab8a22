package kvnode

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/kvnode/kvnode/bus"
)

// Lab is a whole cluster in one process on loopback, with real NATS routes between the nodes that can be cut and healed at run time: for
// demonstrations, and for the tests of programs that embed a node. All methods are safe for concurrent use.
type Lab struct {
	links *bus.Links
	nodes map[string]*Node
	cache string
}

// OpenLab starts nodes of these names and waits until all are ready and know each other. The others join the first. configure, when not nil, may
// change each node's configuration before it starts.
func OpenLab(ctx context.Context, names []string, configure func(*Config)) (*Lab, error) {
	cache, err := os.MkdirTemp("", "kvnode-lab-")
	if err != nil {
		return nil, fmt.Errorf("a folder for compiled handlers: %w", err)
	}
	lab := &Lab{links: bus.NewLinks(), nodes: map[string]*Node{}, cache: cache}
	for i, name := range names {
		cfg := DefaultConfig()
		cfg.Name, cfg.Cluster = name, "lab"
		cfg.HTTP, cfg.Route, cfg.CacheDir = "127.0.0.1:0", "127.0.0.1:0", cache
		cfg.WrapBus = func(c bus.Config) bus.Config { return lab.links.Wrap(name, c) }
		if i > 0 {
			cfg.Join = []string{lab.links.Addr(names[0])}
		}
		if configure != nil {
			configure(&cfg)
		}
		n, err := Open(ctx, cfg)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("node %s: %w", name, err), lab.Close(context.WithoutCancel(ctx)))
		}
		lab.nodes[name] = n
	}
	if err := lab.AwaitWhole(ctx); err != nil {
		return nil, errors.Join(err, lab.Close(context.WithoutCancel(ctx)))
	}
	return lab, nil
}

// Node returns a node by name, nil when there is none.
func (l *Lab) Node(name string) *Node { return l.nodes[name] }

// Cut drops everything between nodes of different groups, silently, in both directions.
func (l *Lab) Cut(groups ...[]string) { l.links.Cut(groups...) }

// Heal undoes every Cut.
func (l *Lab) Heal() { l.links.Heal() }

// AwaitWhole waits until every node is ready and connected to all others.
func (l *Lab) AwaitWhole(ctx context.Context) error {
	for name := range l.nodes {
		if err := l.AwaitPeers(ctx, name, len(l.nodes)-1); err != nil {
			return err
		}
	}
	return nil
}

// AwaitPeers waits until a node is ready and connected to exactly this many ready peers.
func (l *Lab) AwaitPeers(ctx context.Context, name string, peers int) error {
	return l.nodes[name].await(ctx, func(s status) bool { return s.Ready && s.readyPeers() == peers })
}

// Close ends all nodes and the links between them.
func (l *Lab) Close(ctx context.Context) error {
	var errs []error
	for _, n := range l.nodes {
		errs = append(errs, n.Close(ctx))
	}
	l.links.Close()
	return errors.Join(append(errs, os.RemoveAll(l.cache))...)
}
