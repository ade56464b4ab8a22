package bus_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
)

// patience is how long a test waits for what must happen.
const patience = 15 * time.Second

// hello is the payload by which meet finds out who hears whom; recorders do not keep it.
const hello = "hello"

// peer is what all buses offer.
type peer interface {
	Broadcast(lane int, payload []byte) error
	Send(to string, lane int, payload []byte) error
	Listen(receive func(from string, lane int, payload []byte))
	SetRoutes(addrs []string) error
	RouteAddr() string
	Joined(ctx context.Context) error
	Stats() bus.Stats
	Close() error
}

var (
	_ peer = (*bus.NATS)(nil)
	_ peer = (*bus.MemoryNode)(nil)
)

// message is a payload as it arrived.
type message struct {
	from    string
	lane    int
	payload string
}

// node is a bus with a record of what it received.
type node struct {
	peer
	id string

	mu      sync.Mutex
	got     []message
	heard   map[string]int // hellos, by sender
	changed chan struct{}
}

func record(t *testing.T, id string, p peer) *node {
	t.Helper()
	n := &node{peer: p, id: id, heard: make(map[string]int), changed: make(chan struct{})}
	p.Listen(n.receive)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return n
}

func (n *node) receive(from string, lane int, payload []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if string(payload) == hello {
		n.heard[from]++
	} else {
		n.got = append(n.got, message{from: from, lane: lane, payload: string(payload)})
	}
	close(n.changed)
	n.changed = make(chan struct{})
}

// await waits until check, called with what was received so far, is true.
func (n *node) await(t *testing.T, what string, check func(got []message) bool) []message {
	t.Helper()
	deadline := time.After(patience)
	for {
		n.mu.Lock()
		got, changed := slices.Clone(n.got), n.changed
		n.mu.Unlock()
		if check(got) {
			return got
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, n.id+" waited in vain", "for %s; it got %d messages", what, len(got))
		}
	}
}

func (n *node) awaitCount(t *testing.T, count int) []message {
	t.Helper()
	return n.await(t, fmt.Sprintf("%d messages", count), func(got []message) bool { return len(got) >= count })
}

func (n *node) awaitMessage(t *testing.T, want message) {
	t.Helper()
	n.await(t, fmt.Sprintf("%.60v", want), func(got []message) bool { return slices.Contains(got, want) })
}

func (n *node) messages() []message {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.got)
}

func (n *node) forgetHellos() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.heard)
}

func (n *node) hears(others ...*node) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !slices.ContainsFunc(others, func(o *node) bool { return o != n && n.heard[o.id] == 0 })
}

// meet waits until all nodes hear each other in both lanes, from now on.
func meet(t *testing.T, nodes ...*node) {
	t.Helper()
	for lane := range bus.NumLanes {
		for _, n := range nodes {
			n.forgetHellos()
		}
		meetInLane(t, lane, nodes)
	}
}

func meetInLane(t *testing.T, lane int, nodes []*node) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for slices.ContainsFunc(nodes, func(n *node) bool { return !n.hears(nodes...) }) {
		for _, n := range nodes {
			require.NoError(t, n.Broadcast(lane, []byte(hello)))
		}
		select {
		case <-again.C:
		case <-deadline:
			require.FailNow(t, "the nodes do not hear each other", "lane %d: %s", lane, deafness(nodes))
		}
	}
}

func deafness(nodes []*node) string {
	var b strings.Builder
	for _, n := range nodes {
		for _, o := range nodes {
			if !n.hears(o) {
				fmt.Fprintf(&b, "%s does not hear %s; ", n.id, o.id)
			}
		}
	}
	return b.String()
}

// newNATS opens a bus, on a free port if it is an embedded one. Unless cfg says otherwise it is patient with silent routes, so that
// nothing is lost on a busy machine either.
func newNATS(t *testing.T, cfg bus.Config) *bus.NATS {
	t.Helper()
	if cfg.Route == "" && cfg.URL == "" {
		cfg.Route = "127.0.0.1:0"
	}
	if cfg.StaleAfter == 0 {
		cfg.StaleAfter = time.Minute
	}
	n, err := bus.Open(t.Context(), cfg)
	require.NoError(t, err)
	return n
}

// newServer starts a NATS server of the kind that is not ours.
func newServer(t *testing.T, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true})
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(patience))
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}
