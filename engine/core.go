package engine

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kvnode/kvnode/clock"
)

// Core takes all of a node's decisions in one single-threaded step: events in, effects out. It starts no goroutine and reads no clock, except for the dates that it writes down; the same
// events on the same state give the same effects. Step must not be called concurrently; the space that it shares with readers and writers has
// its own locks.
type Core struct {
	cfg     Config
	codec   codec
	space   *space
	journal *journal
	judges  *judges

	// published is what readers and writers may know of the cluster without asking the step.
	published atomic.Pointer[clusterView]

	now     time.Time
	started time.Time
	lastTick,
	nextHello,
	nextSweep,
	nextTidy,
	nextClosing time.Time
	out []Effect
	// unfinished says that the last step has left work to do: another should follow, with whatever has come by then or nothing.
	unfinished bool

	members  membership
	beats    beats
	outgoing outgoing
	// receivers take the frames, by kind.
	receivers []receiver
	waiters   map[*partition][]*waiter
	repair    repairs
	audit     audit
	boot      boot
	cases     cases
	leaving   *leaving
	// frozen says that this node goes down and takes nothing any more. It is set by the step and read under the lock of a write's partitions.
	frozen  atomic.Bool
	closing closing
	// again is what the last step made again, and reaped the deletes that it ended.
	again  []MadeAgain
	reaped []Reaped
	// stopped says that this incarnation is over: another live node has its name, or the others have closed it.
	stopped bool

	factsVersion   uint64
	judgingVersion uint64
	modulesVersion uint64
	routes         []string
	handlers       map[string]handlerRecord
	// untidied are partitions of local tables that may have pasts to forget.
	untidied []*partition
}

// NewCore builds the state machine of one incarnation. The resolver runs handlers for readers too.
func NewCore(cfg Config, resolver Resolver) *Core {
	c := &Core{
		cfg:      cfg,
		codec:    newCodec(),
		journal:  newJournal(),
		members:  newMembership(),
		outgoing: newOutgoing(),
		waiters:  map[*partition][]*waiter{},
		repair:   newRepairs(),
		audit:    newAudit(),
		boot:     newBoot(),
		cases:    newCases(),
		closing:  newClosing(),
		handlers: map[string]handlerRecord{},
	}
	if cfg.Legacy != nil {
		c.space, c.journal = cfg.Legacy.space, cfg.Legacy.journal
		c.space.adopt(cfg.Actor)
		c.boot.kept = true
		c.members.former = append(slices.Clone(cfg.Legacy.former), cfg.Legacy.actor)
		c.cases.seen = maps.Clone(cfg.Legacy.seen)
		c.closing.gone, c.closing.fenced, c.closing.retired = cfg.Legacy.gone, cfg.Legacy.fenced, cfg.Legacy.retired
	} else {
		c.space = newSpace(cfg.Actor)
	}
	c.receivers = c.newReceivers()
	c.judges = newJudges(c.space, resolver, cfg.Now, c.report)
	c.publish()
	return c
}

// Legacy is what one incarnation hands to the next in the same process: its replicas, the journal, and what it knows of restarts.
type Legacy struct {
	space   *space
	journal *journal
	actor   clock.Actor
	former  []clock.Actor
	seen    map[string]time.Time
	gone    map[clock.Actor]time.Time
	fenced  map[clock.Actor]struct{}
	retired map[clock.Actor]struct{}
}

// Routes lists where the other members take routes, sorted. A nil Legacy knows of none.
func (l *Legacy) Routes() []string {
	if l == nil {
		return nil
	}
	l.space.mu.RLock()
	defer l.space.mu.RUnlock()
	var out []string
	for _, m := range l.space.facts.members {
		if m.Actor != l.actor && m.Route != "" {
			out = append(out, m.Route)
		}
	}
	slices.Sort(out)
	return out
}

// handOver returns the state for the next incarnation. The core must not be stepped any more.
func (c *Core) handOver() *Legacy {
	return &Legacy{
		space: c.space, journal: c.journal, actor: c.cfg.Actor, former: c.members.former, seen: c.cases.seen,
		gone: c.closing.gone, fenced: c.closing.fenced, retired: c.closing.retired,
	}
}

