//go:build unix

package kvnode_test

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
)

const (
	// outstanding is how much these tests write while a member reads nothing, in MiB; keptKeys MiB of it are the tables' own in the end.
	outstanding, keptKeys = 200, 8
	// heldLimit is what may wait for that member: a window, what the network has taken over, and room for chance. In bytes.
	heldLimit = 48 << 20
)

// mebibyte is the i-th batch of 16 entries that these tests write.
func mebibyte(i int) []kvnode.KV {
	kvs := make([]kvnode.KV, 16)
	for j := range kvs {
		kvs[j] = kvnode.KV{Key: strconv.Itoa(i%keptKeys) + "." + strconv.Itoa(j), Value: bytes.Repeat([]byte{'a' + byte(i%26)}, 64<<10)}
	}
	return kvs
}

// metric reads a metric without labels from a node's page.
func metric(ctx context.Context, t *testing.T, addr, name string) float64 {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), name+" "); found {
			n, err := strconv.ParseFloat(value, 64)
			require.NoError(t, err)
			return n
		}
	}
	require.Fail(t, "no such metric", name)
	return 0
}

func TestMemberThatReadsNothingOverTCPCostsTheOthersABoundedNumberOfBytes(t *testing.T) {
	ctx := patient(t)
	registry := prometheus.NewRegistry()
	l := lab(t, func(c *kvnode.Config) {
		if c.Name == "a" {
			c.Metrics = registry
		}
	}, "a", "b", "c")
	a := l.Node("a")
	_, err := a.CreateTable(ctx, "t", kvnode.TableOptions{})
	require.NoError(t, err)

	l.Cut([]string{"c"}, []string{"a", "b"}) // the connections stay open, and what is sent is not read
	for i := range outstanding {
		_, err := a.Put(ctx, "t", mebibyte(i), kvnode.WithAck(engine.AckLocal))
		require.NoError(t, err)
		if i%10 == 0 {
			got := gather(t, registry)
			require.LessOrEqual(t, valueOf(got["kvnode_bus_held_bytes"]), float64(heldLimit))
			require.LessOrEqual(t, valueOf(got["kvnode_window_bytes"]), float64(9<<20))
			require.LessOrEqual(t, valueOf(got["kvnode_queue_bytes"]), float64(65<<20))
		}
	}
	require.NoError(t, l.AwaitPeers(ctx, "a", 1))
	written, err := a.Put(ctx, "t", mebibyte(0), kvnode.WithAck(engine.AckAll))
	require.NoError(t, err, "c is known to be gone, and not waited for")
	require.Equal(t, 2, written.Acked)
	l.Heal()
	require.NoError(t, l.AwaitWhole(ctx))
	require.Eventually(t, func() bool { return equalDigests(ctx, a, l.Node("b"), l.Node("c")) }, patience, patience/1000)
}

// digester is a node, or a client of one.
type digester interface {
	Status(ctx context.Context) (kvnode.Status, error)
}

func equalDigests[N digester](ctx context.Context, nodes ...N) bool {
	digests := map[string]bool{}
	for _, n := range nodes {
		s, err := n.Status(ctx)
		digests[s.Digest] = err == nil && s.Ready
	}
	for _, good := range digests {
		if !good {
			return false
		}
	}
	return len(digests) == 1
}

// connected counts the members that a node sees.
func connected(ctx context.Context, n digester) int {
	s, err := n.Status(ctx)
	if err != nil {
		return 0
	}
	count := 0
	for _, m := range s.Members {
		if m.Connected && m.Ready {
			count++
		}
	}
	return count
}

func TestStoppedProcessHoldsNobodyUpAndCatchesUpWhenItGoesOn(t *testing.T) {
	ctx := patient(t)
	defer http.DefaultClient.CloseIdleConnections()
	a := startChild(t, "a")
	b := startChild(t, "b", a.Route)
	c := startChild(t, "c", a.Route)
	all := []childNode{a, b, c}
	for _, n := range all {
		require.NoError(t, until(ctx, "all see all", func() bool { return connected(ctx, n) == len(all) }))
	}
	_, err := a.CreateTable(ctx, "t", kvnode.TableOptions{})
	require.NoError(t, err)

	require.NoError(t, c.process.Signal(syscall.SIGSTOP))
	if _, err := a.Put(ctx, "t", mebibyte(0), rest.WithAck(engine.AckAll)); err != nil {
		require.ErrorIs(t, err, engine.ErrNotAcknowledged)
	}
	for i := range outstanding {
		_, err := a.Put(ctx, "t", mebibyte(i), rest.WithAck(engine.AckLocal))
		require.NoError(t, err)
		if i%20 == 0 {
			require.LessOrEqual(t, metric(ctx, t, a.HTTP, "kvnode_bus_held_bytes"), float64(heldLimit))
			require.LessOrEqual(t, metric(ctx, t, a.HTTP, "kvnode_window_bytes"), float64(9<<20))
		}
	}
	require.NoError(t, until(ctx, "c is suspected", func() bool { return connected(ctx, a) == 2 }))
	_, err = a.Put(ctx, "t", mebibyte(1), rest.WithAck(engine.AckAll))
	require.NoError(t, err)

	require.NoError(t, c.process.Signal(syscall.SIGCONT))
	require.NoError(t, until(ctx, "all hold the same", func() bool { return connected(ctx, c) == len(all) && equalDigests(ctx, all...) }))
	e, err := c.Get(ctx, "t", "1.0")
	require.NoError(t, err)
	require.Equal(t, mebibyte(1)[0].Value, e.Value)
}

func TestManyConcurrentWritersOfLargeValuesAreServedOrToldToComeBack(t *testing.T) {
	const clients, rounds = 64, 3
	ctx := patient(t)
	defer http.DefaultClient.CloseIdleConnections()
	n := startChild(t, "a")
	require.NoError(t, until(ctx, "it is ready", func() bool { return connected(ctx, n) == 1 }))
	_, err := n.CreateTable(ctx, "t", kvnode.TableOptions{})
	require.NoError(t, err)
	failures := make(chan error, clients*rounds)
	var writers sync.WaitGroup
	for i := range clients {
		writers.Go(func() {
			for range rounds {
				_, err := n.Put(ctx, "t", []kvnode.KV{{Key: strconv.Itoa(i % 4), Value: make([]byte, engine.MaxValueBytes)}})
				failures <- err
			}
		})
	}
	for range clients * rounds {
		if err := <-failures; err != nil {
			require.ErrorIs(t, err, engine.ErrOverloaded)
		}
	}
	writers.Wait()
	require.NoError(t, until(ctx, "no body is held", func() bool { return metric(ctx, t, n.HTTP, "kvnode_http_body_bytes") == 0 }))
	_, err = n.Put(ctx, "t", mebibyte(0))
	require.NoError(t, err, "it is over without anybody's help")
}
