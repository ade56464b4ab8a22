package model_test

import (
	"fmt"
	"maps"
	"slices"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
	"github.com/kvnode/kvnode/engine/replica"
)

// node is one node of the simulated cluster.
type node struct {
	name  string
	id    clock.Actor
	rep   *replica.Replica
	known map[string]ghost.Set // what the oracle says that this node knows of each key
	ready bool

	position int // how much of the membership log the node has applied
	members  map[clock.Actor]bool
	gone     map[clock.Actor]bool
	pull     *pull
}

// pull is a transfer in progress at its receiver.
type pull struct {
	peer   clock.Actor
	theirs clock.Clock // the receiver's clock when it asked
	full   bool
	plan   *replica.Plan
	known  map[string]ghost.Set // what the sender knew when it planned, of keys that have not travelled
	intake *replica.Intake
	asked  *replica.Question // as it arrived at the sender; nil when the receiver must ask
	answer *replica.Answer   // what the sender has of its answer; nil before it begins
	more   bool              // the sender may add to the answer
	packed map[string]ghost.Set
}

// record is one entry of the membership log, which every node applies in order, at its own pace.
type record struct {
	kind  string // join, evict, seal
	actor clock.Actor
	entry clock.Entry
}

// token is a context that a client read and may use anywhere, any time later.
type token struct {
	key   string
	ctx   clock.Context
	known ghost.Set
}

// message is a frame on the network.
type message struct {
	from, to clock.Actor
	bytes    []byte
	known    map[string]ghost.Set // what the sender knew of the frame's keys
}

func newNode(name string, id clock.Actor, o replica.Options) *node {
	return &node{
		name: name, id: id, rep: replica.New(id, o), known: map[string]ghost.Set{},
		members: map[clock.Actor]bool{}, gone: map[clock.Actor]bool{},
	}
}

// read returns a token for the key.
func (n *node) read(key string) token {
	return token{key: key, ctx: n.rep.Context(key), known: n.known[key]}
}

// apply applies the log up to the given position. It fails when the node has more of a dead actor than all members had agreed.
func (n *node) apply(log []record, upto int) error {
	for ; n.position < upto; n.position++ {
		switch rec := log[n.position]; rec.kind {
		case "join":
			n.members[rec.actor] = true
		case "evict":
			delete(n.members, rec.actor)
			n.gone[rec.actor] = true
			n.rep.ForgetMember(rec.actor)
			if n.pull != nil && n.pull.peer == rec.actor {
				n.pull = nil
			}
		case "seal":
			if again, err := n.rep.Seal(rec.actor, rec.entry); err != nil || len(again) > 0 {
				return fmt.Errorf("closing the entry of %v at %s: %v were made again, error %w", rec.actor, n.name, again, err)
			}
		}
	}
	return nil
}

// known members, in a fixed order.
func (n *node) knownMembers() []clock.Actor {
	return slices.SortedFunc(maps.Keys(n.members), clock.Actor.Compare)
}

// snapshot returns what the node knows of the keys that travel in d.
func (n *node) snapshot(d replica.Delta) map[string]ghost.Set {
	out := map[string]ghost.Set{}
	for _, p := range d.Objects {
		out[p.Key] = n.known[p.Key]
	}
	return out
}

// learn adds what a peer knew of some keys.
func (n *node) learn(known map[string]ghost.Set) {
	for key, h := range known {
		n.known[key] = n.known[key].And(h)
	}
}

// check compares what the node shows of the key with the oracle.
func (n *node) check(story *ghost.Story[string], excused func(*ghost.Event) bool) error {
	if err := story.CheckExcusing(n.known[story.ID], n.rep.Get(story.ID), excused); err != nil {
		return fmt.Errorf("node %s/%s: %w", n.name, n.id.Short(), err)
	}
	return nil
}

// checkBase checks that the base of siblings is what they come from, and the same whenever and wherever they are siblings.
func (s *sim) checkBase(n *node, key string) {
	siblings := n.rep.Get(key)
	if len(siblings) < 2 {
		return
	}
	story := s.stories.Story(key)
	base, want := replica.Base(siblings), story.Bases(siblings)
	if err := story.CheckBase(siblings, base); err != nil {
		s.fail("base at %s: %w", n.name, err)
	}
	id, is := key+" "+ghost.Name(siblings), clock.Dot{}
	if base != nil {
		is = base.Dot
	}
	was, known := s.bases[id]
	if known && was != is {
		s.fail("base of %s at %s is %v, elsewhere %v", id, n.name, is, was)
	}
	if known {
		return
	}
	s.bases[id] = is
	switch {
	case len(want) != 1:
		s.stats["conflict without base"]++
	case is.IsZero():
		s.stats["base forgotten"]++
	case base.Lacks:
		s.stats["base without value"]++
	default:
		s.stats["base"]++
	}
}
