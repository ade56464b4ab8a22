package engine

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// stalemate is how long all connected members must have been unready before the smallest actor goes first.
const stalemate = time.Second

// boot is how far this incarnation is on its way to ready: catalogue first, then every partition of every table from one ready peer.
type boot struct {
	ready bool
	// readySince is since when.
	readySince time.Time
	// kept says that an earlier incarnation handed its replicas over: a delta is enough.
	kept  bool
	donor clock.Actor
	// pulled says from whom a partition was completed.
	pulled       map[*partition]clock.Actor
	unreadySince time.Time
	// lonelySince is since when this node sees nobody.
	lonelySince time.Time
}

func newBoot() boot { return boot{pulled: map[*partition]clock.Actor{}} }

// advance takes the next step towards ready.
func (c *Core) advance() {
	if c.boot.ready {
		return
	}
	if len(c.members.sorted) == 0 {
		c.boot.unreadySince = c.now
		if !c.expectsPeers() || c.now.Sub(c.boot.lonelySince) >= c.cfg.ReadyWait {
			c.becomeReady("alone")
		}
		return
	}
	c.boot.lonelySince = c.now
	donor := c.chooseDonor()
	if donor == nil {
		if c.anyReady() {
			c.boot.unreadySince = c.now // it is going down for a restart, and will be back
		}
		if c.smallestActor() && c.now.Sub(c.boot.unreadySince) >= stalemate {
			c.becomeReady("first of a cluster that starts")
		}
		return
	}
	c.boot.unreadySince = c.now
	c.boot.donor = donor.actor
	if c.pulledAll() {
		c.retirePostponed()
		c.becomeReady("repaired from " + donor.hello.Name)
	}
}

// anyReady says whether a connected member is ready, even if it is about to leave.
func (c *Core) anyReady() bool {
	return slices.ContainsFunc(c.members.sorted, func(p *peer) bool { return p.hello.Ready })
}

// expectsPeers says whether there are other members to wait for.
func (c *Core) expectsPeers() bool {
	c.space.mu.RLock()
	defer c.space.mu.RUnlock()
	others := len(c.space.facts.members)
	if _, listed := c.space.facts.members[c.cfg.Name]; listed {
		others--
	}
	return c.cfg.ExpectPeers || others > 0
}

// chooseDonor keeps the ready peer that this node began with, or picks the first by name.
func (c *Core) chooseDonor() *peer {
	if p, ok := c.members.peers[c.boot.donor]; ok && p.hello.Ready && !p.hello.Leaving {
		return p
	}
	for _, p := range c.members.sorted {
		if p.hello.Ready && !p.hello.Leaving {
			return p
		}
	}
	return nil
}

// pulledAll starts the transfers that are missing and says whether there is none left.
func (c *Core) pulledAll() bool {
	if !c.pulledFrom(c.space.catalogue) {
		return false
	}
	all := true
	for _, p := range c.everyPartition() {
		all = c.pulledFrom(p) && all
	}
	return all
}

// takeAllAnew makes a node that has kept its memory pull everything in full: what it has is not enough to tell what it lacks.
func (c *Core) takeAllAnew() {
	if !c.boot.kept {
		return
	}
	c.boot.kept = false
	c.boot.pulled = map[*partition]clock.Actor{}
	c.forgetTransfers(func(*transfer) bool { return true })
}

func (c *Core) pulledFrom(p *partition) bool {
	if c.boot.pulled[p] == c.boot.donor {
		return true
	}
	c.take(c.boot.donor, p, !c.boot.kept)
	return false
}

func (c *Core) becomeReady(how string) {
	c.boot.ready, c.boot.readySince = true, c.now
	c.boot.pulled = map[*partition]clock.Actor{}
	c.enlist()
	c.shareSecret()
	c.report(Event{Kind: EventReady, Attrs: []slog.Attr{slog.String("how", how)}})
	c.nextHello = c.now
	c.cases.rescan = true
	c.viewChanged()
}

// shareSecret gives the cluster its secret, if nobody has before.
func (c *Core) shareSecret() {
	_, events, err := c.decideCatalogue(keySecret, c.stamp(), func(held []replica.Version) ([]byte, error) {
		if len(held) > 0 {
			return nil, errAsItIs
		}
		return c.cfg.Secret, nil
	})
	if err != nil && !errors.Is(err, errAsItIs) {
		c.report(Event{Kind: EventError, Err: err})
	}
	c.report(events...)
}

// enlist writes this node's current incarnation into the catalogue.
func (c *Core) enlist() {
	m := memberRecord{Name: c.cfg.Name, Actor: c.cfg.Actor, HTTP: c.cfg.HTTP, Route: c.cfg.Route}
	_, events, err := c.putCatalogue(keyMember+m.Name, c.codec.record(m), c.stamp())
	c.reportWritten(events, err)
}
