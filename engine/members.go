package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/kvnode/kvnode/clock"
)

// membership is who is connected: heard of within SuspectAfter.
type membership struct {
	peers  map[clock.Actor]*peer
	sorted []*peer // by name, then actor
	// replaced maps an incarnation to the newer one of the same name; it is ignored while that one lives.
	replaced map[clock.Actor]clock.Actor
	// foreign are nodes whose hello was refused, and reported.
	foreign map[clock.Actor]struct{}
	// former are this node's own earlier incarnations.
	former []clock.Actor
	// absent is since when a known member has not been connected, by name.
	absent map[string]time.Time
	// changed is when the set of ready, connected members last changed; generation counts the changes.
	changed    time.Time
	generation uint64
}

// peer is one connected member.
type peer struct {
	actor    clock.Actor
	hello    helloFrame
	heard    time.Time
	since    time.Time // when it started, by this node's clock
	sequence uint64    // last mutation frame that arrived
	nextSync time.Time
	// covered is the digest of seals of the member that this node knows too, and asked when it last asked for others.
	covered uint64
	asked   time.Time
	window  window
}

func newMembership() membership {
	return membership{peers: map[clock.Actor]*peer{}, replaced: map[clock.Actor]clock.Actor{}, absent: map[string]time.Time{}, foreign: map[clock.Actor]struct{}{}}
}

// receive takes one payload apart and hands it to its kind.
func (c *Core) receive(e Arrived) {
	if c.stopped {
		return
	}
	kind, body, err := c.codec.open(e.Payload)
	if err != nil {
		c.report(Event{Kind: EventError, Peer: e.From, Err: err})
		return
	}
	from, err := clock.ParseActor(e.From)
	if err != nil || from == c.cfg.Actor || slices.Contains(c.members.former, from) {
		return
	}
	if c.isFenced(from) {
		if kind == frameHello {
			c.send(from, LaneFast, c.codec.frame(frameBye, byeFrame{Closed: from}))
		}
		return
	}
	p, known := c.members.peers[from]
	switch {
	case known:
		p.heard = c.now
	case kind != frameHello && kind != frameBye && kind != frameBeat:
		return // who has not said who it is may belong to another cluster; what is missed is repaired
	}
	if err := c.dispatch(kind, from, body); err != nil {
		c.report(Event{Kind: EventError, Peer: e.From, Err: err})
	}
}

// receiver takes the body of one kind of frame.
type receiver func(from clock.Actor, body []byte) error

// newReceivers returns what takes each kind of frame.
func (c *Core) newReceivers() []receiver {
	return []receiver{
		frameHello:        on(c, c.onHello),
		frameBye:          on(c, c.onBye),
		frameMutations:    on(c, c.onMutations),
		frameAck:          on(c, c.onAck),
		frameProbe:        on(c, c.onProbe),
		frameClocks:       on(c, c.onClocks),
		framePull:         on(c, c.onPull),
		frameChunk:        on(c, c.onChunk),
		frameVerdict:      on(c, c.onVerdict),
		frameAskObjects:   on(c, c.onAskObjects),
		frameObjects:      on(c, c.onObjects),
		frameEnded:        on(c, c.onEnded),
		frameBeat:         on(c, c.onBeat),
		frameAskSeals:     on(c, c.onAskSeals),
		frameSeals:        on(c, c.onSeals),
		frameClosing:      on(c, c.onClosing),
		frameClosingReply: on(c, c.onClosingReply),
		frameSurvey:       on(c, c.onSurvey),
		frameSurveyed:     on(c, c.onSurveyed),
		frameInspect:      on(c, c.onInspect),
		frameInspected:    on(c, c.onInspected),
		frameDisputed:     on(c, c.onDisputed),
		frameShadow:       on(c, c.onShadow),
	}
}

func on[T any](c *Core, do func(clock.Actor, T) error) receiver {
	return func(from clock.Actor, body []byte) error {
		f, err := decode[T](c.codec, body)
		if err != nil {
			return err
		}
		return do(from, f)
	}
}

func (c *Core) dispatch(kind frameKind, from clock.Actor, body []byte) error {
	if int(kind) >= len(c.receivers) || c.receivers[kind] == nil {
		return fmt.Errorf("%w: kind %d", errFrame, kind)
	}
	return c.receivers[kind](from, body)
}

var errForeign = errors.New("a node that does not fit this cluster was ignored")

// onHello learns of a member, or that it lives on.
func (c *Core) onHello(from clock.Actor, h helloFrame) error {
	switch {
	case h.Actor != from:
		return fmt.Errorf("%w: hello of %s from %s", errFrame, h.Actor, from)
	case h.Cluster != c.cfg.Cluster:
		return c.refuse(from, fmt.Errorf("%w: its cluster is %q, this one is %q", errForeign, h.Cluster, c.cfg.Cluster))
	case h.Partitions != Partitions:
		return c.refuse(from, fmt.Errorf("%w: it has %d partitions, this cluster has %d", errForeign, h.Partitions, Partitions))
	case h.Name == c.cfg.Name:
		c.sameName(h)
		return nil
	}
	if _, gone := c.members.replaced[from]; gone {
		return nil
	}
	p, known := c.members.peers[from]
	if !known {
		p = c.addPeer(h)
	}
	changed := p.hello.Ready != h.Ready || p.hello.Leaving != h.Leaving
	p.hello = h
	p.since = c.now.Add(-time.Duration(h.Uptime) * time.Millisecond)
	c.noteSequence(p, h.Sequence)
	if changed {
		c.viewChanged()
	}
	c.compareDigests(p)
	return nil
}

