package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
)

const (
	// patience is how long a cluster may take to come to rest.
	patience = 90 * time.Second
	// calm is how long it must stay at rest: longer than a stable view, a repair round and a restart take.
	calm = 6 * time.Second
)

// rest takes all trouble away, waits until the nodes are equal, reads everything everywhere, waits again, and holds the cluster against the oracle.
func (w *world) rest() {
	w.calmed = true
	w.net.heal()
	w.note("the world calms down")
	w.awaitRest()
	w.checkJudged()
	for _, n := range w.staying() {
		w.readAll(n)
	}
	w.awaitRest()
	w.checkEqual()
	w.checkBases()
	w.checkWatches()
	w.checkAcknowledged()
}

// awaitRest lets time pass until the nodes have been at rest for a while.
func (w *world) awaitRest() {
	since := w.now
	for end := w.now.Add(patience); w.err == nil; w.run(250 * time.Millisecond) {
		w.forgetRetired()
		switch why := w.unrest(); {
		case why == "" && w.now.Sub(since) >= calm:
			return
		case why != "" && w.now.After(end):
			w.fail("no rest after %v: %s", patience, why)
		case why != "":
			since = w.now
		}
	}
}

// unrest says what there is left to do, "" when nothing.
func (w *world) unrest() string {
	var first []string
	for _, n := range w.staying() {
		switch {
		case !n.isUp():
			return n.name + " is down"
		case !n.status().Ready:
			return n.name + " is not ready"
		case n.isTwinned():
			return n.name + " is not alone with its name"
		case n.ending, n.paused:
			return n.name + " is about to go down, or pauses"
		}
		d := n.driver.Digests()
		if first == nil {
			first = d
		}
		if !slices.Equal(first, d) {
			return fmt.Sprintf("%s has %v, %s has %v", w.staying()[0].name, first, n.name, d)
		}
		if n.driver.Unstable() > 0 {
			return fmt.Sprintf("%s has %d mutations that are not known to be everywhere", n.name, n.driver.Unstable())
		}
		if n.driver.Lone() > 0 {
			return fmt.Sprintf("%s has nothing but deletes at %d keys", n.name, n.driver.Lone())
		}
	}
	return ""
}

// readAll reads every key at a node.
func (w *world) readAll(n *node) {
	for _, table := range tables() {
		for _, key := range keys() {
			if w.err == nil {
				_, _, _ = n.read(table, key) // the node is ready; read checks everything else
			}
		}
	}
	w.run(100 * time.Millisecond)
}

// checkJudged checks that the merger of every conflict has seen to it, though nobody has read it. Nobody can while the handler's bytes are nowhere:
// the only node that had them died before they had spread, and the records that name them were faster. Installing the module again cures that.
func (w *world) checkJudged() {
	seen := map[string]engine.State{}
	for _, n := range w.staying() {
		for _, c := range n.conflicts() {
			if c.Open && (seen[c.ID] == "" || seen[c.ID] == engine.Pending) {
				seen[c.ID] = c.State
			}
		}
	}
	for _, n := range w.staying() {
		for _, c := range n.conflicts() {
			active := n.table(c.Table).Active
			switch {
			case !c.Open || active == nil || active.Disabled || seen[c.ID] != engine.Pending:
			case !n.hasModule(active.SHA256):
				w.counts[CountModuleLost]++
			default:
				w.fail("nobody has judged conflict %s of %s/%s, merger %s", c.ID, c.Table, c.Key, c.Merger)
			}
		}
	}
}

// hasModule reports whether all bytes of a module are here.
func (n *node) hasModule(sha256 string) bool {
	return slices.ContainsFunc(n.plugins(), func(p engine.PluginInfo) bool { return p.SHA256 == sha256 && p.Here })
}

func (n *node) conflicts() []engine.Conflict {
	if n.w.err != nil || !n.isUp() {
		return nil
	}
	var out []engine.Conflict
	_, err := n.driver.Call(func(ctx context.Context, e *engine.Engine) (err error) {
		out, err = e.Conflicts(ctx)
		return err
	}, nil)
	if err != nil {
		n.w.fail("conflicts of %s: %w", n.name, err)
	}
	return out
}

// checkEqual checks that all nodes describe the tables alike, and that readers see the same everywhere.
func (w *world) checkEqual() {
	var first string
	for _, n := range w.staying() {
		if w.err != nil {
			return
		}
		sight := n.sight()
		if first == "" {
			first = sight
		}
		if sight != first {
			w.fail("%s and %s see different things:\n%s\n%s", w.staying()[0].name, n.name, first, sight)
		}
	}
	w.trace.add([]byte(first))
}

// sight is all that readers can see at a node.
func (n *node) sight() string {
	var b strings.Builder
	for _, table := range tables() {
		info := n.table(table)
		active := "none"
		if info.Active != nil {
			active = fmt.Sprintf("%+v", *info.Active)
		}
		if info.Shadow != nil {
			active += fmt.Sprintf(" shadow %+v", *info.Shadow)
		}
		info.Active, info.Shadow = nil, nil
		if isLocal(table) {
			fmt.Fprintf(&b, "%+v epoch %d active %s\n", info.Options, info.Epoch, active)
			continue
		}
		fmt.Fprintf(&b, "%+v active %s\n", info, active)
		for _, key := range keys() {
			e, story, err := n.read(table, key)
			if story == nil {
				continue
			}
			fmt.Fprintf(&b, "%s: %v %.300q deleted %v %s %s siblings", key, err, e.Value, e.Deleted, e.State, e.Reason)
			for _, v := range e.Siblings {
				fmt.Fprintf(&b, " %s=%.12q at %v", v.Dot, v.Value, v.Stamp)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// checkAcknowledged checks that no acknowledged write is lost: one of which some holder has kept its memory is known everywhere now, unless its table
// was dropped.
func (w *world) checkAcknowledged() {
	for _, id := range w.storyIDs() {
		for _, e := range w.stories[id].Events {
			if !w.survives(e) {
				continue
			}
			for _, n := range w.staying() {
				if w.err == nil && !n.kept(w.stories[id], e) && (id.at == "" || id.at == n.memoryID()) {
					w.fail("%s lacks the acknowledged write %v of %v, which %v had", n.name, e.Dot, id, w.holders[e])
				}
			}
		}
	}
}

// kept reports whether the node knows a write, or, when the write does not count any more, one that was made having seen it: whoever had it has made
// it again, or something has replaced it. Of a delete that does not count it is enough that nothing stands that it had removed.
func (n *node) kept(s *story, e *ghost.Event) bool {
	switch {
	case n.has(s.ID, e):
		return true
	case !e.Lost:
		return false
	case e.Deleted:
		return !slices.ContainsFunc(s.Shown(n.known[s.ID]), func(f *ghost.Event) bool { return e.Past.Has(f.Index) })
	}
	return slices.ContainsFunc(s.Events, func(f *ghost.Event) bool { return f.Past.Has(e.Index) && n.kept(s, f) })
}

func (w *world) survives(e *ghost.Event) bool {
	return slices.ContainsFunc(w.holders[e], func(h holder) bool { return w.node(h.name).memory == h.memory })
}

func (w *world) storyIDs() []storyID {
	var out []storyID
	for id := range w.stories {
		out = append(out, id)
	}
	slices.SortFunc(out, func(a, b storyID) int {
		return strings.Compare(fmt.Sprint(a.table, a.epoch, a.key), fmt.Sprint(b.table, b.epoch, b.key))
	})
	return out
}
