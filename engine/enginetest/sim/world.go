package sim

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
)

// world is one simulated cluster with all its surroundings, in one goroutine. Everything in it follows from the seed and from what it is told to do.
type world struct {
	options Options
	rand    *rand.Rand
	now     time.Time
	begin   time.Time
	agenda  agenda
	entries uint64
	actors  uint64

	// weather is what the history has; calmed says that it is over, and nothing gets lost any more.
	weather weather
	calmed  bool
	wrong   wrong
	net     network
	nodes   []*node // by name; also those that are down
	stories ghost.Histories[storyID]
	// holders are who had a write when it was acknowledged.
	holders map[*ghost.Event][]holder
	trace   *trace
	ledger  ledger
	counts  Counts
	bases   map[string]clock.Dot // of siblings
	// told are the engines' events, and answer is the outcome of the last call that waited, for scenarios.
	told   []string
	answer string
	// booted is when a node last booted.
	booted time.Time
	// interrupted says why the history must end before its time.
	interrupted func() error
	err         error // the first violation, or why the history was interrupted
}

// wrong makes nodes break a rule, to prove that the oracle would notice. The zero value breaks none.
type wrong struct {
	reuseActor bool // a node without memory goes on under its old identity
	forget     bool // a restart in place loses the memory
	biased     bool // handlers decide by where they run
}

func newWorld(o Options) *world {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := &world{
		options: o, rand: rand.New(rand.NewPCG(o.Seed, 0x73696d)), now: begin, begin: begin, stories: ghost.Histories[storyID]{},
		holders: map[*ghost.Event][]holder{}, trace: newTrace(o.Trace), ledger: newLedger(), counts: Counts{}, bases: map[string]clock.Dot{},
		interrupted: func() error { return nil },
	}
	w.net = newNetwork(w)
	return w
}

// fail keeps the first violation.
func (w *world) fail(format string, args ...any) {
	if w.err == nil {
		o := w.options
		o.Trace = nil
		w.err = &Violation{Options: o, At: w.now.Sub(w.begin), Err: fmt.Errorf(format, args...)}
		w.note("VIOLATION %v", w.err)
	}
}

// note writes a line of the trace.
func (w *world) note(format string, args ...any) {
	w.trace.line(w.now.Sub(w.begin), format, args...)
}

// after puts something on the agenda.
func (w *world) after(d time.Duration, do func()) {
	w.entries++
	heap.Push(&w.agenda, entry{at: w.now.Add(d), order: w.entries, do: do})
}

// run lets time pass, and stops at the first violation.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.agenda) > 0 && !w.agenda[0].at.After(end) && w.err == nil {
		if why := w.interrupted(); why != nil {
			w.err = fmt.Errorf("simulate seed %d: %w", w.options.Seed, why)
			return
		}
		e := heap.Pop(&w.agenda).(entry)
		w.now = e.at
		e.do()
	}
	w.now = end
}

// entry is something that will happen; order makes the agenda total.
type entry struct {
	at    time.Time
	order uint64
	do    func()
}

// agenda is a heap of entries.
type agenda []entry

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].order < a[j].order
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(entry)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func (w *world) chance(p float64) bool { return p > 0 && w.rand.Float64() < p }

// upTo returns a random duration below d.
func (w *world) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(w.rand.Int64N(int64(d)))
}

// about returns a random duration whose mean is d.
func (w *world) about(d time.Duration) time.Duration {
	return time.Duration(w.rand.ExpFloat64() * float64(d))
}

func pick[T any](w *world, from []T) T { return from[w.rand.IntN(len(from))] }

// actor mints the next identity. Its bytes are scattered, so that their order is not that of the births.
func (w *world) actor() clock.Actor {
	w.actors++
	var b [clock.ActorSize]byte
	binary.BigEndian.PutUint64(b[:], w.actors*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(b[8:], w.actors)
	return clock.ActorFrom(b)
}

// node returns the node of a name, making room for it if it is new.
func (w *world) node(name string) *node {
	i, found := slices.BinarySearchFunc(w.nodes, name, func(n *node, name string) int { return strings.Compare(n.name, name) })
	if !found {
		w.nodes = slices.Insert(w.nodes, i, &node{w: w, name: name, skew: w.anySkew()})
	}
	return w.nodes[i]
}

// anySkew draws how wrong a clock is.
func (w *world) anySkew() time.Duration { return w.upTo(2*w.weather.skew) - w.weather.skew }

// up returns the nodes that run, by name.
func (w *world) up() []*node {
	return slices.DeleteFunc(slices.Clone(w.nodes), func(n *node) bool { return !n.isUp() })
}

// isNews says which events scenarios show.
func isNews(kind engine.EventKind) bool {
	quiet := []engine.EventKind{
		engine.EventMemberUp, engine.EventMemberDown, engine.EventReady, engine.EventRepaired, engine.EventHandlerActive, engine.EventError,
	}
	return !slices.Contains(quiet, kind)
}

// staying returns the nodes that are not gone for good, by name.
func (w *world) staying() []*node {
	return slices.DeleteFunc(slices.Clone(w.nodes), func(n *node) bool { return n.isRetired })
}

// hear keeps a node's event for scenarios.
func (w *world) hear(n *node, e engine.Event) {
	if isNews(e.Kind) {
		w.told = append(w.told, strings.TrimSpace(fmt.Sprintf("%s: %s %s %s", n.name, e.Kind, e.Table, e.Key)))
	}
}

// answered keeps the outcome of a call that has waited.
func (w *world) answered(n *node, what string, nodes int, err error) {
	w.note("%s: %s acknowledged by %d: %v", n.name, what, nodes, err)
	w.answer = fmt.Sprintf("acknowledged by %d", nodes)
	if err != nil {
		w.answer += ": " + err.Error()
	}
	w.answer += "\n"
}
