package engine

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

const (
	// inspectPatience is how long members are waited for that do not say what they hold.
	inspectPatience = 2 * time.Second
	// inspectPause is the pause before they are asked again.
	inspectPause = 250 * time.Millisecond
)

// inspect asks all connected members what they hold of the keys.
func (c *Core) inspect(q *inquiry, keys []string) {
	q.keys, q.surveyed, q.deadline = keys, nil, c.now.Add(inspectPatience)
	q.p.mu.RLock()
	for _, key := range keys {
		_, q.have[key] = q.p.rep.Fingerprint(key)
	}
	q.p.mu.RUnlock()
	c.askOpinions(q)
	if c.isComplete(q) {
		c.conclude(q)
	}
}

// witnesses are the members that hold the partition too: none for a local table, or one that is gone.
func (c *Core) witnesses(q *inquiry) []*peer {
	if c.space.find(q.p.id) != q.p {
		return nil
	}
	return c.members.sorted
}

func (c *Core) askOpinions(q *inquiry) {
	q.asked = c.now
	for _, m := range c.witnesses(q) {
		c.askOpinion(q, m.actor)
	}
}

// askOpinion asks a member for what it has not said yet.
func (c *Core) askOpinion(q *inquiry, member clock.Actor) {
	f := inspectFrame{ID: q.p.id, Inquiry: q.id}
	for _, key := range q.keys {
		if _, known := q.opinions[member][key]; !known {
			f.Keys, f.Have = append(f.Keys, []byte(key)), append(f.Have, q.have[key])
		}
	}
	if len(f.Keys) > 0 {
		c.send(member, LaneFast, c.codec.frame(frameInspect, f))
	}
}

func (c *Core) isComplete(q *inquiry) bool {
	return !slices.ContainsFunc(c.witnesses(q), func(m *peer) bool { return len(q.opinions[m.actor]) < len(q.keys) })
}

// onInspect says what this node holds of some keys. It is silent about what is broken here.
func (c *Core) onInspect(from clock.Actor, f inspectFrame) error {
	p := c.space.find(f.ID)
	if p == nil {
		return nil
	}
	if len(f.Keys) > maxInspected || len(f.Keys) != len(f.Have) {
		return fmt.Errorf("%w: inspection of %d keys with %d fingerprints", errFrame, len(f.Keys), len(f.Have))
	}
	answer := inspectedFrame{ID: f.ID, Inquiry: f.Inquiry}
	var others, broken []string
	p.mu.RLock()
	for i, key := range f.Keys {
		switch stored, actual := p.rep.Fingerprint(string(key)); {
		case stored != actual:
			broken = append(broken, string(key))
		case actual == f.Have[i]:
			answer.Same = append(answer.Same, key)
		default:
			others = append(others, string(key))
		}
	}
	answer.Delta = p.rep.Pack(others, chunkBytes).AppendBinary(nil)
	p.mu.RUnlock()
	c.send(from, LaneBulk, c.codec.frame(frameInspected, answer))
	c.foundBroken(p, broken)
	return nil
}

// onInspected takes what a member says. What is broken here is mended by the first that has what was stored.
func (c *Core) onInspected(from clock.Actor, f inspectedFrame) error {
	q := c.audit.inquiries[c.space.find(f.ID)]
	if q == nil || q.id != f.Inquiry || q.surveyed != nil {
		return nil
	}
	delta, err := replica.ParseDelta(f.Delta)
	if err != nil {
		return err
	}
	before := len(q.opinions[from])
	for _, key := range f.Same {
		c.takeOpinion(q, from, string(key), opinion{same: true})
	}
	for _, o := range delta.Objects {
		c.takeOpinion(q, from, o.Key, opinion{versions: o.Object.Versions})
	}
	switch n := len(q.opinions[from]); {
	case c.isComplete(q):
		c.conclude(q)
	case before < n && n < len(q.keys):
		q.deadline = c.now.Add(inspectPatience)
		c.askOpinion(q, from) // one answer was not enough
	}
	return nil
}

func (c *Core) takeOpinion(q *inquiry, from clock.Actor, key string, o opinion) {
	if _, asked := q.have[key]; !asked {
		return
	}
	if q.opinions[from] == nil {
		q.opinions[from] = map[string]opinion{}
	}
	q.opinions[from][key] = o
	if !o.same && c.audit.broken[brokenID{q.p, key}] != nil {
		c.mend(q.p, from, key, o.versions, "as it was stored")
	}
}

// mend gives a broken key back what was stored, if that is what a member holds.
func (c *Core) mend(p *partition, from clock.Actor, key string, theirs []replica.Version, how string) bool {
	p.mu.Lock()
	mended := p.rep.Mend(key, theirs)
	p.mu.Unlock()
	if mended {
		c.mended(p, from, key, how)
	}
	return mended
}

// mended tells everyone concerned.
func (c *Core) mended(p *partition, from clock.Actor, key, how string) {
	delete(c.audit.broken, brokenID{p, key})
	e := c.auditEvent(EventMended, p, key, nil)
	e.Peer, e.Attrs = from.Short(), append(e.Attrs, slog.String("how", how))
	c.report(e)
	c.renewed(p, key)
}

// renewed makes readers see the data that a key has now, and what is derived from them.
func (c *Core) renewed(p *partition, key string) {
	if t, err := c.space.table(p.id.Table); err == nil && t.epoch == p.id.Epoch {
		t.views.drop(key)
	}
	c.changed(p, []string{key})
}