// Step takes events in order, at one moment of time, and returns what is to be done, in order.
func (c *Core) Step(now time.Time, events ...Input) []Effect {
	c.now, c.again, c.reaped = now, nil, nil
	if c.started.IsZero() {
		c.start()
	}
	for _, e := range events {
		e.apply(c)
	}
	c.settleFacts()
	c.flush()
	c.sendAcks()
	c.unfinished = c.serveDue()
	c.unfinished = c.takeArrived() || c.unfinished // what it learns is acted upon in the next step
	c.countWindows()
	out := c.out
	c.out = nil
	return out
}

func (c *Core) start() {
	c.started, c.lastTick, c.nextHello = c.now, c.now, c.now
	c.nextSweep, c.nextTidy = c.now.Add(sweepInterval), c.now.Add(tidyInterval)
	c.members.changed = c.now
	c.boot.unreadySince, c.boot.lonelySince = c.now, c.now
	c.advance()
}

// tick lets time pass: heartbeats, suspicion, deadlines, repair rounds, collection.
func (c *Core) tick() {
	if c.stopped {
		c.checkAllWaiters()
		return
	}
	c.forgive()
	c.expirePeers()
	c.expireSent()
	c.expireTransfers()
	c.advance()
	c.checkAllWaiters()
	c.syncPeers()
	c.scrub()
	c.pursueInquiries()
	c.settleConflicts()
	c.checkLeaving()
	if !c.now.Before(c.nextHello) {
		c.sayHello()
	}
	if !c.now.Before(c.nextSweep) {
		c.nextSweep = c.now.Add(sweepInterval)
		c.sweepQuarantines()
		c.forgetAbsent()
	}
	if c.closing.postponed && c.boot.ready && c.anyReady() {
		c.noteSeals()
	}
	if !c.now.Before(c.nextClosing) {
		c.nextClosing = c.now.Add(c.cfg.CloseAfter / closingRounds)
		c.closeDead()
	}
	c.collect()
	if !c.now.Before(c.nextTidy) {
		c.nextTidy = c.now.Add(tidyInterval)
		c.tidyWatches()
		c.planTidying()
		c.tidyShadows()
	}
	c.tidyLocals()
	c.lastTick = c.now
}

// sweepInterval is the pause between looks for quarantines that are lifted.
const sweepInterval = 10 * time.Second

// tidyInterval is the pause between looks for the room of changes that all watchers have seen, and of what versions of local tables have overwritten.
const tidyInterval = 5 * time.Second

// tidyWatches gives it back.
func (c *Core) tidyWatches() {
	for _, t := range c.space.sortedTables() {
		t.hub.tidy()
	}
}

// settleFacts acts on changes of the catalogue.
func (c *Core) settleFacts() {
	c.space.mu.RLock()
	version, judging, modules := c.space.facts.version, c.space.facts.judging, c.space.facts.modules
	c.space.mu.RUnlock()
	if version == c.factsVersion {
		return
	}
	c.factsVersion = version
	c.noteQuarantines()
	c.noteForgotten()
	c.noteSeals()
	c.updateRoutes()
	c.announceHandlers()
	if judging != c.judgingVersion {
		c.cases.rescan = true
	}
	if judging != c.judgingVersion || modules != c.modulesVersion {
		c.judgingVersion, c.modulesVersion = judging, modules
		c.do(PrepareHandlers{})
	}
	c.publish()
}

// updateRoutes tells the network the addresses of all known members, so that islands of a long split find each other again.
func (c *Core) updateRoutes() {
	c.space.mu.RLock()
	var routes []string
	for name, m := range c.space.facts.members {
		if name != c.cfg.Name && m.Route != "" {
			routes = append(routes, m.Route)
		}
	}
	c.space.mu.RUnlock()
	slices.Sort(routes)
	if !slices.Equal(routes, c.routes) {
		c.routes = routes
		c.do(SetRoutes{Addrs: slices.Clone(routes)})
	}
}

