package sim

import (
	"context"
	"fmt"
	"slices"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
	"github.com/kvnode/kvnode/engine/enginetest/handlers"
	"github.com/kvnode/kvnode/engine/replica"
)

// tables and keys are all that clients use. Of the keys the first three share a partition.
func tables() []string { return []string{"carts", "lists", local} }

func keys() []string { return []string{"poison", "k3", "k5", "other"} }

// observe holds every key that may have changed against the oracle.
func (n *node) observe() {
	for _, table := range tables() {
		for _, key := range keys() {
			at := place{table, key}
			m := n.driver.Mark(table, key)
			if m == n.marks[at] {
				continue
			}
			n.marks[at] = m
			if m.Epoch > 0 {
				n.check(at)
			}
		}
	}
}

// check learns which writes of a key the node knows by now, and checks that it shows what must be shown to whoever knows these.
func (n *node) check(at place) {
	held, err := n.driver.Held(at.table, at.key)
	if err != nil {
		n.w.fail("%s holds %v: %w", n.name, at, err)
		return
	}
	if held.Epoch < n.epochs[at.table] {
		n.w.fail("%s went back from epoch %d to %d of %s", n.name, n.epochs[at.table], held.Epoch, at.table)
	}
	n.epochs[at.table] = held.Epoch
	s := n.story(at.table, held.Epoch, at.key)
	n.learn(s, held)
	n.countRemoved(at, held)
	if err := s.Check(n.known[s.ID], n.withoutRevived(s, held.Versions)); err != nil {
		n.w.fail("%s shows %w", n.name, err)
	}
	if !n.mayLag() {
		n.checkBase(s, held.Versions)
	}
}

// checkBase checks that the base of siblings is what they come from, and the same whenever and wherever they are siblings. Where pasts
// were forgotten without waiting for a member, because it was forgotten too or not known yet, a node may not know it for a while: see checkBases.
func (n *node) checkBase(s *story, siblings []replica.Version) {
	if len(siblings) < 2 {
		return
	}
	base := replica.Base(siblings)
	if err := s.CheckBase(siblings, base); err != nil {
		n.w.fail("base at %s of %w", n.name, err)
	}
	of, is := fmt.Sprint(s.ID, ghost.Name(siblings)), clock.Dot{}
	switch {
	case isUnknown(base):
		n.w.counts[CountBaseUnknown]++
		return
	case base == nil && len(s.Bases(siblings)) == 1:
		n.w.counts[CountBaseForgotten]++
	case base != nil && base.Lacks:
		n.w.counts[CountBaseLacking]++
		is = base.Dot
	case base != nil:
		n.w.counts[CountBase]++
		is = base.Dot
	}
	was, known := n.w.bases[of]
	if known && was != is {
		n.w.fail("%s has for %s the base %v, elsewhere it was %v", n.name, of, is, was)
	}
	n.w.bases[of] = is
}

// isUnknown says whether the past of a sibling was forgotten here, which others may remember.
func isUnknown(base *replica.Ancestor) bool { return base != nil && base.Lacks && base.Dot.IsZero() }

// checkBases checks that all nodes know the base of siblings which a handler judges if any of them does.
func (w *world) checkBases() {
	for _, table := range slices.DeleteFunc(tables(), isLocal) {
		for _, key := range keys() {
			knows := map[bool]string{}
			for _, n := range w.staying() {
				if siblings := n.judged(table, key); len(siblings) > 1 {
					knows[!isUnknown(replica.Base(siblings))] = n.name
				}
			}
			if len(knows) > 1 {
				w.fail("%s knows the base of %s/%s, and %s does not", knows[true], table, key, knows[false])
			}
		}
	}
}

// judged returns the versions of a key where they differ and the table has a handler.
func (n *node) judged(table, key string) []replica.Version {
	if n.w.err != nil || n.table(table).Active == nil {
		return nil
	}
	held, err := n.driver.Held(table, key)
	if err != nil || !slices.ContainsFunc(held.Versions, func(v replica.Version) bool { return !v.Equals(held.Versions[0]) }) {
		return nil
	}
	return held.Versions
}

// learn adds the writes that the node knows of now. It never forgets one, and never knows one without its past.
func (n *node) learn(s *story, held engine.Held) {
	known := n.known[s.ID]
	for i, e := range s.Events {
		e.Lost, e.Over = e.Lost || held.Lost(e.Dot), e.Over || held.Over(e.Dot)
		switch has := held.Has(e.Dot); {
		case known.Has(i) && !has && e.Lost:
			known = known.Without(ghost.Set{}.With(i))
			n.purged = append(n.purged, purged{s, e})
		case known.Has(i) && !has:
			n.w.fail("%s forgot of %v write %v", n.name, s.ID, e.Dot)
		case has && !known.Has(i):
			known = known.With(i)
		}
	}
	known = n.purge(s, known, held)
	n.known[s.ID] = known
	for i, e := range s.Events {
		if known.Has(i) && !e.Over && !n.knows(s.ID, e.Past) {
			n.w.fail("%s knows of %v write %v, and not all that it replaced", n.name, s.ID, e.Dot)
		}
	}
}

