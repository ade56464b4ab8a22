package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/rest"
)

// node is one member of the cluster: a process, and the next one after it was killed.
type node struct {
	name string
	log  *os.File

	mu     sync.Mutex // guards what follows, and the log
	proc   *process   // nil while it is down
	client *rest.Client
	up     chan struct{} // closed while client is set
	downs  []string      // whom it lost sight of since the last checkpoint
}

// cluster is all nodes, with the links between them.
type cluster struct {
	program string
	name    string
	links   *bus.Links
	nodes   []*node
	history *history
	watches sync.WaitGroup // of the processes
}

func newCluster(program, name, logs string, size int, h *history) (*cluster, error) {
	c := &cluster{program: program, name: name, links: bus.NewLinks(), history: h}
	for i := range size {
		name := "n" + strconv.Itoa(i)
		log, err := os.Create(filepath.Join(logs, name+".log"))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("logs: %w", err), c.close())
		}
		c.nodes = append(c.nodes, &node{name: name, log: log, up: make(chan struct{})})
	}
	return c, nil
}

// start starts a node, with empty memory. It listens when start returns.
func (c *cluster) start(ctx context.Context, n *node) error {
	args, err := c.arguments(n)
	if err != nil {
		return err
	}
	p, err := startProcess(ctx, c.program, args, func(line string) { n.hear(line, c.history) })
	if err != nil {
		return fmt.Errorf("node %s: %w", n.name, err)
	}
	c.links.Attach(n.name, p.listens)
	client, err := rest.NewClient(p.http)
	if err != nil {
		p.kill()
		return fmt.Errorf("node %s: %w", n.name, err)
	}
	c.watches.Go(func() { c.mourn(ctx, n, p) })
	n.mu.Lock()
	defer n.mu.Unlock()
	n.proc, n.client = p, client
	close(n.up)
	return nil
}

// arguments tell a node to know the others by addresses at which nobody listens, and to dial its proxies instead.
func (c *cluster) arguments(n *node) ([]string, error) {
	args := []string{
		"--name", n.name, "--cluster", c.name, "--http", "127.0.0.1:0", "--route", "127.0.0.1:0", "--advertise", c.links.Addr(n.name),
	}
	for _, other := range c.nodes {
		if other == n {
			continue
		}
		via, err := c.links.Via(n.name, other.name)
		if err != nil {
			return nil, fmt.Errorf("proxy from %s to %s: %w", n.name, other.name, err)
		}
		addr := c.links.Addr(other.name)
		args = append(args, "--join", addr, "--dial", addr+"="+via)
	}
	return args, nil
}

// mourn waits for the end of a process; one that nobody asked for is a broken promise.
func (c *cluster) mourn(ctx context.Context, n *node, p *process) {
	<-p.done
	if !p.wanted.Load() && ctx.Err() == nil {
		c.history.fail("node %s ended by itself: %v; its log says more", n.name, p.err)
	}
}

// takeDown makes the node one that is down, and returns its process, nil if it was down.
func (n *node) takeDown() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.proc
	if p == nil {
		return nil
	}
	n.client.Close()
	n.proc, n.client, n.up = nil, nil, make(chan struct{})
	return p
}

// running is the node's process, nil while it is down.
func (n *node) running() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

// ask returns a client of the node as soon as it is up.
func (n *node) ask(ctx context.Context) (*rest.Client, error) {
	for {
		n.mu.Lock()
		client, up := n.client, n.up
		n.mu.Unlock()
		if client != nil {
			return client, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for node %s: %w", n.name, ctx.Err())
		}
	}
}

// hear takes a line of the node's log. An alarm, or a finding of the audit, is a broken promise.
func (n *node) hear(line string, h *history) {
	n.mu.Lock()
	_, err := n.log.WriteString(line + "\n")
	if _, peer, ok := strings.Cut(line, `msg="member down"`); ok {
		n.downs = append(n.downs, field(peer, "peer"))
	}
	n.mu.Unlock()
	if err != nil {
		h.fail("the log of node %s cannot be written: %v", n.name, err)
	}
	if strings.Contains(line, "msg=alarm") || strings.Contains(line, `msg="audit:`) || strings.HasPrefix(line, "panic:") {
		h.fail("node %s says: %s", n.name, line)
	}
}

// field is the value of an attribute in a line of a log.
func field(line, name string) string {
	_, value, _ := strings.Cut(line, name+"=")
	value, _, _ = strings.Cut(value, " ")
	return value
}

// takeDowns returns whom the node lost sight of since the last call.
func (n *node) takeDowns() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	downs := n.downs
	n.downs = nil
	return downs
}

// awaitReady waits until the node has caught up, alone or from others; it reports whether it has within the time.
func (n *node) awaitReady(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return poll(ctx, func() bool {
		client, err := n.ask(ctx)
		if err != nil {
			return false
		}
		status, err := client.Status(ctx)
		return err == nil && status.Ready
	})
}

// pollEvery is the pause between two looks at what another process does.
const pollEvery = 100 * time.Millisecond

// poll looks again and again until it sees what it waits for, or ctx ends.
func poll(ctx context.Context, look func() bool) bool {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for !look() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// close kills all nodes and frees what they used.
func (c *cluster) close() error {
	for _, n := range c.nodes {
		if p := n.takeDown(); p != nil {
			p.kill()
		}
	}
	c.watches.Wait()
	c.links.Close()
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.log.Close())
	}
	return errors.Join(errs...)
}
