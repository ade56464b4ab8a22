package sim

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
)

// node is one name of the cluster, through all its incarnations.
type node struct {
	w    *world
	name string
	skew time.Duration

	driver *engine.Driver // nil while it is down
	actor  clock.Actor
	// life counts boots and ends: what was on the agenda for an earlier life does not happen. memory counts the losses of memory.
	life, memory int
	restarts     int
	ending       bool

	paused, tickOwed, awake, isSlow, isReady, isAlone bool
	inbox                                             []engine.Input

	bootedAt time.Time
	// isRetired: gone for good. isForgotten: somebody has forgotten it, and it has not come back yet. isGarbled: what arrives now is garbage.
	isRetired, isForgotten, isGarbled bool
	twin                              *node // a second node of this name, or nil
	watches                           []*watch
	purged                            []purged

	// outcomes are the places of the handler runs, as the merging node, whose outcomes the next look at the inbox takes; trapped is what this incarnation means to
	// restart for. isRestarting holds from then on until the next one is ready.
	outcomes     map[place]struct{}
	trapped      trapRestart
	isRestarting bool

	// fresh are the writes whose wait begins with the next step.
	fresh []*asked

	// raised are the events of the step under way; ran are the handler runs of the call under way.
	raised []engine.Event
	ran    []string

	// What the oracle knows of this memory: the writes of each story that it has seen, and the epochs of its tables.
	known  map[storyID]ghost.Set
	epochs map[string]uint64
	marks  map[place]engine.Mark
	shown  map[place]bool
	// present is what the others knew when this incarnation booted.
	present map[holder]map[storyID]ghost.Set
	// catalogue is its mark before the step under way.
	catalogue engine.Mark
}

// What a slow node has room for, and how late it looks.
const (
	slowRoom = 16
	slowest  = 800 * time.Millisecond
)

// place is a key of a table.
type place struct{ table, key string }

func (n *node) isUp() bool { return n.driver != nil }

// clock is the date as this node sees it; what lasts how long it measures rightly.
func (n *node) clock() time.Time { return n.w.now.Add(n.skew) }

// boot starts an incarnation: with empty memory, or with what an earlier one handed over.
func (n *node) boot(legacy *engine.Legacy) {
	if !n.w.wrong.reuseActor || legacy != nil || n.actor.IsZero() {
		n.actor = n.w.actor()
	}
	n.life++
	cfg := engine.DefaultConfig()
	cfg.Name, cfg.Actor, cfg.Restarts, cfg.Legacy = n.called(), n.actor, n.restarts, legacy
	cfg.CloseAfter = n.w.weather.closeAfter
	cfg.ExpectPeers = legacy != nil || len(n.w.nodes) > 1
	cfg.Now, cfg.Random = n.clock, rand.New(rand.NewPCG(n.w.rand.Uint64(), 1))
	cfg.Events = func(e engine.Event) { n.raised = append(n.raised, e) }
	cfg.ForgetAfter = n.w.weather.forgetAfter
	if n.w.weather.oneSecret {
		cfg.Secret = []byte("known to all from the start")
	}
	if n.w.weather.exit {
		cfg.OnTrap = engine.ExitProcess
	}
	if legacy == nil {
		n.purged = nil
		n.memory++
		n.known, n.epochs = map[storyID]ghost.Set{}, map[string]uint64{}
	}
	n.outcomes, n.present = map[place]struct{}{}, n.w.presence()
	n.w.booted, n.bootedAt = n.w.now, n.w.now
	n.marks, n.shown, n.inbox, n.watches = map[place]engine.Mark{}, map[place]bool{}, nil, nil
	n.awake, n.paused, n.isSlow, n.isReady, n.ending = false, false, false, false, false
	var err error
	if n.w.wrong.forget {
		cfg.Legacy = nil
	}
	if n.driver, err = engine.NewDriver(cfg, recorder{n: n}); err != nil {
		n.w.fail("boot %s: %w", n.name, err)
		return
	}
	if n.isForgotten {
		n.countCollected()
	}
	n.w.note("%s boots as %s, kept memory %v", n.name, n.actor.Short(), legacy != nil)
	n.tick(n.life)
}

