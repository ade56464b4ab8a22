package kvnode

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/engine"
)

// ErrMetrics says that the metrics cannot be registered at Config.Metrics.
var ErrMetrics = errors.New("metrics cannot be registered: give each node of a process a Registerer of its own, by prometheus.WrapRegistererWith for example")

// metrics shows one node to Prometheus. Events are counted as they come, everything else is asked for when it is collected. No label takes values that
// clients choose, but the names of tables.
type metrics struct {
	node          *Node
	registry      *prometheus.Registry // the node's own
	shared        prometheus.Registerer
	families      map[string]family
	events        *prometheus.CounterVec
	traps, alarms atomic.Uint64
}

var _ prometheus.Collector = (*metrics)(nil)

// family is a metric that is computed when it is asked for.
type family struct {
	*prometheus.Desc

	kind prometheus.ValueType
}

func families() map[string]family {
	all := map[string]family{}
	define := func(kind prometheus.ValueType, name, help string, labels ...string) {
		all[name] = family{Desc: prometheus.NewDesc(name, help, labels, nil), kind: kind}
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	define(gauge, "kvnode_ready", "Whether the node has caught up with its peers and serves from its own data.")
	define(gauge, "kvnode_members", "Members of the cluster, this one included: all that are known, and those that are connected.", "state")
	define(counter, "kvnode_restarts_total", "Restarts of the node within its process.")
	define(counter, "kvnode_traps_total", "Traps of handlers at this node.")
	define(counter, "kvnode_alarms_total", "Alarms: of the self-audit, and handlers that depend on earlier calls.")
	define(counter, "kvnode_handler_runs_total", "Runs of handlers at this node, by what came of them.", "outcome")
	define(counter, "kvnode_handler_fuel_total", "Fuel that handlers used at this node.")
	define(counter, "kvnode_handler_seconds_total", "Time that runs of handlers took at this node.")
	define(counter, "kvnode_shadow_runs_total", "Conflicts that this node has compared, by whether they would end equally under the shadow.", "outcome")
	define(gauge, "kvnode_quarantines", "Conflicts on which a handler trapped, and that it must not judge again.")
	define(gauge, "kvnode_table_keys", "Keys of a table.", "table")
	define(gauge, "kvnode_table_bytes", "Bytes of a table's keys and values.", "table")
	define(gauge, "kvnode_table_conflicts", "Keys of a table that have siblings.", "table")
	define(gauge, "kvnode_table_unstable_mutations", "Mutations of a table that some known member is not known to have.", "table")
	define(counter, "kvnode_bus_sent_frames_total", "Frames handed to the network; a broadcast counts once.", "lane")
	define(counter, "kvnode_bus_sent_bytes_total", "Bytes of the frames handed to the network.", "lane")
	define(counter, "kvnode_bus_received_frames_total", "Frames received from the network.", "lane")
	define(counter, "kvnode_bus_received_bytes_total", "Bytes of the frames received from the network.", "lane")
	define(counter, "kvnode_bus_dropped_frames_total", "Frames given up on arrival: malformed, incomplete, or without room.", "lane")
	define(gauge, "kvnode_bus_held_bytes", "Bytes that wait in this process to leave for other nodes, or for the engine.")
	define(counter, "kvnode_repairs_total", "Partitions brought up to date by a transfer: of what the log names, or full.", "kind")
	define(counter, "kvnode_repair_bytes_total", "Bytes taken by transfers.")
	define(gauge, "kvnode_window_bytes", "Bytes of mutations sent to a member and not confirmed by it, of the member that owes most.")
	define(gauge, "kvnode_members_behind", "Members that do not keep up with the mutations, and take by repair what they miss.")
	define(gauge, "kvnode_queue_bytes", "Bytes written at this node that wait to be sent to other nodes.")
	define(gauge, "kvnode_watchers", "Open watches.")
	define(counter, "kvnode_overloaded_total", "What ended with ErrOverloaded: writes, HTTP requests, watches.", "what")
	define(gauge, "kvnode_http_requests", "HTTP requests under way, watches included.")
	define(gauge, "kvnode_http_body_bytes", "Bytes of request bodies that the HTTP API holds.")
	define(gauge, "kvnode_http_stream_bytes", "Bytes of entries that watches and matches are writing.")
	return all
}

// newMetrics registers the metrics of a node.
func newMetrics(n *Node) (*metrics, error) {
	m := &metrics{
		node: n, registry: prometheus.NewRegistry(), shared: n.cfg.Metrics, families: families(),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kvnode_events_total", Help: "Events of the engine, by kind."}, []string{"kind"}),
	}
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if m.shared == nil {
		return m, nil
	}
	if err := m.shared.Register(m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMetrics, err)
	}
	return m, nil
}

// unregister takes the metrics out of the embedder's registry.
func (m *metrics) unregister() {
	if m.shared != nil {
		m.shared.Unregister(m)
	}
}

// handler answers GET /metrics.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// count notes an event.
func (m *metrics) count(e engine.Event) {
	m.events.WithLabelValues(kindLabel(e.Kind)).Inc()
	switch e.Kind { //nolint:exhaustive // the others have no metric of their own
	case engine.EventTrap:
		m.traps.Add(1)
	case engine.EventAlarm, engine.EventCorrupt, engine.EventDiverged, engine.EventDisputed, engine.EventUnmended, engine.EventImpure:
		m.alarms.Add(1)
	}
}

