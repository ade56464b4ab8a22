package sim

import "time"

// weather is how rough the surroundings are.
type weather struct {
	// latency is the least time a frame takes; jitter is added, evenly; one in a hundred takes a straggle longer.
	latency, jitter, straggle time.Duration
	// loss and twice are the chances of each frame to get lost, or to arrive twice.
	loss, twice float64
	// closeAfter is how long an incarnation must have been gone before the members agree on what it left.
	closeAfter time.Duration
	// skew bounds the error of the nodes' clocks; skews is the mean time between their being set anew.
	skew, skews time.Duration
	// exit makes nodes end their process on a trap where others restart in place.
	exit bool
	// mines makes all handlers trap.
	mines bool
	// oneSecret gives all nodes the same secret from the start, so that each takes the others' tokens at once.
	oneSecret bool
	// Mean times between troubles, zero for never.
	cuts, crashes, pauses, joins, restarts, slows, absences, garbage, twins time.Duration
	// forgetAfter is how long a member may be away before the others forget it.
	forgetAfter time.Duration
	// oneWay is the chance that a cut is of one direction of one connection.
	oneWay float64
	// bulky makes some values so long that transfers take several chunks, and mutations several frames.
	bulky bool
	// Mean time between clients' calls.
	calls time.Duration
	// clients are what clients may ask for besides reading and writing.
	drops, handlers, traps bool
	// locals lets clients use the table that is not replicated; nodes that have keys in it do not end their process.
	locals bool
}

// drawWeather draws the weather of a history, and how long it lasts. What the faults exclude is drawn all the same, so that a history without one
// kind of trouble is otherwise as it was for as long as possible.
func drawWeather(w *world, faults Faults) (weather, time.Duration) {
	length := 20 * time.Second
	v := weather{
		latency: 200 * time.Microsecond, jitter: pick(w, []time.Duration{time.Millisecond, 20 * time.Millisecond, 80 * time.Millisecond}),
		straggle: pick(w, []time.Duration{0, 300 * time.Millisecond}),
		loss:     pick(w, []float64{0, 0, 0.02, 0.15}), twice: pick(w, []float64{0, 0.03}),
		skew: pick(w, []time.Duration{0, 30 * time.Millisecond, 3 * time.Minute, 7 * time.Hour}), exit: w.chance(0.3),
		cuts:    pick(w, []time.Duration{0, 4 * time.Second, 10 * time.Second}),
		crashes: pick(w, []time.Duration{0, 0, 4 * time.Second, 12 * time.Second}),
		pauses:  pick(w, []time.Duration{0, 0, 8 * time.Second}), joins: pick(w, []time.Duration{0, 10 * time.Second}),
		bulky: w.chance(0.15), oneSecret: w.chance(0.5), oneWay: 0.3,
		calls: pick(w, []time.Duration{20 * time.Millisecond, 60 * time.Millisecond, 250 * time.Millisecond}),
		drops: true, handlers: true, traps: true,
		closeAfter: pick(w, []time.Duration{2 * time.Second, 5 * time.Second, time.Minute}),
	}
	v.drawRest(w)
	if w.chance(0.05) { // long enough for quarantines to be lifted, and for restarts to be forgotten
		length, v.calls = 150*time.Second, 250*time.Millisecond
	}
	if w.chance(0.2) { // where restarts can be told apart
		v.mines, v.exit, v.loss, v.crashes, v.pauses = true, false, 0, 0, 0
		v.restarts, v.slows, v.absences, v.twins = 0, 0, 0, 0
		v.cuts = pick(w, []time.Duration{0, 10 * time.Second})
	}
	return v.only(faults), length
}

// drawRest draws what comes more seldom.
func (v *weather) drawRest(w *world) {
	second := time.Second
	v.skews = pick(w, []time.Duration{0, 0, 5 * second})
	v.restarts = pick(w, []time.Duration{0, 0, 8 * second})
	v.slows = pick(w, []time.Duration{0, 0, 6 * second})
	v.garbage = pick(w, []time.Duration{0, 0, 3 * second})
	v.absences = pick(w, []time.Duration{0, 0, 8 * second})
	v.locals = w.chance(0.5) && !v.exit || w.chance(0.1)
	v.forgetAfter = pick(w, []time.Duration{0, 0, 8 * second})
	if w.chance(0.1) {
		v.twins, v.exit = 5*second, false
	}
}

// only takes away what is none of these faults.
func (v weather) only(f Faults) weather {
	for _, off := range []struct {
		kinds Faults
		do    func()
	}{
		{Loss, func() { v.loss = 0 }},
		{Duplicate, func() { v.twice = 0 }},
		{Delay, func() { v.jitter, v.straggle = time.Microsecond, 0 }},
		{Cut | Asymmetric, func() { v.cuts = 0 }},
		{Cut, func() { v.oneWay = 1 }},
		{Asymmetric, func() { v.oneWay = 0 }},
		{Pause, func() { v.pauses = 0 }},
		{Crash, func() { v.crashes = 0 }},
		{Join, func() { v.joins = 0 }},
		{Skew, func() { v.skew, v.skews = 0, 0 }},
		{Drop, func() { v.drops = false }},
		{Handler, func() { v.handlers = false }},
		{Trap, func() { v.traps, v.mines, v.exit = false, false, false }},
		{Bulk, func() { v.bulky = false }},
		{Restart, func() { v.restarts = 0 }},
		{Slow, func() { v.slows = 0 }},
		{Forget, func() { v.absences, v.forgetAfter = 0, 0 }},
		{Garbage, func() { v.garbage = 0 }},
		{Twin, func() { v.twins = 0 }},
	} {
		if !f.Has(off.kinds) {
			off.do()
		}
	}
	return v
}

// isStill reports whether no trouble ever comes but what the handlers make.
func (v weather) isStill() bool {
	troubles := v.cuts + v.crashes + v.pauses + v.restarts + v.slows + v.absences + v.twins
	return v.loss == 0 && troubles == 0
}