// tick lets the node look at the clock now and in every interval.
func (n *node) tick(life int) {
	switch {
	case n.life != life:
	case n.paused:
		n.tickOwed = true
	default:
		n.w.after(engine.TickInterval, func() { n.tick(life) })
		n.step(engine.Tick{})
	}
}

// arrive takes a frame off the network; the node steps soon, with all that came meanwhile.
func (n *node) arrive(from string, in engine.Arrived) {
	if kind := engine.FrameName(in.Payload); kind != "hello" {
		n.w.note("%s <- %s %s", n.name, from, kind)
	}
	switch {
	case !n.isSlow || n.w.calmed:
		n.inbox = append(n.inbox, in)
		n.wake(n.w.upTo(time.Millisecond))
	case len(n.inbox) < slowRoom:
		n.inbox = append(n.inbox, in)
		n.wake(n.w.upTo(slowest))
	default:
		n.w.counts[CountOverflow]++
	}
}

// wake makes the node step within d.
func (n *node) wake(d time.Duration) {
	if n.awake || n.paused {
		return
	}
	n.awake = true
	life := n.life
	n.w.after(d, func() {
		if n.life == life && !n.paused {
			n.takeInbox()
		}
	})
}

func (n *node) takeInbox() {
	in := append(n.inbox, engine.Flush{})
	n.inbox, n.awake = nil, false
	n.step(in...)
	clear(n.outcomes)
}

// pause makes the node stand still: it neither ticks nor listens, and what arrives waits.
func (n *node) pause(d time.Duration) {
	if n.paused || !n.isUp() {
		return
	}
	n.w.counts[CountPause]++
	n.w.note("%s pauses for %v", n.name, d)
	n.paused, n.awake = true, false
	life := n.life
	n.w.after(d, func() {
		if n.life == life {
			n.resume()
		}
	})
}

func (n *node) resume() {
	n.paused = false
	n.w.note("%s goes on", n.name)
	if n.tickOwed && n.w.chance(0.5) {
		n.tickOwed = false
		n.tick(n.life)
	}
	n.wake(0)
	if n.tickOwed {
		n.tickOwed = false
		life := n.life
		n.w.after(time.Millisecond, func() { n.tick(life) })
	}
}

// step tells the node what happened, does what it wants done, and holds it against the oracle.
func (n *node) step(in ...engine.Input) {
	if !n.isUp() || n.w.err != nil {
		return
	}
	for _, i := range in {
		n.w.trace.input(n, i)
	}
	n.catalogue = n.driver.Mark("", "")
	repairs := n.driver.Transfers()
	effects := n.driver.Step(n.w.now, in...)
	n.again(n.driver.MadeAgain())
	n.reaped(n.driver.Reaped())
	n.countRepairs(repairs, in)
	n.observe()
	n.hear()
	n.beginWaits()
	life := n.life
	for _, e := range effects {
		n.w.trace.effect(n, e)
		if n.isUp() && n.life == life {
			n.perform(e)
		}
	}
}

func (n *node) perform(effect engine.Effect) {
	switch e := effect.(type) {
	case engine.Transmit:
		n.w.net.transmit(n, e)
	case engine.JudgeConflict:
		n.judge(e.Job)
	case engine.ShadowConflict:
		n.shadow(e)
	case engine.PrepareHandlers:
		n.driver.Prepare()
	case engine.SetRoutes:
	case engine.Restart:
		n.restart(e)
	case engine.Stop:
		n.stops(e.Err)
	}
}

// judge runs a handler as the merger does; its outcome comes some time later.
func (n *node) judge(job engine.Job) {
	isNews := n.catalogue != n.driver.Mark("", "") // what the same step has brought came too late
	if n.driver.Quarantined(job.Table(), job.Key()) && !isNews {
		n.w.fail("%s runs a handler on siblings that it knows to be quarantined: %s/%s", n.name, job.Table(), job.Key())
	}
	n.w.note("%s judges %s/%s", n.name, job.Table(), job.Key())
	n.w.counts[CountMergerRun]++
	n.w.ledger.merges(n, job.String())
	n.willHear(n.driver.Judge(job), func() { n.outcomes[place{job.Table(), job.Key()}] = struct{}{} })
}

