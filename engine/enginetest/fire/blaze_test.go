package fire_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
	"github.com/kvnode/kvnode/engine/enginetest/fire"
)

const (
	// fireRate is how many keys a second are written, over all nodes and levels.
	fireRate = 5000
	// fireBatch is how many keys a call writes.
	fireBatch = 100
	// downtime is how long a node takes between its end and its next boot.
	downtime = 1500 * time.Millisecond
)

// blaze is a cluster under fire. The test's own goroutine boots again what goes down.
type blaze struct {
	t       *testing.T
	cluster *enginetest.Cluster
	crew    *fire.Crew
	began   time.Time

	// mu guards nodes, which the writers read.
	mu    sync.Mutex
	nodes map[string]fire.Store

	stopped  map[string]enginetest.Stopped
	resumeAt map[string]time.Time
	outages  []outage
	exits    int
	modules  int
}

// outage is one restart: from the moment in which the node is told to go down until it is ready again.
type outage struct {
	node     string
	module   int
	from, to time.Time
}

// ignite opens a cluster whose table has this handler, and starts to write to it.
func ignite(t *testing.T, handler string, names ...string) *blaze {
	t.Helper()
	return igniteWith(t, handler, func(*engine.Config) {}, names...)
}

func igniteWith(t *testing.T, handler string, change func(*engine.Config), names ...string) *blaze {
	t.Helper()
	c := enginetest.NewCluster(t, 1)
	b := &blaze{
		t: t, cluster: c, nodes: map[string]fire.Store{},
		stopped: map[string]enginetest.Stopped{}, resumeAt: map[string]time.Time{},
	}
	for _, name := range names {
		c.Start(name, change)
		require.NoError(t, c.Node(name).AwaitReady(t.Context()))
		b.nodes[name] = c.Node(name)
	}
	_, err := c.Node(names[0]).CreateTable(t.Context(), "carts", engine.TableOptions{})
	require.NoError(t, err)
	_, err = c.Node(names[0]).InstallPlugin(t.Context(), "carts", []byte(handler), engine.Limits{})
	require.NoError(t, err)
	c.Net().SetFaults(bus.Faults{Delay: time.Millisecond, Jitter: time.Millisecond})
	levels := []engine.AckLevel{engine.AckLocal, engine.AckOne, engine.AckQuorum, engine.AckAll}
	b.began = time.Now()
	b.crew = fire.Start(t.Context(), fire.Config{
		Seed: 1, Table: "carts", Nodes: names, Levels: levels, Rate: fireRate, Batch: fireBatch,
		Plain: 3000, Forked: 200, ForkEvery: 4, ReadEvery: 3, Node: b.node,
	})
	return b
}

func (b *blaze) node(name string) fire.Store {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.nodes[name]
}

// burn lets time pass and boots what goes down.
func (b *blaze) burn(d time.Duration) {
	b.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); b.cluster.Pass(10 * time.Millisecond) {
		for _, name := range b.cluster.Names() {
			b.tend(name)
		}
		b.resume()
	}
}

// tend stops a node that wants to go down, and notes when one is ready again.
func (b *blaze) tend(name string) {
	b.t.Helper()
	n := b.cluster.Node(name)
	if len(n.Ended()) > 0 {
		s := b.cluster.Stop(name)
		b.stopped[name], b.resumeAt[name] = s, time.Now().Add(downtime)
		b.outages = append(b.outages, outage{node: name, module: b.modules, from: time.Now()})
		if s.Exit {
			b.exits++
		}
		return
	}
	unfinished := func(o outage) bool { return o.node == name && o.to.IsZero() }
	if i := slices.IndexFunc(b.outages, unfinished); i >= 0 && n.Ready() {
		b.outages[i].to = time.Now()
	}
}

// resume boots the nodes whose downtime is over.
func (b *blaze) resume() {
	b.t.Helper()
	for name, s := range b.stopped {
		if time.Now().Before(b.resumeAt[name]) {
			continue
		}
		delete(b.stopped, name)
		n := b.cluster.Resume(s)
		b.mu.Lock()
		b.nodes[name] = n
		b.mu.Unlock()
	}
}

