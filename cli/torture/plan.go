package torture

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Fault is a kind of trouble.
type Fault string

// The kinds of trouble.
const (
	// Kill ends a process at once; it starts again with empty memory.
	Kill Fault = "kill"
	// Leave ends a process in order; it starts again with empty memory.
	Leave Fault = "leave"
	// Stop keeps a process from running for some seconds.
	Stop Fault = "stop"
	// Cut stops everything between two nodes.
	Cut Fault = "cut"
	// Split cuts the cluster into two groups.
	Split Fault = "split"
	// OneWay stops everything that one node sends to another.
	OneWay Fault = "oneway"
	// Trap makes a conflict on whose siblings the handler traps, so that the merging node restarts.
	Trap Fault = "trap"
)

// Faults returns all kinds of trouble.
func Faults() []Fault { return []Fault{Kill, Leave, Stop, Cut, Split, OneWay, Trap} }

// ParseFaults reads kinds separated by commas; none given are all.
func ParseFaults(text string) ([]Fault, error) {
	if text == "" {
		return Faults(), nil
	}
	var out []Fault
	for word := range strings.SplitSeq(text, ",") {
		f := Fault(strings.TrimSpace(word))
		if !slices.Contains(Faults(), f) {
			return nil, fmt.Errorf("%w: %.40q; use some of %s, separated by commas", ErrFault, word, names(Faults()))
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out, nil
}

func names(faults []Fault) string {
	words := make([]string, len(faults))
	for i, f := range faults {
		words[i] = string(f)
	}
	return strings.Join(words, ", ")
}

// action is one trouble within an episode: it begins at a time and lasts.
type action struct {
	fault  Fault
	at     time.Duration
	lasts  time.Duration
	nodes  []int // whom it strikes; of a split one side, of a one-way cut the sender first
	others []int // the other side
}

func (a action) String() string {
	text := fmt.Sprintf("%s %v", a.fault, a.nodes)
	if len(a.others) > 0 {
		text += fmt.Sprintf(" | %v", a.others)
	}
	return fmt.Sprintf("%s at %s for %s", text, a.at.Round(time.Millisecond), a.lasts.Round(time.Millisecond))
}

// episode is what happens between two checkpoints: lanes beside each other, the actions of a lane one after the other.
type episode struct {
	lasts time.Duration
	lanes [][]action
}

func (e episode) String() string {
	var all []action
	for _, lane := range e.lanes {
		all = append(all, lane...)
	}
	if len(all) == 0 {
		return "no trouble"
	}
	slices.SortStableFunc(all, func(a, b action) int { return cmp.Compare(a.at, b.at) })
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = a.String()
	}
	return strings.Join(words, "; ")
}

// has reports whether a trouble of one of these kinds is in the episode.
func (e episode) has(faults ...Fault) bool {
	return slices.ContainsFunc(e.lanes, func(lane []action) bool {
		return slices.ContainsFunc(lane, func(a action) bool { return slices.Contains(faults, a.fault) })
	})
}

// planner draws episodes. The lanes keep them apart from what nothing could survive: memories are lost one after the other, and a process that is
// stopped is another one.
type planner struct {
	rand   *rand.Rand
	nodes  int
	faults []Fault
}

const (
	shortest = 3 * time.Second
	spread   = 4 * time.Second
	// likely is the chance that a lane of an episode has trouble.
	likely = 0.65
	// cruel is the chance that a node loses its memory while it is cut off, if it may at all.
	cruel = 0.8
	// mergerPatience is how long a conflict is left alone, so that the merging node judges it before any reader does.
	mergerPatience = 4 * time.Second
	// maxLosses is how many memories an episode loses at most.
	maxLosses = 2
)

func (p *planner) next() episode {
	e := episode{lasts: shortest + p.upTo(spread)}
	network := p.network(e.lasts)
	order := p.rand.Perm(p.nodes)
	for _, lane := range [][]action{
		network,
		p.losses(e.lasts, order[:len(order)-1], network),
		p.stops(e.lasts, order[len(order)-1:]),
		p.traps(e.lasts, network),
	} {
		if len(lane) > 0 {
			e.lanes = append(e.lanes, lane)
		}
	}
	return e
}

func (p *planner) upTo(d time.Duration) time.Duration { return time.Duration(p.rand.Int64N(int64(d))) }

// draw picks one of these kinds, if there is any among those asked for and chance wants it.
func (p *planner) draw(kinds ...Fault) (Fault, bool) {
	kinds = slices.DeleteFunc(kinds, func(f Fault) bool { return !slices.Contains(p.faults, f) })
	if wanted := p.rand.Float64() < likely; !wanted || len(kinds) == 0 {
		return "", false
	}
	return kinds[p.rand.IntN(len(kinds))], true
}

func (p *planner) network(lasts time.Duration) []action {
	fault, ok := p.draw(Split, Split, Cut, OneWay)
	if !ok {
		return nil
	}
	order := p.rand.Perm(p.nodes)
	a := action{fault: fault, at: p.upTo(lasts / 2), nodes: order[:1], others: order[1:2]}
	a.lasts = lasts/4 + p.upTo(lasts/2)
	if fault == Split {
		size := 1 + p.rand.IntN(p.nodes/2)
		a.nodes, a.others = order[:size], order[size:]
	}
	return []action{a}
}

// losses takes memories. The first is often that of a node which the network has just cut off: what it wrote meanwhile is nowhere else.
func (p *planner) losses(lasts time.Duration, nodes []int, network []action) []action {
	fault, ok := p.draw(Kill, Kill, Leave)
	if !ok {
		return nil
	}
	count := min(1+p.rand.IntN(maxLosses), len(nodes))
	lane := make([]action, count)
	for i := range lane {
		lane[i] = action{fault: fault, at: p.upTo(lasts), lasts: p.upTo(time.Second), nodes: nodes[i : i+1]}
	}
	slices.SortFunc(lane, func(a, b action) int { return cmp.Compare(a.at, b.at) })
	for _, cut := range network {
		if slices.Contains(nodes, cut.nodes[0]) && p.rand.Float64() < cruel {
			lane = []action{{fault: fault, at: cut.at + p.upTo(cut.lasts), lasts: p.upTo(time.Second), nodes: cut.nodes[:1]}}
		}
	}
	return lane
}

func (p *planner) stops(lasts time.Duration, nodes []int) []action {
	fault, ok := p.draw(Stop)
	if !ok {
		return nil
	}
	return []action{{fault: fault, at: p.upTo(lasts), lasts: 200*time.Millisecond + p.upTo(lasts/2), nodes: nodes}}
}

// traps makes a conflict between two nodes, or at a node that the network cuts off for long: it restarts, and only its memory has what it wrote.
func (p *planner) traps(lasts time.Duration, network []action) []action {
	fault, ok := p.draw(Trap)
	if !ok {
		return nil
	}
	order := p.rand.Perm(p.nodes)
	for i, cut := range network {
		if cut.fault == Split && len(cut.nodes) == 1 && p.rand.Float64() < cruel {
			network[i].lasts = max(cut.lasts, 2*mergerPatience)
			return []action{{fault: fault, at: cut.at, lasts: mergerPatience, nodes: cut.nodes, others: cut.nodes}}
		}
	}
	return []action{{fault: fault, at: p.upTo(lasts / 2), lasts: mergerPatience, nodes: order[:1], others: order[1:2]}}
}