// uptimeSlack is how close two uptimes must be to count as equal: more than a hello may be on its way.
const uptimeSlack = 5 * time.Second

// maxForeign bounds the refused nodes that are remembered.
const maxForeign = 1024

// refuse remembers a node that does not belong here. It is reported once.
func (c *Core) refuse(from clock.Actor, why error) error {
	if _, known := c.members.foreign[from]; known || len(c.members.foreign) >= maxForeign {
		return nil
	}
	c.members.foreign[from] = struct{}{}
	return why
}

// sameName settles that two live nodes have one name: the one that serves stays; of two alike the one that is clearly longer up; of two as old as
// each other the smaller actor. The rule is symmetric, so that they never refuse each other.
func (c *Core) sameName(h helloFrame) {
	ahead := c.now.Sub(c.started) - time.Duration(h.Uptime)*time.Millisecond
	var stay bool
	switch {
	case c.boot.ready != h.Ready:
		stay = c.boot.ready
	case ahead.Abs() > uptimeSlack:
		stay = ahead > 0
	default:
		stay = c.cfg.Actor.Compare(h.Actor) < 0
	}
	if stay {
		c.send(h.Actor, LaneFast, c.codec.frame(frameBye, byeFrame{Refuse: h.Actor}))
		return
	}
	c.refused()
}

// refused ends this node: it falls silent, and never serves again.
func (c *Core) refused() {
	c.stopped = true
	c.report(Event{Kind: EventNameTaken, Peer: c.cfg.Name, Err: ErrNameTaken})
	c.do(Stop{Err: fmt.Errorf("%w (name %q)", ErrNameTaken, c.cfg.Name)})
}

func (c *Core) addPeer(h helloFrame) *peer {
	for _, old := range slices.Clone(c.members.sorted) {
		if old.hello.Name == h.Name {
			c.members.replaced[old.actor] = h.Actor
			c.removePeer(old)
		}
	}
	p := &peer{
		actor: h.Actor, hello: h, heard: c.now, since: c.now.Add(-time.Duration(h.Uptime) * time.Millisecond), sequence: h.Sequence, nextSync: c.now,
	}
	c.members.peers[h.Actor] = p
	c.members.sorted = append(c.members.sorted, p)
	slices.SortFunc(c.members.sorted, func(a, b *peer) int {
		if by := strings.Compare(a.hello.Name, b.hello.Name); by != 0 {
			return by
		}
		return a.actor.Compare(b.actor)
	})
	c.report(Event{Kind: EventMemberUp, Peer: h.Name, Attrs: []slog.Attr{slog.String("incarnation", h.Actor.Short())}})
	c.viewChanged()
	c.nextHello = c.now // so that it knows of us at once
	return p
}

// removePeer forgets that a member is connected; the catalogue still knows it.
func (c *Core) removePeer(p *peer) {
	delete(c.members.peers, p.actor)
	c.members.sorted = slices.DeleteFunc(c.members.sorted, func(q *peer) bool { return q == p })
	for old, by := range c.members.replaced {
		if by == p.actor {
			delete(c.members.replaced, old)
		}
	}
	c.dropTransfers(p.actor)
	c.forgetSent(p.actor)
	c.report(Event{Kind: EventMemberDown, Peer: p.hello.Name, Attrs: []slog.Attr{slog.String("incarnation", p.actor.Short())}})
	c.viewChanged()
	c.checkAllWaiters()
}

func (c *Core) onBye(from clock.Actor, f byeFrame) error {
	switch {
	case f.Refuse == c.cfg.Actor:
		c.refused()
	case f.Closed == c.cfg.Actor:
		c.reincarnate()
	case !f.Refuse.IsZero(), !f.Closed.IsZero():
	default:
		if p, ok := c.members.peers[from]; ok {
			c.removePeer(p)
		}
	}
	return nil
}

// viewChanged restarts the wait for a stable view; conflicts get new mergers.
func (c *Core) viewChanged() {
	c.members.changed = c.now
	c.members.generation++
	c.publish()
}

// forgive moves the deadlines of peers when this node itself stood still: it did not listen, so silence means nothing.
func (c *Core) forgive() {
	gap := c.now.Sub(c.lastTick)
	if gap < c.cfg.SuspectAfter/2 {
		return
	}
	for _, p := range c.members.sorted {
		p.heard = p.heard.Add(gap)
		if p.heard.After(c.now) {
			p.heard = c.now
		}
	}
}

func (c *Core) expirePeers() {
	for _, p := range slices.Clone(c.members.sorted) {
		if c.now.Sub(p.heard) > c.cfg.SuspectAfter {
			c.removePeer(p)
		}
	}
}

func (c *Core) sayBye() {
	c.broadcast(c.codec.frame(frameBye, byeFrame{}))
}
