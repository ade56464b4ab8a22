package sim

import (
	"slices"
	"time"

	"github.com/kvnode/kvnode/engine"
)

// network carries frames between nodes that run. Frames of one sender, receiver and lane stay in order, all others overtake one another.
type network struct {
	w *world
	// cut are the directions in which nothing passes, by the nodes' names.
	cut map[direction]bool
	// next is when the last frame of a lane arrives.
	next map[laneID]time.Time
	// recent are some of the last frames.
	recent [][]byte
	// changes are when cuts and heals happened.
	changes []time.Time
}

type direction struct{ from, to string }

type laneID struct {
	direction
	lane int
}

func newNetwork(w *world) network {
	return network{w: w, cut: map[direction]bool{}, next: map[laneID]time.Time{}}
}

// transmit sends what an effect says.
func (t *network) transmit(from *node, f engine.Transmit) {
	for _, to := range t.w.running() {
		if to == from || f.To != "" && f.To != to.actor.String() {
			continue
		}
		t.send(from, to, f)
		if !t.w.calmed && t.w.chance(t.w.weather.twice) {
			t.w.counts[CountFrameTwice]++
			t.send(from, to, f)
		}
	}
}

func (t *network) send(from, to *node, f engine.Transmit) {
	d := direction{from.name, to.name}
	if t.cut[d] || !t.w.calmed && t.w.chance(t.w.weather.loss) {
		t.w.counts[CountFrameLost]++
		return
	}
	t.remember(f.Payload)
	lane := laneID{d, f.Lane}
	at := t.w.now.Add(t.delay())
	if at.Before(t.next[lane]) {
		at = t.next[lane]
	}
	t.next[lane] = at
	sender, life := from.actor.String(), to.life
	t.w.after(at.Sub(t.w.now), func() {
		if to.life == life && !t.cut[d] {
			t.w.counts[CountFrame]++
			to.arrive(d.from, engine.Arrived{From: sender, Payload: f.Payload})
		}
	})
}

// remember keeps a frame to be spoiled.
func (t *network) remember(payload []byte) {
	if len(t.recent) < maxRecent {
		t.recent = append(t.recent, payload)
		return
	}
	t.recent[t.w.entries%maxRecent] = payload
}

func (t *network) delay() time.Duration {
	v := t.w.weather
	d := v.latency + t.w.upTo(v.jitter)
	if !t.w.calmed && t.w.chance(0.01) {
		d += t.w.upTo(v.straggle)
	}
	return d
}

// split cuts every connection between nodes of different sides.
func (t *network) split(sideOf map[string]int) {
	for _, a := range t.w.nodes {
		for _, b := range t.w.nodes {
			if sideOf[a.name] != sideOf[b.name] {
				t.cut[direction{a.name, b.name}] = true
			}
		}
	}
	t.changes = append(t.changes, t.w.now)
}

// mute cuts one direction.
func (t *network) mute(from, to string) {
	t.cut[direction{from, to}] = true
	t.changes = append(t.changes, t.w.now)
}

func (t *network) heal() {
	clear(t.cut)
	t.changes = append(t.changes, t.w.now)
}

// island returns the names of the nodes that run and are connected with a node both ways, itself included.
func (t *network) island(n *node) []string {
	var out []string
	for _, m := range t.w.up() {
		if !t.cut[direction{n.name, m.name}] && !t.cut[direction{m.name, n.name}] {
			out = append(out, m.name)
		}
	}
	return out
}

// changedWithin reports whether a cut or a heal happened in a span of time.
func (t *network) changedWithin(from, to time.Time) bool {
	return slices.ContainsFunc(t.changes, func(at time.Time) bool { return !at.Before(from) && !at.After(to) })
}