// willHear brings the outcome of a handler's run to the node some time later.
func (n *node) willHear(outcome engine.Input, heard func()) {
	life := n.life
	n.w.after(n.w.upTo(100*time.Millisecond), func() {
		if n.life == life {
			n.inbox = append(n.inbox, outcome)
			heard()
			n.wake(0)
		}
	})
}

// shadow runs a shadow as the merger does. Its outcome is no reason for a restart.
func (n *node) shadow(f engine.ShadowConflict) {
	n.w.note("%s lets the shadow judge %s/%s", n.name, f.Job.Table(), f.Job.Key())
	n.w.counts[CountShadowRun]++
	n.willHear(n.driver.Shadow(f), func() {})
}

// restart ends the incarnation soon, as the node has asked for; the next one keeps the memory, unless it is the process that ends.
func (n *node) restart(e engine.Restart) {
	switch {
	case n.ending:
		return
	case n.isTwin():
		n.takeDown()
		return
	}
	n.ending = true
	n.w.counts[CountTrapRestart]++
	if e.Exit {
		n.w.counts[CountExit]++
		n.checkMirrored()
		n.end(nil)
		return
	}
	life := n.life
	n.w.after(n.w.upTo(20*time.Millisecond), func() {
		if n.life == life {
			n.closeInOrder()
		}
	})
}

func (n *node) closeInOrder() { n.end(n.sayGoodbye()) }

// sayGoodbye closes the incarnation and returns its memory.
func (n *node) sayGoodbye() *engine.Legacy {
	effects, legacy, err := n.driver.Close(n.w.now)
	if err != nil {
		n.w.fail("close %s: %w", n.name, err)
	}
	n.again(n.driver.MadeAgain())
	n.reaped(n.driver.Reaped())
	n.observe()
	n.hear()
	for _, e := range effects {
		if f, ok := e.(engine.Transmit); ok {
			n.w.net.transmit(n, f)
		}
	}
	return legacy
}

// end takes the node down; it comes back after a while.
func (n *node) end(legacy *engine.Legacy) {
	n.takeDown()
	n.restarts++
	n.comeBack(50*time.Millisecond+n.w.upTo(1500*time.Millisecond), legacy)
}

func (n *node) comeBack(in time.Duration, legacy *engine.Legacy) {
	life := n.life
	n.w.after(in, func() {
		if n.life == life && !n.isUp() {
			n.boot(legacy)
		}
	})
}

func (n *node) takeDown() {
	n.w.note("%s goes down", n.name)
	n.driver = nil
	n.life++
	n.inbox, n.raised, n.fresh, n.watches = nil, nil, nil, nil
	if n.isTwinned() {
		n.twin.takeDown()
	}
}

// crash ends the node without a word; its memory is gone.
func (n *node) crash() {
	if n.isUp() {
		n.takeDown()
	}
}

// hear goes through what the node has reported.
func (n *node) hear() {
	raised := n.raised
	n.raised = nil
	for _, e := range raised {
		n.w.counts[string(e.Kind)]++
		n.w.hear(n, e)
		switch {
		case !n.mayReport(e):
			n.w.fail("%s reports %s %s: %w", n.name, e.Kind, e.Table, e.Err)
		case n.isTwin():
		case e.Kind == engine.EventForgotten && e.Peer == n.name:
			n.returns()
		case e.Kind == engine.EventTrap:
			n.traps(e)
		case e.Kind == engine.EventRestart && e.Table != "": // else the others had closed it
			n.w.ledger.restarts(n)
		case e.Kind == engine.EventReady:
			n.becomesReady(e)
		}
	}
}

// mayReport says whether an event is nothing to worry about.
func (n *node) mayReport(e engine.Event) bool {
	switch {
	case e.Kind == engine.EventAlarm, strings.HasPrefix(string(e.Kind), "audit"):
		return false
	case e.Kind == engine.EventNameTaken:
		return n.isTwin()
	case e.Kind == engine.EventError && n.isGarbled:
		return true
	}
	return e.Err == nil || strings.Contains(e.Err.Error(), "module's bytes are not all here")
}

// status asks the node how it is.
func (n *node) status() engine.Status {
	var s engine.Status
	_, err := n.driver.Call(func(ctx context.Context, e *engine.Engine) (err error) {
		s, err = e.Status(ctx)
		return err
	}, nil)
	if err != nil {
		return engine.Status{Name: n.name}
	}
	return s
}
