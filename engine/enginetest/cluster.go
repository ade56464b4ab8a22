// Package enginetest runs many engines on a simulated network, for tests: clusters whose links can be cut, whose nodes crash with amnesia or restart with
// their replicas, and whose handlers are Go functions.
package enginetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
)

// Cluster is a set of engines on one in-process network. Use it inside a testing/synctest bubble: then its time is virtual. Not safe for concurrent use,
// except for Events.
type Cluster struct {
	tb    testing.TB
	net   *bus.Memory
	nodes map[string]*Node
	mint  uint64

	mu     sync.Mutex
	events []NodeEvent
}

// NodeEvent is an event with the node that reported it.
type NodeEvent struct {
	Node string
	engine.Event
}

// Node is one running incarnation.
type Node struct {
	*engine.Engine
	Name     string
	Restarts int

	bus    *bus.MemoryNode
	change []func(*engine.Config)
}

// NewCluster returns a cluster without nodes; it is closed when the test ends.
func NewCluster(tb testing.TB, seed uint64) *Cluster {
	tb.Helper()
	c := &Cluster{
		tb: tb, net: bus.NewMemory(bus.MemoryConfig{Rand: rand.New(rand.NewPCG(seed, 0))}), nodes: map[string]*Node{}, mint: seed << 32,
	}
	tb.Cleanup(c.close)
	return c
}

// Net is the network, for faults.
func (c *Cluster) Net() *bus.Memory { return c.net }

// Start boots a node with empty memory.
func (c *Cluster) Start(name string, change ...func(*engine.Config)) *Node {
	c.tb.Helper()
	return c.boot(name, 0, nil, change)
}

// StartAll boots nodes and waits until they are ready.
func (c *Cluster) StartAll(names ...string) {
	c.tb.Helper()
	for _, name := range names {
		c.Start(name)
	}
	for _, name := range names {
		require.NoError(c.tb, c.Node(name).AwaitReady(c.tb.Context()))
	}
}

// Node returns the running incarnation of a name.
func (c *Cluster) Node(name string) *Node {
	c.tb.Helper()
	require.Contains(c.tb, c.nodes, name)
	return c.nodes[name]
}

// Names lists the running nodes, in order.
func (c *Cluster) Names() []string { return slices.Sorted(maps.Keys(c.nodes)) }

// Pass lets time go by.
func (c *Cluster) Pass(d time.Duration) { <-time.After(d) }

// awaitLimit is how long Await and Converge wait before the test fails.
const awaitLimit = 30 * time.Second

// Await waits until something is so, and returns how long that took.
func (c *Cluster) Await(what string, so func() bool) time.Duration {
	c.tb.Helper()
	begin := time.Now()
	for !so() {
		require.Less(c.tb, time.Since(begin), awaitLimit, "waited for: %s", what)
		c.Pass(10 * time.Millisecond)
	}
	return time.Since(begin)
}

// Converge heals the network and waits until all nodes see each other and know the same mutations.
func (c *Cluster) Converge() {
	c.tb.Helper()
	c.net.Heal()
	c.Await("all nodes connected and equal", c.equal)
}

func (c *Cluster) equal() bool {
	digests := map[string]bool{}
	for _, n := range c.nodes {
		s, err := n.Status(c.tb.Context())
		require.NoError(c.tb, err)
		digests[s.Digest] = true
		connected := 0
		for _, m := range s.Members {
			if m.Connected {
				connected++
			}
		}
		if connected != len(c.nodes) {
			return false
		}
	}
	return len(digests) <= 1
}

// Crash ends a node without a word, and its memory is gone.
func (c *Cluster) Crash(name string) {
	c.tb.Helper()
	n := c.Node(name)
	delete(c.nodes, name)
	require.NoError(c.tb, n.bus.Close())
	_, err := n.Close()
	require.NoError(c.tb, err)
}

// Events returns what the nodes have reported.
func (c *Cluster) Events() []NodeEvent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

// Count counts the events of a kind.
func (c *Cluster) Count(kind engine.EventKind) int {
	n := 0
	for _, e := range c.Events() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func (c *Cluster) boot(name string, restarts int, legacy *engine.Legacy, change []func(*engine.Config)) *Node {
	c.tb.Helper()
	cfg := engine.DefaultConfig()
	cfg.Name, cfg.Actor, cfg.Restarts, cfg.Legacy = name, c.actor(), restarts, legacy
	cfg.ExpectPeers = len(c.nodes) > 0
	cfg.Events = func(e engine.Event) { c.record(name, e) }
	for _, f := range change {
		f(&cfg)
	}
	n := &Node{Name: name, Restarts: restarts, bus: c.net.NamedNode(name, cfg.Actor.String()), change: change}
	var err error
	n.Engine, err = engine.Open(cfg, n.bus, Handlers{})
	require.NoError(c.tb, err)
	c.nodes[name] = n
	return n
}

// Restarted waits for a node to go down for a restart and boots its next incarnation with the replicas that it kept.
func (c *Cluster) Restarted(name string) *Node {
	c.tb.Helper()
	s := c.Stop(name)
	require.False(c.tb, s.Exit)
	return c.Resume(s)
}

// Restart ends a node in order, without a reason of its own, and boots its next incarnation with the replicas that it kept.
func (c *Cluster) Restart(name string) *Node {
	c.tb.Helper()
	return c.Resume(c.end(name))
}

// Stopped is a node between two incarnations.
type Stopped struct {
	Name string
	// Exit says that its process has ended, and its memory is gone.
	Exit bool

	restarts int
	legacy   *engine.Legacy
	change   []func(*engine.Config)
}

// Stop waits for a node to go down because of a trap, and closes it.
func (c *Cluster) Stop(name string) Stopped {
	c.tb.Helper()
	why := <-c.Node(name).Ended()
	require.NoError(c.tb, why.Err)
	s := c.end(name)
	if why.Exit {
		return Stopped{Name: name, Exit: true, change: s.change}
	}
	return s
}

// end closes a node.
func (c *Cluster) end(name string) Stopped {
	c.tb.Helper()
	n := c.Node(name)
	legacy, err := n.Close()
	require.NoError(c.tb, err)
	require.NoError(c.tb, n.bus.Close())
	delete(c.nodes, name)
	return Stopped{Name: name, restarts: n.Restarts + 1, legacy: legacy, change: n.change}
}

// Resume boots the next incarnation of a stopped node, with the replicas that it kept, and with its configuration unless another is given.
func (c *Cluster) Resume(s Stopped, change ...func(*engine.Config)) *Node {
	c.tb.Helper()
	if change == nil {
		change = s.change
	}
	return c.boot(s.Name, s.restarts, s.legacy, change)
}

func (c *Cluster) record(node string, e engine.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, NodeEvent{Node: node, Event: e})
}

// actor mints identities in order, so that a run repeats.
func (c *Cluster) actor() clock.Actor {
	c.mint++
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], c.mint*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(id[8:], c.mint)
	return clock.ActorFrom(id)
}

func (c *Cluster) close() {
	for _, n := range c.nodes {
		_, err := n.Close()
		require.NoError(c.tb, errors.Join(err, n.bus.Close()))
	}
}

// Value reads a key's value; "" with the error's text when there is none.
func (n *Node) Value(ctx context.Context, table, key string) string {
	e, err := n.Get(ctx, table, key)
	if err != nil {
		return fmt.Sprintf("(%v)", err)
	}
	return string(e.Value)
}
