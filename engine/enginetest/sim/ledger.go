package sim

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/kvnode/kvnode/engine"
)

const (
	// told is how long after a trap the members of its island may still not know of it.
	told = 3 * time.Second
	// window and intensity bound the restarts for one module, as the design says.
	window    = time.Minute
	intensity = 3
	// settled is how long after a boot the nodes' views of one another may still differ.
	settled = 10 * time.Second
)

// ledger is what the cluster as a whole has to keep to: restarts, mergers, and what readers see of equal siblings.
type ledger struct {
	traps []trapRestart
	// views are what readers saw, by the siblings and the handler record.
	views map[string]string
	// mergers are who ran a handler as the merging node, by the job.
	mergers map[string]string
}

// trapRestart is one restart for a trap.
type trapRestart struct {
	what, module, node string
	island             []string
	at                 time.Time
}

func newLedger() ledger { return ledger{views: map[string]string{}, mergers: map[string]string{}} }

// traps remembers what a node has trapped on, if it means to restart for it. Only the merging node may: one whose own run has just ended.
func (n *node) traps(e engine.Event) {
	if !slices.ContainsFunc(e.Attrs, func(a slog.Attr) bool { return a.Equal(slog.Bool("restart", true)) }) {
		return
	}
	info := n.table(e.Table)
	n.trapped = trapRestart{
		what: fmt.Sprintf("%s/%d/%s %s %s", e.Table, info.Epoch, e.Key, n.siblings(e.Table, e.Key), record(info)),
		node: n.name, module: e.Table + " " + record(info),
	}
	if _, ran := n.outcomes[place{e.Table, e.Key}]; !ran && info.Active != nil {
		n.w.fail("%s means to restart for %s, which it has not run as the merging node", n.name, n.trapped.what)
	}
}

// restarts checks that nobody who can know restarts again for the same siblings under the same handler record, that one module is not the reason too
// often, and that no two nodes are down for restarts at once.
func (l *ledger) restarts(n *node) {
	r := n.trapped
	r.island, r.at = n.w.net.island(n), n.w.now
	n.w.note("%s restarts because of %s", n.name, r.what)
	for _, before := range l.traps {
		switch {
		case before.what == r.what && l.knewOf(n, before):
			n.w.fail("%s restarts for %s, as %s did at %v", n.name, r.what, before.node, before.at.Sub(n.w.begin))
		case n.w.weather.isStill() && n.w.node(before.node).isRestarting:
			n.w.fail("%s restarts while %s does", n.name, before.node)
		}
	}
	n.isRestarting = true
	l.traps = append(l.traps, r)
	if n.w.weather.isStill() && l.recent(r) > intensity {
		n.w.fail("%d restarts within %v because of %s", l.recent(r), window, r.module)
	}
}

// merges checks that one node alone runs a handler on a conflict as the merging node, when nothing troubles the nodes' views of one another.
func (l *ledger) merges(n *node, job string) {
	before, ok := l.mergers[job]
	isCalm := n.w.weather.isStill() && n.w.now.Sub(n.w.booted) > settled && len(l.traps) == 0
	if ok && before != n.name && isCalm {
		n.w.fail("%s runs the handler for %s, as %s did", n.name, job, before)
	}
	if ok && before != n.name {
		n.w.counts[CountMergerChange]++
	}
	l.mergers[job] = n.name
}

// recent counts the restarts for one module in the window that ends with r.
func (l *ledger) recent(r trapRestart) int {
	count := 0
	for _, before := range l.traps {
		if before.module == r.module && r.at.Sub(before.at) < window {
			count++
		}
	}
	return count
}

// knewOf reports whether the node must have known of a restart: it was its own, or it had been told, in a network that loses nothing and had not
// changed about that time.
func (l *ledger) knewOf(n *node, r trapRestart) bool {
	v := n.w.weather
	if v.crashes > 0 {
		return false
	}
	if r.node == n.name {
		return true
	}
	calm := v.loss == 0 && v.pauses == 0 && !n.w.net.changedWithin(r.at.Add(-told), r.at.Add(told))
	return calm && slices.Contains(r.island, n.name) && n.w.now.Sub(r.at) > told
}

// record names a table's handler record, or its policy.
func record(info engine.TableInfo) string {
	if info.Active == nil {
		return string(info.Options.Unresolved)
	}
	return fmt.Sprintf("%s %.8s epoch %d %d", info.Active.Plugin, info.Active.SHA256, info.Active.Epoch, info.Active.Time.UnixMilli())
}

// table describes a table as the node sees it.
func (n *node) table(name string) engine.TableInfo {
	var info engine.TableInfo
	_, err := n.driver.Call(func(ctx context.Context, e *engine.Engine) (err error) {
		info, err = e.Table(ctx, name)
		return err
	}, nil)
	if err != nil {
		return engine.TableInfo{Name: name}
	}
	return info
}

// siblings names a key's versions.
func (n *node) siblings(table, key string) string {
	held, err := n.driver.Held(table, key)
	if err != nil {
		return "[]"
	}
	var out []string
	for _, v := range held.Versions {
		out = append(out, v.Dot.String())
	}
	return "[" + strings.Join(out, " ") + "]"
}

// sees checks that readers of equal siblings under an equal record see the same everywhere, always; while nothing could be run they see the latest.
func (l *ledger) sees(n *node, table string, e engine.Entry) {
	info := n.table(table)
	if len(e.Siblings) < 2 || e.State == engine.Quarantined || e.State == engine.Disabled || e.State == engine.Unavailable {
		return
	}
	what := fmt.Sprintf("%s/%d/%s %s %s %s", table, info.Epoch, e.Key, n.siblings(table, e.Key), info.Options.Deletes, record(info))
	seen := fmt.Sprintf("%s %.300q deleted %v %s", e.State, e.Value, e.Deleted, e.Reason)
	if slices.ContainsFunc(e.Siblings, func(v engine.Version) bool { return v.Deleted }) {
		n.w.counts[CountBoth]++
	}
	if before, ok := l.views[what]; ok && before != seen {
		n.w.fail("%s sees of %s %s, others saw %s", n.name, what, seen, before)
	}
	l.views[what] = seen
}
