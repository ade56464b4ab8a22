package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/engine/enginetest/sim"
)

const (
	// defaultSeeds is how many histories are played when nobody says how many.
	defaultSeeds = 1000
	// enoughBroken is after how many broken histories no more begin.
	enoughBroken = 5
)

// simulation plays histories, each on one core, and adds up what happens. The methods are safe for concurrent use.
type simulation struct {
	o     sim.Options
	began time.Time
	count int           // of histories; 0 for as many as there is time for
	lasts time.Duration // 0 for no limit

	mu         sync.Mutex // guards what follows
	next, done int
	counts     sim.Counts
	virtual    time.Duration
	broken     []*sim.Violation
	err        error
}

func (sh *shell) tortureSimulated(c *cli.Context) error {
	faults, err := sim.ParseFaults(c.String("faults"))
	if err != nil {
		return usagef("--faults: %s", err)
	}
	s := &simulation{
		o: sim.Options{Seed: seedOf(c), Nodes: c.Int("nodes"), Faults: faults}, began: time.Now(), count: c.Int("seeds"), lasts: minutesOf(c),
		counts: sim.Counts{},
	}
	switch {
	case s.lasts > 0:
	case s.count == 0 && c.IsSet("seed"):
		s.count = 1
	case s.count == 0:
		s.count = defaultSeeds
	}
	if c.Bool("trace") {
		if s.count != 1 {
			return usagef("--trace is of one history: say which with --seed")
		}
		if c.String("output") == "json" {
			return usagef("--trace is text: leave out --output json")
		}
		s.o.Trace = sh.stdout
	}
	return sh.playAll(c, s)
}

// playAll plays on all cores, and says what came of it.
func (sh *shell) playAll(c *cli.Context, s *simulation) error {
	bar := sh.newProgress("histories")
	var cores sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		cores.Go(func() { s.work(c.Context, bar) })
	}
	cores.Wait()
	bar.end()
	v := tortureVerdict{Kind: "simulated", Seed: s.o.Seed, Seconds: time.Since(s.began).Seconds(), Counts: map[string]int{}, Violations: []tortureViolation{}}
	v.add("histories", s.done)
	v.add("simulated minutes", int(s.virtual/time.Minute))
	v.addAll(s.counts)
	for _, b := range s.broken {
		v.Violations = append(v.Violations, tortureViolation{Text: b.Error(), Replay: sameAgain(c, b.Options.Seed)})
	}
	return errors.Join(sh.conclude(c, v), s.err, interrupted(c.Context))
}

// work plays one history after the other.
func (s *simulation) work(ctx context.Context, bar *progress) {
	for {
		o, ok := s.begin()
		if !ok {
			return
		}
		report, err := sim.Run(ctx, o)
		if ctx.Err() != nil {
			return
		}
		s.end(report, err)
		s.tell(bar)
	}
}

// begin takes the next seed, if there is one.
func (s *simulation) begin() (sim.Options, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	isOver := s.count > 0 && s.next >= s.count || s.lasts > 0 && time.Since(s.began) >= s.lasts
	if isOver || s.err != nil || len(s.broken) >= enoughBroken {
		return s.o, false
	}
	o := s.o
	o.Seed += uint64(s.next)
	s.next++
	return o, true
}

func (s *simulation) end(report sim.Report, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
	s.counts.Add(report.Counts)
	s.virtual += report.Virtual
	violation, isBroken := errors.AsType[*sim.Violation](err)
	switch {
	case isBroken:
		s.broken = append(s.broken, violation)
	case err != nil:
		s.err = errors.Join(s.err, err)
	}
}

func (s *simulation) tell(bar *progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	part := float64(s.done) / float64(max(1, s.count))
	if s.lasts > 0 {
		part = float64(time.Since(s.began)) / float64(s.lasts)
	}
	bar.tell(part, fmt.Sprintf("%d histories, %d writes, %d crashes, %d violations", s.done, s.counts["write"], s.counts["crash"], len(s.broken)))
}