// whole waits until all nodes are ready.
func (b *blaze) whole() {
	b.t.Helper()
	down := func(o outage) bool { return o.to.IsZero() }
	for end := time.Now().Add(10 * time.Second); slices.ContainsFunc(b.outages, down); {
		require.True(b.t, time.Now().Before(end), "not ready again: %v", b.outages)
		b.burn(100 * time.Millisecond)
	}
}

// replaceModule activates another module that traps on every conflict.
func (b *blaze) replaceModule() {
	b.t.Helper()
	b.whole()
	b.modules++
	n := b.cluster.Node("a")
	name := fmt.Sprint("module", b.modules)
	_, err := n.InstallPlugin(b.t.Context(), name, []byte("some 100 "+name), engine.Limits{})
	require.NoError(b.t, err)
	_, err = n.Activate(b.t.Context(), "carts", name)
	require.NoError(b.t, err)
}

// quench ends the writing, waits until all nodes are equal, and compares them with the ledger. With kept, writes that were applied and not
// acknowledged count too.
func (b *blaze) quench(kept bool) {
	b.t.Helper()
	b.crew.Stop()
	b.burn(10 * time.Second)
	b.whole()
	b.cluster.Converge()
	for name := range b.nodes {
		require.Empty(b.t, b.crew.Ledger().Verify(held(b.t, b.cluster.Node(name)), kept), name)
	}
	require.Zero(b.t, b.cluster.Count(engine.EventAlarm))
	require.Zero(b.t, b.cluster.Count(engine.EventDiverged))
}

// held is all that a node holds: the values of each key's siblings.
func held(t *testing.T, n *enginetest.Node) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for e, err := range n.Match(t.Context(), "carts", engine.Pattern{}) {
		require.NoError(t, err)
		for _, v := range e.Siblings {
			out[e.Key] = append(out[e.Key], string(v.Value))
		}
	}
	return out
}

// wasHot expects that writes rained at every level, that nodes restarted, and that the refused calls were told why.
func (b *blaze) wasHot() {
	b.t.Helper()
	l := b.crew.Ledger()
	total := 0
	for _, level := range []engine.AckLevel{engine.AckLocal, engine.AckOne, engine.AckQuorum, engine.AckAll} {
		require.Positive(b.t, l.Acked(string(level)), level)
		total += l.Acked(string(level))
	}
	b.t.Logf("%d writes acknowledged in %s, %d reads, %d restarts, %d traps, refused: %v", total, time.Since(b.began), l.NumReads(), len(b.outages), b.cluster.Count(engine.EventTrap), l.Refused())
	require.Positive(b.t, l.NumReads())
	require.NotEmpty(b.t, b.outages)
}

// intensity expects that no two nodes were down at a time, and at most three within a minute for one module.
func (b *blaze) intensity() {
	b.t.Helper()
	byModule := map[int][]time.Time{}
	for i, o := range b.outages {
		if i > 0 {
			before := b.outages[i-1]
			require.False(b.t, o.from.Before(before.to), "%s went down while %s was restarting", o.node, before.node)
		}
		times := append(byModule[o.module], o.from)
		byModule[o.module] = times
		if n := len(times); n > 3 {
			require.GreaterOrEqual(b.t, times[n-1].Sub(times[n-4]), time.Minute, "four restarts in a minute")
		}
	}
}

// disabled expects that the module was given up after three restarts, with an alarm, on all nodes, and that its conflicts are kept.
func (b *blaze) disabled() {
	b.t.Helper()
	require.Len(b.t, b.outages, 3)
	require.Positive(b.t, b.cluster.Count(engine.EventHandlerDisabled))
	for name := range b.nodes {
		i, err := b.cluster.Node(name).Table(b.t.Context(), "carts")
		require.NoError(b.t, err, name)
		require.True(b.t, i.Active.Disabled, name)
		require.Positive(b.t, i.Conflicts, name)
	}
}