// purge takes away what the node need not show though it knows of nothing that replaced it: what is over. Every member had something that replaced it
// when they agreed; whoever came later may never hear of that. A node that lags may besides have dropped what lost writes replaced, and what it has
// dropped itself; it must have learned what replaced these when it is repaired, see checkPurged.
func (n *node) purge(s *story, known ghost.Set, held engine.Held) ghost.Set {
	var past ghost.Set // what need not stand again
	if n.mayLag() {
		past = n.pastOfPurged(s)
	}
	for {
		at := slices.IndexFunc(s.Shown(known), func(e *ghost.Event) bool {
			isHere := slices.ContainsFunc(held.Versions, func(v replica.Version) bool { return v.Dot == e.Dot })
			return !isHere && (e.Over || past.Has(e.Index))
		})
		if at < 0 {
			return known
		}
		e := s.Shown(known)[at]
		known, past = known.Without(ghost.Set{}.With(e.Index)), past.And(e.Past)
		if n.mayLag() {
			n.purged = append(n.purged, purged{s, e})
		}
	}
}

// pastOfPurged is what writes have replaced that the node has dropped, that are over, or that are lost.
func (n *node) pastOfPurged(s *story) ghost.Set {
	var past ghost.Set
	for _, p := range n.purged {
		if p.story == s {
			past = past.And(p.event.Past)
		}
	}
	for _, e := range s.Events {
		if e.Over || e.Lost {
			past = past.And(e.Past)
		}
	}
	return past
}

// purged is a write that a node has dropped before it has learned what replaced it.
type purged struct {
	story *story
	event *ghost.Event
}

// mayLag reports whether the node may be behind what others agreed while it was away: until it is repaired. One that was away with its memory and
// finds nobody serves what it has.
func (n *node) mayLag() bool { return !n.isReady || n.isAlone }

// withoutRevived leaves out what others, for whom its incarnation is over, have replaced by writes that do not name it: a node that lags shows it
// beside them, until it learns that it is over.
func (n *node) withoutRevived(s *story, versions []replica.Version) []replica.Version {
	if !n.mayLag() {
		return versions
	}
	shown := s.Shown(n.known[s.ID])
	isRevived := func(v replica.Version) bool {
		is := func(e *ghost.Event) bool { return e.Dot == v.Dot }
		return !slices.ContainsFunc(shown, is) && slices.ContainsFunc(s.Events, func(e *ghost.Event) bool { return is(e) && e.Over })
	}
	return slices.DeleteFunc(slices.Clone(versions), isRevived)
}

// checkPurged checks that a node which is repaired now knows what replaced the writes that it has dropped.
func (n *node) checkPurged() {
	for _, p := range n.purged {
		n.w.counts[CountPurged]++
		epoch, _ := n.driver.TableEpoch(p.story.ID.table)
		if !n.isReplaced(p) && n.w.isReplaced(p) && epoch == p.story.ID.epoch {
			n.w.fail("%s is ready, has dropped of %v write %v, and does not know what replaced it", n.name, p.story.ID, p.event.Dot)
		}
	}
	n.purged = nil
}

// isReplaced reports whether the node knows what replaced a write.
func (n *node) isReplaced(p purged) bool {
	return slices.ContainsFunc(p.story.Events, func(f *ghost.Event) bool {
		return f.Past.Has(p.event.Index) && n.known[p.story.ID].Has(f.Index)
	})
}

// isReplaced reports whether any node knows what replaced a write; when all who knew have crashed nobody can learn it any more.
func (w *world) isReplaced(p purged) bool {
	return slices.ContainsFunc(w.up(), func(n *node) bool { return n.isReplaced(p) })
}

// knows reports whether the node knows these writes, but for those that nobody has to know any more.
func (n *node) knows(id storyID, events ghost.Set) bool {
	return n.known[id].And(n.w.stories.Story(id).Settled()).Covers(events)
}

// again tells the oracle what the node has made again: new writes of what it shows, and of what it had seen replaced.
func (n *node) again(made []engine.MadeAgain) {
	for _, m := range made {
		held, err := n.driver.Held(m.Table, m.Key)
		if m.Table == "" || err != nil || held.Epoch != m.Epoch {
			continue
		}
		n.w.counts[CountMadeAgain] += len(m.Dots)
		s := n.story(m.Table, m.Epoch, m.Key)
		past := n.replaced(s, held)
		for _, dot := range m.Dots {
			e := ghost.Event{Dot: dot, Past: past, Had: n.known[s.ID], Deleted: true}
			if at := slices.IndexFunc(held.Versions, func(v replica.Version) bool { return v.Dot == dot }); at >= 0 {
				e.Deleted, e.Value = held.Versions[at].Deleted, string(held.Versions[at].Value)
				e.Visible = e.Deleted
			}
			s.Add(e)
		}
	}
}

