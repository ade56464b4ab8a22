package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// Forget removes a member that is gone for good: nothing waits for it any more, neither quorums nor the collection of what all members have. If it
// comes back after all, it takes what it lacks and is a member again. ErrNoMember, ErrMemberConnected.
func (e *Engine) Forget(ctx context.Context, name string) error {
	if err := e.AwaitReady(ctx); err != nil {
		return err
	}
	v := e.core.published.Load()
	connected := name == e.core.cfg.Name || slices.ContainsFunc(v.peers, func(p peerView) bool { return p.name == name })
	switch {
	case connected:
		return fmt.Errorf("%w (%s)", ErrMemberConnected, name)
	case !slices.ContainsFunc(v.known, func(m memberRecord) bool { return m.Name == name }):
		return fmt.Errorf("%w (asked for %.40q)", ErrNoMember, name)
	}
	dot, events, err := e.core.deleteCatalogue(keyMember+name, e.core.stamp())
	if err != nil {
		return fmt.Errorf("catalogue: %w", err)
	}
	e.core.report(append(events, Event{Kind: EventForgotten, Peer: name})...)
	return e.awaitRecord(ctx, waitDot{p: e.core.space.catalogue, dot: dot})
}

// forgetAbsent forgets the members that have been away for too long. The smallest actor does it.
func (c *Core) forgetAbsent() {
	c.noteAbsent()
	if !c.boot.ready || !c.smallestActor() {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.members.absent)) {
		if c.now.Sub(c.members.absent[name]) < c.cfg.ForgetAfter {
			continue
		}
		_, events, err := c.deleteCatalogue(keyMember+name, c.stamp())
		c.report(events...)
		c.report(Event{Kind: EventForgotten, Peer: name, Err: err})
	}
}

// noteAbsent keeps since when each known member is away.
func (c *Core) noteAbsent() {
	v := c.published.Load()
	away := map[string]struct{}{}
	for _, m := range v.known {
		if m.Name != c.cfg.Name && !slices.ContainsFunc(v.peers, func(p peerView) bool { return p.name == m.Name }) {
			away[m.Name] = struct{}{}
		}
	}
	for name := range c.members.absent {
		if _, still := away[name]; !still {
			delete(c.members.absent, name)
		}
	}
	for name := range away {
		if _, noted := c.members.absent[name]; !noted {
			c.members.absent[name] = c.now
		}
	}
}

// noteForgotten drops what is known of members that the catalogue does not name any more. When this node itself was forgotten while it was away, or
// an earlier incarnation's record has won, it lists itself again. Nothing is lost by that: what others have collected meanwhile has no entry in their logs, so the repair between them is FULL.
func (c *Core) noteForgotten() {
	c.space.mu.RLock()
	current := map[clock.Actor]struct{}{}
	for _, m := range c.space.facts.members {
		current[m.Actor] = struct{}{}
	}
	listed := c.space.facts.members[c.cfg.Name]
	c.space.mu.RUnlock()
	for _, m := range c.published.Load().known {
		if _, still := current[m.Actor]; still || m.Actor == c.cfg.Actor || c.members.peers[m.Actor] != nil {
			continue
		}
		for _, p := range c.everyPartition() {
			p.mu.Lock()
			p.rep.ForgetMember(m.Actor)
			p.mu.Unlock()
		}
	}
	if c.boot.ready && listed.Actor != c.cfg.Actor {
		c.report(Event{Kind: EventForgotten, Peer: c.cfg.Name})
		c.enlist()
	}
}
