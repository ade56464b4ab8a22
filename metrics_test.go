package kvnode_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode"
)

// gather collects the metrics that a registry shows, by name.
func gather(t *testing.T, r prometheus.Gatherer) map[string]*dto.MetricFamily {
	t.Helper()
	all, err := r.Gather()
	require.NoError(t, err)
	out := map[string]*dto.MetricFamily{}
	for _, f := range all {
		out[f.GetName()] = f
	}
	return out
}

// valueOf is the value of a metric that has these label values, 0 when there is none.
func valueOf(f *dto.MetricFamily, labels ...string) float64 {
	for _, m := range f.GetMetric() {
		var have []string
		for _, l := range m.GetLabel() {
			have = append(have, l.GetValue())
		}
		if slices.Equal(have, labels) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return 0
}

// row is what the page says of a metric.
func row(f *dto.MetricFamily) string {
	var labels []string
	for _, l := range f.GetMetric()[0].GetLabel() {
		labels = append(labels, l.GetName())
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
}

func TestTheMetricsOfANodeAreThoseOfTheirPage(t *testing.T) {
	cfg, registry := local("a"), prometheus.NewRegistry()
	cfg.Metrics = registry
	n := open(t, cfg)
	_, err := n.CreateTable(patient(t), "t", kvnode.TableOptions{})
	require.NoError(t, err)
	var shown []string
	for _, f := range gather(t, registry) {
		shown = append(shown, row(f))
	}
	page, err := os.ReadFile(filepath.Join("docs", "METRICS.md"))
	require.NoError(t, err)
	var documented []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `kvnode_") {
			documented = append(documented, strings.TrimSpace(line))
		}
	}
	require.ElementsMatch(t, documented, shown)
}

func TestMetricsFollowWhatTheNodesDo(t *testing.T) {
	ctx := patient(t)
	registries := map[string]*prometheus.Registry{"a": prometheus.NewRegistry(), "b": prometheus.NewRegistry()}
	l := lab(t, func(c *kvnode.Config) { c.Metrics = registries[c.Name] }, "a", "b")
	a := l.Node("a")
	_, err := a.CreateTable(ctx, "t", kvnode.TableOptions{})
	require.NoError(t, err)
	_, err = a.Put(ctx, "t", []kvnode.KV{{Key: "k", Value: []byte("12345")}})
	require.NoError(t, err)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	a.Watch(watching, "t", kvnode.Pattern{})

	got := gather(t, registries["a"])
	require.InDelta(t, 1, valueOf(got["kvnode_ready"]), 0)
	require.InDelta(t, 2, valueOf(got["kvnode_members"], "known"), 0)
	require.InDelta(t, 2, valueOf(got["kvnode_members"], "connected"), 0)
	require.InDelta(t, 1, valueOf(got["kvnode_table_keys"], "t"), 0)
	require.GreaterOrEqual(t, valueOf(got["kvnode_table_bytes"], "t"), 5.0)
	require.InDelta(t, 1, valueOf(got["kvnode_watchers"]), 0)
	require.Positive(t, valueOf(got["kvnode_events_total"], "member_up"))
	require.Positive(t, valueOf(got["kvnode_bus_sent_frames_total"], "control"))
	require.Positive(t, valueOf(got["kvnode_bus_sent_bytes_total"], "control"))
	require.Positive(t, valueOf(got["kvnode_bus_received_bytes_total"], "control"))
	got = gather(t, registries["b"])
	require.InDelta(t, 1, valueOf(got["kvnode_table_keys"], "t"), 0)
	require.Positive(t, valueOf(got["kvnode_repairs_total"], "full"), "b took what a had when it joined")
	require.Positive(t, valueOf(got["kvnode_repair_bytes_total"]))
}

func TestMetricsAreServedOverHTTP(t *testing.T) {
	n := open(t, local("a"))
	require.NoError(t, n.AwaitReady(patient(t)))
	req, err := http.NewRequestWithContext(patient(t), http.MethodGet, "http://"+n.HTTPAddr()+"/metrics", nil)
	require.NoError(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Contains(t, string(body), "\nkvnode_ready 1\n")
	require.Contains(t, string(body), "\nkvnode_http_requests 0\n", "what is asked of the node about itself does not count")
	require.Contains(t, string(body), "\ngo_goroutines ")
}

func TestMetricsCountOnWhenTheNodeRestarts(t *testing.T) {
	cfg, registry := local("a"), prometheus.NewRegistry()
	cfg.Metrics = registry
	n := open(t, cfg)
	require.NoError(t, n.AwaitReady(patient(t)))
	before := gather(t, registry)
	trapOn(t, n)
	require.Eventually(t, func() bool {
		now := gather(t, registry)
		return valueOf(now["kvnode_restarts_total"]) == 1 && valueOf(now["kvnode_ready"]) == 1
	}, patience, patience/1000)
	after := gather(t, registry)
	require.InDelta(t, 1, valueOf(after["kvnode_traps_total"]), 0)
	require.InDelta(t, 1, valueOf(after["kvnode_quarantines"]), 0)
	require.InDelta(t, 1, valueOf(after["kvnode_events_total"], "handler_trapped"), 0)
	require.Greater(t, valueOf(after["kvnode_bus_sent_frames_total"], "control"), valueOf(before["kvnode_bus_sent_frames_total"], "control"))
}

func TestMetricsGoWithTheirNode(t *testing.T) {
	registry := prometheus.NewRegistry()
	labelled := func(name string) prometheus.Registerer {
		return prometheus.WrapRegistererWith(prometheus.Labels{"node": name}, registry)
	}
	first, second := local("a"), local("b")
	first.Metrics, second.Metrics = labelled("a"), labelled("a")
	n := open(t, first)
	_, err := kvnode.Open(patient(t), second)
	require.ErrorIs(t, err, kvnode.ErrMetrics)
	second.Metrics = labelled("b")
	open(t, second)
	require.NoError(t, n.Close(patient(t)))
	require.Len(t, gather(t, registry)["kvnode_ready"].GetMetric(), 1)
}