// replaced returns the writes that the node knows and that do not stand there, or do not count any more.
func (n *node) replaced(s *story, held engine.Held) ghost.Set {
	known := n.known[s.ID]
	out := known
	for _, e := range s.Shown(known) {
		if e.Lost = e.Lost || held.Lost(e.Dot); !e.Lost {
			out = out.Without(ghost.Set{}.With(e.Index))
		}
	}
	for _, p := range n.purged {
		if p.story == s {
			out = out.With(p.event.Index).And(p.event.Past)
		}
	}
	return out
}

// acknowledged checks that those who are said to have a write do have it, and remembers who they are.
func (n *node) acknowledged(w *asked, nodes int) {
	for _, p := range w.parts {
		if p.made != nil {
			n.w.holders[p.made] = n.holdersOf(w, p, nodes)
		}
	}
}

func (n *node) holdersOf(w *asked, p *part, nodes int) []holder {
	holders := []holder{{n.name, n.memory}}
	if isLocal(w.table) {
		return holders
	}
	gone := 0
	for _, m := range n.members() {
		if m.Self || !m.Connected {
			continue
		}
		peer := n.w.node(m.Name)
		switch {
		case !peer.isUp() || peer.actor != m.Incarnation:
			gone++
		case peer.has(p.story.ID, p.made):
			holders = append(holders, holder{peer.name, peer.memory})
		case w.level == engine.AckAll && slices.Contains(w.awaited, peer.actor):
			n.w.fail("%s acknowledged %v of %v at level all, but %s lacks it", n.name, p.made.Dot, p.story.ID, peer.name)
		}
	}
	if have := len(holders) + gone; have < nodes || have < n.needed(w.level) {
		n.w.fail("%s acknowledged %v of %v at level %s by %d nodes; it is at %v", n.name, p.made.Dot, p.story.ID, w.level, nodes, holders)
	}
	return holders
}

// needed is how many nodes must have a write when it is acknowledged, as far as that can be told from outside.
func (n *node) needed(level engine.AckLevel) int {
	isCalm := n.w.weather.isStill() && n.w.now.Sub(n.w.booted) > settled
	switch {
	case level == engine.AckOne:
		return 2
	case level == engine.AckQuorum && isCalm:
		return len(n.members())/2 + 1
	}
	return 1
}

// has reports whether the node knows the write, or that its table has been dropped.
func (n *node) has(id storyID, e *ghost.Event) bool {
	epoch, live := n.driver.TableEpoch(id.table)
	if epoch > id.epoch {
		return true
	}
	if epoch < id.epoch || !live {
		return false
	}
	held, err := n.driver.Held(id.table, id.key)
	return err == nil && held.Has(e.Dot)
}

// checkMirrored checks that a node whose process ends leaves all that it knows with somebody.
func (n *node) checkMirrored() {
	if n.table(local).Keys > 0 {
		n.w.fail("%s ends its process with a local table, which nobody else has", n.name)
	}
	for _, peer := range n.w.up() {
		if peer != n && n.isMirroredBy(peer) {
			return
		}
	}
	if n.w.weather.crashes == 0 { // who confirmed may have crashed since
		n.w.fail("%s ends its process, and no other node has all that it has", n.name)
	}
}

func (n *node) isMirroredBy(peer *node) bool {
	for id, known := range n.known {
		epoch, _ := peer.driver.TableEpoch(id.table)
		if !isLocal(id.table) && epoch <= id.epoch && id.epoch == n.epochs[id.table] && !peer.knows(id, known) {
			return false
		}
	}
	return true
}

// recorder is handlers.Resolver that remembers what ran at a node.
type recorder struct {
	handlers.Resolver
	n *node
}

var _ engine.Resolver = recorder{}

// Load implements engine.Resolver.
func (r recorder) Load(ctx context.Context, module []byte, l engine.Limits) (engine.Judge, error) {
	judge, err := r.Resolver.Load(ctx, module, l)
	return recordedJudge{judge: judge, n: r.n}, err
}

type recordedJudge struct {
	judge engine.Judge
	n     *node
}

// Judge implements engine.Judge.
func (j recordedJudge) Judge(ctx context.Context, key string, versions []replica.Version, base *replica.Version) (engine.Verdict, error) {
	j.n.ran = append(j.n.ran, key)
	v, err := j.judge.Judge(ctx, key, versions, base)
	if j.n.w.wrong.biased {
		v.Value = append(v.Value, j.n.name...)
	}
	j.n.w.trace.add([]byte(j.n.name + " ran on " + key + ": " + string(v.Kind) + v.Reason))
	j.n.w.trace.add(v.Value)
	return v, err //nolint:wrapcheck // the recorder adds nothing
}

// Close implements engine.Judge.
func (j recordedJudge) Close() error { return j.judge.Close() } //nolint:wrapcheck // the recorder adds nothing