// kindLabel is what comes before the colon of a kind, in snake case; the findings of the audit have names of their own.
func kindLabel(k engine.EventKind) string {
	switch k { //nolint:exhaustive // the others follow the rule
	case engine.EventCorrupt:
		return "audit_corrupt"
	case engine.EventDiverged:
		return "audit_diverged"
	case engine.EventMended:
		return "audit_mended"
	case engine.EventDisputed:
		return "audit_disputed"
	case engine.EventUnmended:
		return "audit_unmended"
	}
	label, _, _ := strings.Cut(string(k), ":")
	return strings.ReplaceAll(label, " ", "_")
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	m.events.Describe(ch)
	for _, f := range m.families {
		ch <- f.Desc
	}
}

// Collect implements prometheus.Collector. Between two incarnations it shows only what outlives them.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.events.Collect(ch)
	show := func(name string, value float64, labels ...string) {
		f := m.families["kvnode_"+name]
		ch <- prometheus.MustNewConstMetric(f.Desc, f.kind, value, labels...)
	}
	restarts, past, now := m.node.tally()
	show("restarts_total", float64(restarts))
	show("traps_total", float64(m.traps.Load()))
	show("alarms_total", float64(m.alarms.Load()))
	if now == nil {
		show("ready", 0)
		return
	}
	showBus(show, past.plus(now.totals()), now.bus.Held())
	showHTTP(show, now)
	showEngine(show, now.engine.Stats())
	showMembers(show, now.engine)
}

// shower takes one value of a metric.
type shower func(name string, value float64, labels ...string)

func showBus(show shower, t totals, held int) {
	for lane, name := range [bus.NumLanes]string{bus.LaneControl: "control", bus.LaneBulk: "bulk"} {
		s := t.bus[lane]
		show("bus_sent_frames_total", float64(s.Sent), name)
		show("bus_sent_bytes_total", float64(s.SentBytes), name)
		show("bus_received_frames_total", float64(s.Received), name)
		show("bus_received_bytes_total", float64(s.ReceivedBytes), name)
		show("bus_dropped_frames_total", float64(s.Dropped), name)
	}
	show("bus_held_bytes", float64(held))
	show("overloaded_total", float64(t.refused), "request")
}

func showHTTP(show shower, i *incarnation) {
	if i.server == nil {
		return
	}
	l := i.server.Load()
	show("http_requests", float64(l.Requests))
	show("http_body_bytes", float64(l.BodyBytes))
	show("http_stream_bytes", float64(l.StreamBytes))
}

func showEngine(show shower, s engine.Stats) {
	for _, t := range s.Tables {
		show("table_keys", float64(t.Keys), t.Name)
		show("table_bytes", float64(t.Bytes), t.Name)
		show("table_conflicts", float64(t.Conflicts), t.Name)
		show("table_unstable_mutations", float64(t.Unstable), t.Name)
	}
	show("quarantines", float64(s.Quarantines))
	showRuns(show, s.Runs)
	show("shadow_runs_total", float64(s.ShadowEqual), "equal")
	show("shadow_runs_total", float64(s.ShadowDifferent), "different")
	show("repairs_total", float64(s.RepairsByLog), "log")
	show("repairs_total", float64(s.RepairsByFull), "full")
	show("repair_bytes_total", float64(s.RepairBytes))
	show("window_bytes", float64(s.Unconfirmed))
	show("members_behind", float64(s.Behind))
	show("queue_bytes", float64(s.Waiting))
	show("watchers", float64(s.Watchers))
	show("overloaded_total", float64(s.Refused), "write")
	show("overloaded_total", float64(s.WatchersOverloaded), "watch")
}

func showRuns(show shower, r engine.RunStats) {
	for outcome, n := range map[string]uint64{
		"value": r.Values, "delete": r.Deletes, "keep": r.Keeps, "error": r.Errors, "trap": r.Traps, "failure": r.Failures,
	} {
		show("handler_runs_total", float64(n), outcome)
	}
	show("handler_fuel_total", float64(r.Fuel))
	show("handler_seconds_total", r.Took.Seconds())
}

func showMembers(show shower, e *engine.Engine) {
	members, err := e.Members(context.Background())
	if err != nil {
		return
	}
	connected := 0
	for _, member := range members {
		if member.Connected {
			connected++
		}
	}
	show("members", float64(len(members)), "known")
	show("members", float64(connected), "connected")
	ready := 0.0
	if e.Ready() {
		ready = 1
	}
	show("ready", ready)
}

// totals are counts that begin anew with every incarnation.
type totals struct {
	bus     bus.Stats
	refused uint64 // requests
}

func (t totals) plus(u totals) totals {
	for lane := range t.bus {
		t.bus[lane] = t.bus[lane].Plus(u.bus[lane])
	}
	t.refused += u.refused
	return t
}

// totals is what this incarnation has counted.
func (i *incarnation) totals() totals {
	t := totals{bus: i.bus.Stats()}
	if i.server != nil {
		t.refused = i.server.Load().Refused
	}
	return t
}