// announceHandlers tells the watchers of a table whose handler changed that what they see of its conflicts may have changed too.
func (c *Core) announceHandlers() {
	for _, t := range c.space.sortedTables() {
		rec, _ := c.space.handler(t)
		if c.handlers[t.name] == rec {
			continue
		}
		c.handlers[t.name] = rec
		t.hub.notify(t.conflicts()...)
	}
}

// collect drops the log entries of mutations that all known members have, and ends deletes.
func (c *Core) collect() {
	known, connected := c.knownActors(), c.reapers()
	for _, p := range c.everyPartition() {
		p.mu.Lock()
		if p.rep.NumUnstable() > 0 {
			p.rep.Collect(known)
		}
		if p.rep.NumPasts() > 0 {
			p.rep.CollectPasts(known)
		}
		reaped := c.reapLocked(p, known, connected)
		p.mu.Unlock()
		if reaped {
			c.space.touch(p)
		}
	}
	c.reapLocals()
}

// everyPartition lists the replicated partitions, catalogue first, then by table and index.
func (c *Core) everyPartition() []*partition {
	out := []*partition{c.space.catalogue}
	for _, t := range c.space.sortedTables() {
		if !t.options.Local {
			out = append(out, t.parts[:]...)
		}
	}
	return out
}

// knownActors are the current incarnations of the known members besides this one: stability waits for all of them.
func (c *Core) knownActors() []clock.Actor {
	c.space.mu.RLock()
	defer c.space.mu.RUnlock()
	var out []clock.Actor
	for name, m := range c.space.facts.members {
		if name != c.cfg.Name {
			out = append(out, m.Actor)
		}
	}
	return append(out, c.unlistedActorsLocked()...)
}

// unlistedActorsLocked are connected members that the catalogue does not name yet, or names by an earlier incarnation.
func (c *Core) unlistedActorsLocked() []clock.Actor {
	var out []clock.Actor
	for _, p := range c.members.sorted {
		if c.space.facts.members[p.hello.Name].Actor != p.actor {
			out = append(out, p.actor)
		}
	}
	return out
}

func (c *Core) do(e Effect) { c.out = append(c.out, e) }

// broadcast sends a frame to all members; only a hello goes out when there are none.
func (c *Core) broadcast(frame []byte) {
	if len(c.members.sorted) > 0 || frameKind(frame[1]) == frameHello {
		c.do(Transmit{Lane: LaneFast, Payload: frame})
	}
}

func (c *Core) send(to clock.Actor, lane int, frame []byte) {
	c.do(Transmit{To: to.String(), Lane: lane, Payload: frame})
}

func (c *Core) report(events ...Event) {
	for _, e := range events {
		c.cfg.Events(e)
	}
}

// stamp is the date that records and writes carry. It is never used to measure time: that is what now is for.
func (c *Core) stamp() clock.Timestamp { return clock.TimestampOf(c.cfg.Now()) }

// clusterView is an immutable picture of the cluster, sorted by name.
type clusterView struct {
	ready bool
	peers []peerView
	known []memberRecord
}

type peerView struct {
	name     string
	actor    clock.Actor
	ready    bool
	leaving  bool
	http     string
	route    string
	restarts int
	since    time.Time
}

// publish renews the picture for readers and writers.
func (c *Core) publish() {
	v := &clusterView{ready: c.boot.ready}
	for _, p := range c.members.sorted {
		v.peers = append(v.peers, peerView{
			name: p.hello.Name, actor: p.actor, ready: p.hello.Ready, leaving: p.hello.Leaving, http: p.hello.HTTP, route: p.hello.Route,
			restarts: p.hello.Restarts, since: p.since,
		})
	}
	c.space.mu.RLock()
	v.known = slices.SortedFunc(maps.Values(c.space.facts.members), func(a, b memberRecord) int { return strings.Compare(a.Name, b.Name) })
	c.space.mu.RUnlock()
	c.published.Store(v)
}
