package model_test

import (
	"slices"
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
)

// enough is the number of histories within which a mistake has to show.
const enough = 6000

// TestOracleNoticesWrongProtocols proves that the histories can tell right from wrong: each of these is a mistake that is easily made, and that
// most histories forgive.
func TestOracleNoticesWrongProtocols(t *testing.T) {
	storm := weather{loss: 1, abort: 0.3, crash: 0.003, deletes: 0.25}
	for _, c := range []struct {
		name  string
		wrong wrong
	}{
		{"a node without memory keeps its actor", wrong{reuseActor: true}},
		{"a remote object is filled with the local clock", wrong{sent: fillFromReceiver, chunk: fillFromReceiver}},
		{"the local object is filled after the new dots are added", wrong{sent: dotsFirst, chunk: dotsFirst}},
		{"the sender's clock is adopted without its objects", wrong{answer: skipWalk}},
		{"spans are compared, and the clock adopted, as of a later time", wrong{answer: adoptLater}},
		{"spans are compared without the keys that have changed", wrong{answer: withoutChanges}},
		{"objects travel without the dots of what they have seen", wrong{sent: withoutDots, chunk: withoutDots}},
		{"only chunks travel without the dots of what they have seen", wrong{chunk: withoutDots, weather: storm}},
		{"a delete makes no dot", wrong{deleting: deleteWithoutDot}},
		{"a version stays though the sender has removed it", wrong{answer: keepVersions}},
		{"the log is collected without asking the members", wrong{planned: collectAlone, sent: collectThere, chunk: collectThere}},
		{"deletes are reaped without asking the members", wrong{hasty: true}},
		{"entries of dead actors are closed before their values are here", wrong{sealBeforeFull: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(enough) {
				if err := newSim(seed+1, c.wrong).run(stepsPerHistory); err != nil {
					t.Logf("seed %d: %v", seed+1, err)
					return
				}
			}
			require.Fail(t, "no history notices")
		})
	}
}

func fillFromReceiver(to *node, d replica.Delta) replica.Delta {
	d.Base = to.rep.Clock().Bases()
	return covered(d)
}

// covered lets contexts cover their versions, which a replica insists on.
func covered(d replica.Delta) replica.Delta {
	for i, p := range d.Objects {
		ctx := clock.Context{}
		ctx.Join(p.Object.Context)
		for _, v := range p.Object.Versions {
			ctx[v.Dot.Actor] = max(ctx[v.Dot.Actor], v.Dot.Counter)
		}
		d.Objects[i].Object.Context = ctx
	}
	return d
}

func dotsFirst(to *node, d replica.Delta) replica.Delta {
	early := replica.Delta{}
	for _, p := range d.Objects {
		dots := p.Dots
		for _, v := range p.Object.Versions {
			dots = append(slices.Clip(dots), v.Dot)
		}
		early.Objects = append(early.Objects, replica.Packed{Key: p.Key, Dots: dots})
	}
	if _, err := to.rep.Receive(early); err != nil {
		return replica.Delta{}
	}
	return d
}

func withoutDots(_ *node, d replica.Delta) replica.Delta {
	for i := range d.Objects {
		d.Objects[i].Dots = nil
	}
	return d
}

// skipWalk goes from the log to the comparison.
func skipWalk(_ *node, p *replica.Plan, _ replica.Question, a *replica.Answer) {
	if a.Stage == replica.StageWalk {
		a.Stage, a.Place, a.Clock = replica.StageCompare, 0, &p.Clock
	}
}

// adoptLater takes the sender's clock at the end of its walk for the clock with which the transfer began.
func adoptLater(from *node, p *replica.Plan, _ replica.Question, a *replica.Answer) {
	if a.Clock != nil {
		p.Clock = from.rep.Clock()
		*a.Clock = p.Clock.Clone()
	}
}

// withoutChanges leaves out the keys that have changed since the transfer began.
func withoutChanges(_ *node, _ *replica.Plan, q replica.Question, a *replica.Answer) {
	if q.Stage == replica.StageCompare {
		a.Delta.Objects, a.Owes = nil, false
	}
}

// keepVersions hides what is gone.
func keepVersions(_ *node, _ *replica.Plan, _ replica.Question, a *replica.Answer) {
	clear(a.Gone)
}

// deleteWithoutDot removes what the token covers here and at all peers, and leaves no trace of having done so.
func deleteWithoutDot(s *sim, n *node, t token) {
	ctx := t.ctx
	if ctx == nil {
		ctx = n.rep.Context(t.key)
	}
	e := s.stories.Story(t.key).Add(ghost.Event{Past: t.known, Deleted: true})
	n.known[t.key] = n.known[t.key].And(t.known).With(e.Index)
	frame := replica.Delta{Base: clock.Context{}, Objects: []replica.Packed{{Key: t.key, Object: replica.Object{Context: ctx}}}}
	if _, err := n.rep.Receive(frame); err != nil {
		s.fail("delete without dot: %w", err)
	}
	s.check(n, t.key, "delete without dot")
	for _, m := range s.nodes {
		if m != n && s.connected(m, n) {
			s.net = append(s.net, message{from: n.id, to: m.id, bytes: frame.AppendBinary(nil), known: n.snapshot(frame)})
		}
	}
}

// collectAlone drops from the log what the node itself has, without asking the members.
func collectAlone(_ *sim, from, _ *node) {
	from.rep.Collect(nil)
}

// collectThere drops from the receiver's log what it has.
func collectThere(to *node, d replica.Delta) replica.Delta {
	to.rep.Collect(nil)
	return d
}
