package model_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
	"github.com/kvnode/kvnode/engine/replica"
)

// wrong alters the protocol, to prove that the oracle would notice. The zero value is the protocol as it is.
type wrong struct {
	// sent alters a decoded delta of a mutation before the receiver takes it.
	sent func(to *node, d replica.Delta) replica.Delta
	// chunk alters a decoded chunk before the receiver takes it.
	chunk func(to *node, d replica.Delta) replica.Delta
	// planned is called once a transfer was planned.
	planned func(s *sim, from, to *node)
	// answer alters a decoded answer, or the plan that it follows, before the receiver takes it.
	answer func(from *node, p *replica.Plan, q replica.Question, a *replica.Answer)
	// deleting replaces a delete by a client.
	deleting func(s *sim, n *node, t token)
	// weather replaces the random weather when it is set; the cluster is then three nodes with many keys.
	weather        weather
	sealBeforeFull bool // a node that starts closes the entries of dead actors at once
	hasty          bool // deletes are reaped without asking the members
	reuseActor     bool // a node that starts without memory goes on with its old actor
}

// weather is how rough a history is: chances for each frame, transfer step or step.
type weather struct {
	loss, abort, crash, restart, calm float64
	deletes, errands                  float64
}

// sim is one random history of one small cluster, in one goroutine; everything in it follows from the seed.
type sim struct {
	rand    *rand.Rand
	options replica.Options
	weather weather
	wrong   wrong
	visible float64 // how many of the deletes are visible: tables of which two sides of a split want different things have both
	err     error   // the first violation

	stories ghost.Histories[string]
	nodes   []*node
	log     []record
	net     []message
	split   map[string]bool // the nodes on the other side of the partition
	tokens  []token
	keys    []string
	bases   map[string]clock.Dot // of siblings
	lost    map[clock.Dot]bool   // mutations that a closed entry left out
	steps   int
	actors  uint64
	// forgetful says that a node has lost its memory.
	forgetful bool
	stats     map[string]int
}

func newSim(seed uint64, w wrong) *sim {
	r := rand.New(rand.NewPCG(seed, 0x6b766e6f6465))
	s := &sim{
		rand: r, wrong: w, split: map[string]bool{}, lost: map[clock.Dot]bool{}, bases: map[string]clock.Dot{}, stats: map[string]int{},
		stories: ghost.Histories[string]{},
		options: replica.Options{Ordered: r.IntN(2) == 0, MaxDotKeys: []int{0, 0, 1, 4}[r.IntN(4)], ListKeys: 1 + r.IntN(2)},
	}
	s.weather = weather{
		loss: pick(s, []float64{0.02, 0.15, 0.6}), abort: pick(s, []float64{0.01, 0.05, 0.3}),
		crash: pick(s, []float64{0.002, 0.008, 0.02}), restart: pick(s, []float64{0.001, 0.005}), calm: pick(s, []float64{0, 0.005, 0.02}),
		deletes: pick(s, []float64{0.25, 0.5}), errands: pick(s, []float64{0, 0.005, 0.01}),
	}
	s.visible = pick(s, []float64{0, 1, 1, 0.5})
	numKeys, numNodes := 1+r.IntN(4), 3+r.IntN(3)
	if w.weather != (weather{}) {
		s.weather, numKeys, numNodes = w.weather, 24, 3
	}
	for i := range numKeys {
		s.keys = append(s.keys, "k"+strconv.Itoa(i))
	}
	for i := range numNodes {
		s.boot("n"+strconv.Itoa(i), nil)
	}
	return s
}

// run plays steps random steps, lets the cluster come to rest, and returns the first violation.
func (s *sim) run(steps int) error {
	for range steps {
		if s.err != nil {
			return s.err
		}
		s.steps++
		s.step()
	}
	s.quiesce()
	return s.err
}

func (s *sim) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("step %d: "+format, append([]any{s.steps}, args...)...)
	}
}

func (s *sim) check(n *node, key, when string) {
	story := s.stories.Story(key)
	excused := func(e *ghost.Event) bool { return s.options.MaxDotKeys > 0 && s.isTakenByTheUnheard(story, e) }
	if err := n.check(story, excused); err != nil {
		s.fail("%s: %w", when, err)
	}
	s.checkBase(n, key)
}

// isTakenByTheUnheard reports whether a write was replaced by another of which nobody knows: its author is gone, and had more mutations that nobody knew
// than its log has room for. A transfer from there that broke off has then told what they did, but not that there were such mutations.
func (s *sim) isTakenByTheUnheard(story *ghost.Story[string], old *ghost.Event) bool {
	return slices.ContainsFunc(story.Events, func(e *ghost.Event) bool {
		return e.Past.Has(old.Index) && s.byID(e.Dot.Actor) == nil &&
			!slices.ContainsFunc(s.nodes, func(n *node) bool { return n.rep.Clock().Has(e.Dot) })
	})
}

func (s *sim) checkAll(n *node, when string) {
	for _, key := range s.keys {
		s.check(n, key, when)
	}
}

func (s *sim) chance(p float64) bool {
	return s.rand.Float64() < p
}

func pick[T any](s *sim, from []T) T {
	return from[s.rand.IntN(len(from))]
}

// actor mints the next actor. Its bytes are scattered, so that their order is not that of the births.
func (s *sim) actor() clock.Actor {
	s.actors++
	var b [clock.ActorSize]byte
	binary.BigEndian.PutUint64(b[:], s.actors*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(b[8:], s.actors)
	return clock.ActorFrom(b)
}

// byID returns the node whose incarnation is id, or nil.
func (s *sim) byID(id clock.Actor) *node {
	for _, n := range s.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

// connected reports whether the nodes can talk: they are on the same side, and none takes the other for replaced.
func (s *sim) connected(a, b *node) bool {
	return s.split[a.name] == s.split[b.name] && !a.gone[b.id] && !b.gone[a.id]
}

// others returns the ready nodes besides n.
func (s *sim) others(n *node) []*node {
	var out []*node
	for _, m := range s.nodes {
		if m != n && m.ready {
			out = append(out, m)
		}
	}
	return out
}

// step does one random thing.
func (s *sim) step() {
	type action struct {
		weight float64
		do     func()
	}
	actions := []action{
		{0.26, s.write},
		{0.09, s.drain},
		{0.22, s.deliver},
		{0.08, s.ask},
		{0.15, s.transfer},
		{0.06, s.applyLog},
		{0.02, s.collect},
		{0.02, s.reap},
		{0.03, s.seal},
		{0.015, s.partition},
		{0.02, s.gossip},
		{s.weather.crash, s.crash},
		{s.weather.restart, s.restart},
		{s.weather.calm, s.calm},
		{s.weather.errands, s.courier},
		{s.weather.errands, s.straggler},
		{s.weather.errands, s.funeral},
		{s.weather.errands, s.burial},
	}
	total := 0.0
	for _, a := range actions {
		total += a.weight
	}
	x := s.rand.Float64() * total
	for _, a := range actions {
		if x -= a.weight; x < 0 {
			a.do()
			return
		}
	}
}