// conclude decides about the keys of an inquiry with what the members have said.
func (c *Core) conclude(q *inquiry) {
	delete(c.audit.inquiries, q.p)
	for _, key := range q.keys {
		q.p.mu.RLock()
		stored, actual := q.p.rep.Fingerprint(key)
		mine := slices.Clone(q.p.rep.Get(key))
		q.p.mu.RUnlock()
		switch {
		case stored != actual:
			c.giveUp(q, key)
			continue
		case actual == q.have[key]:
			c.vote(q, key, mine)
		}
		delete(c.audit.broken, brokenID{q.p, key})
	}
	c.inquireBroken(q.p)
}

// giveUp ends the inquiry about a key that is broken still. If a member holds just what is here, there is nothing better, and it stands. Otherwise
// nobody can help: that is said once, and the next pass asks again.
func (c *Core) giveUp(q *inquiry, key string) {
	for _, m := range c.witnesses(q) {
		if q.opinions[m.actor][key].same && c.acceptAsIs(q.p, m.actor, key) {
			return
		}
	}
	b := c.audit.broken[brokenID{q.p, key}]
	if b != nil && !b.given {
		b.given = true
		c.report(c.auditEvent(EventUnmended, q.p, key, errUnmended))
	}
}

func (c *Core) acceptAsIs(p *partition, from clock.Actor, key string) bool {
	p.mu.RLock()
	here := p.rep.Get(key)
	p.mu.RUnlock()
	return c.mend(p, from, key, here, "as a member holds it too")
}

// stand is one of the things that members hold under one dot, and who holds it.
type stand struct {
	version replica.Version
	holders []clock.Actor
}

// vote decides what the dots of the key's versions stand for. A dot names one value, whatever else members know: where they differ, the strict majority of
// the members that have the dot is right, and the others correct themselves. Without one, the smallest of them writes all values anew as siblings,
// so that nothing is lost and everyone comes to the same.
func (c *Core) vote(q *inquiry, key string, mine []replica.Version) {
	var right, rivals []replica.Version
	var from clock.Actor
	decider := true
	for _, v := range mine {
		stands := c.stands(q, key, v)
		best := slices.MaxFunc(stands, func(a, b stand) int { return len(a.holders) - len(b.holders) })
		holders := slices.Concat(holdersOf(stands)...)
		switch {
		case 2*len(best.holders) <= len(holders):
			decider = decider && slices.MinFunc(holders, clock.Actor.Compare) == c.cfg.Actor
			for _, s := range stands {
				rivals = append(rivals, s.version)
			}
		case best.holders[0] != c.cfg.Actor:
			right, from = append(right, best.version), best.holders[0]
		}
	}
	if len(right) > 0 {
		c.correct(q.p, from, key, right)
	}
	if len(rivals) > 0 && decider {
		c.keepAll(q.p, key, rivals)
	}
}

// stands lists what the members hold under the dot of a version of this node, which comes first.
func (c *Core) stands(q *inquiry, key string, mine replica.Version) []stand {
	out := []stand{{version: mine, holders: []clock.Actor{c.cfg.Actor}}}
	for _, m := range c.witnesses(q) {
		o, said := q.opinions[m.actor][key]
		at := slices.IndexFunc(o.versions, func(v replica.Version) bool { return v.Dot == mine.Dot })
		switch {
		case !said || at < 0 && !o.same:
			continue
		case o.same:
			out[0].holders = append(out[0].holders, m.actor)
		default:
			out = support(out, o.versions[at], m.actor)
		}
	}
	return out
}

// support adds a holder of a version.
func support(stands []stand, v replica.Version, by clock.Actor) []stand {
	i := slices.IndexFunc(stands, func(s stand) bool { return s.version.Stamp == v.Stamp && s.version.Equals(v) })
	if i < 0 {
		return append(stands, stand{version: v, holders: []clock.Actor{by}})
	}
	stands[i].holders = append(stands[i].holders, by)
	return stands
}

func holdersOf(stands []stand) [][]clock.Actor {
	var out [][]clock.Actor
	for _, s := range stands {
		out = append(out, s.holders)
	}
	return out
}

// correct takes over what the majority holds.
func (c *Core) correct(p *partition, from clock.Actor, key string, right []replica.Version) {
	p.mu.Lock()
	corrected := p.rep.Correct(key, right)
	p.mu.Unlock()
	if corrected {
		delete(c.audit.diverging, p)
		c.mended(p, from, key, "as the majority has it")
	}
}

// keepAll writes all values that the members hold of a key anew, as siblings, and tells the members.
func (c *Core) keepAll(p *partition, key string, rivals []replica.Version) {
	p.mu.Lock()
	if p.rep.Self() != c.cfg.Actor {
		p.mu.Unlock()
		return
	}
	values := distinct(append(rivals, p.rep.Get(key)...))
	p.rep.Reissue(key, values, c.stamp())
	p.mu.Unlock()
	delete(c.audit.diverging, p)
	c.space.touch(p)
	c.broadcast(c.codec.frame(frameDisputed, disputedFrame{ID: p.id, Key: []byte(key), Values: len(values)}))
	c.disputed(p, "", key, len(values))
	c.renewed(p, key)
}

// distinct returns versions with different values, in canonical order.
func distinct(vs []replica.Version) (out []replica.Version) {
	for _, v := range replica.Canonical(vs) {
		if !slices.ContainsFunc(out, v.Equals) {
			out = append(out, v)
		}
	}
	return out
}

func (c *Core) disputed(p *partition, peer, key string, values int) {
	e := c.auditEvent(EventDisputed, p, key, nil)
	e.Peer, e.Attrs = peer, append(e.Attrs, slog.Int("values", values))
	c.report(e)
}

// onDisputed reports a dispute that another member has ended.
func (c *Core) onDisputed(from clock.Actor, f disputedFrame) error {
	p := c.space.find(f.ID)
	if p == nil {
		return nil
	}
	if err := validKey(string(f.Key)); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	c.disputed(p, from.Short(), string(f.Key), f.Values)
	return nil
}
