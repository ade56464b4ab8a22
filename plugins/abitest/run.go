package abitest

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // for the module that shows a frame's seed
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/kvnode/kvnode/plugins"
)

//go:embed seed.wasm
var seedModule string

// repeats is how often each call is made; every time has to be as the first.
const repeats = 3

// Run drives the probe in module, with the limits that a node has by default. It returns an error when the host refuses
// the module (plugins.ErrModule, which says what to change) or cannot run it now; what the probe does wrong is in the
// Report.
func Run(ctx context.Context, module []byte) (Report, error) {
	return run(ctx, module, func(probe resolver) resolver { return probe })
}

// run is Run with something between the kit and the probe.
func run(ctx context.Context, module []byte, between func(resolver) resolver) (report Report, err error) {
	lines := &logLines{}
	h, err := plugins.NewHost(plugins.Config{Logger: slog.New(lines), Workers: 1})
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, h.Close(context.WithoutCancel(ctx))) }()
	seeds, err := h.Load(ctx, []byte(seedModule), plugins.Limits{})
	if err != nil {
		return Report{}, fmt.Errorf("load the kit's own module: %w", err)
	}
	probe, err := h.Load(ctx, module, plugins.Limits{})
	if err != nil {
		return Report{}, fmt.Errorf("load the probe: %w", err)
	}
	sum := sha256.Sum256(module)
	report = Report{SHA256: hex.EncodeToString(sum[:])}
	report.Checks, err = (&suite{probe: between(probe), seeds: seeds, log: lines}).run(ctx)
	return report, err
}

// resolver is what the kit asks: a plugins.Module.
type resolver interface {
	Resolve(ctx context.Context, in plugins.Input) (plugins.Verdict, error)
}

// suite drives one probe.
type suite struct {
	probe, seeds resolver
	log          *logLines
}

// run makes all checks. Its error is the host's or ctx's, never the probe's.
func (s *suite) run(ctx context.Context) ([]Check, error) {
	var checks []Check
	for _, c := range cases() {
		if c.echo {
			seed, err := s.seed(ctx, c.in)
			if err != nil {
				return checks, fmt.Errorf("%s: ask for the seed: %w", c.name, err)
			}
			c.want = plugins.Verdict{Kind: plugins.Set, Value: dump(c.in, seed)}
		}
		check, err := s.check(ctx, c)
		if err != nil {
			return checks, fmt.Errorf("%s: %w", c.name, err)
		}
		checks = append(checks, check)
	}
	return checks, nil
}

// seed returns what the frame of a conflict has as its seed.
func (s *suite) seed(ctx context.Context, in plugins.Input) (uint64, error) {
	v, err := s.seeds.Resolve(ctx, in)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(v.Value), nil
}

// maxText is how many bytes of an outcome a report shows.
const maxText = 300

// outcome is what came of a call: a verdict, or a trap.
type outcome struct {
	verdict plugins.Verdict
	trap    *plugins.Trap
}

// fuel is what the call took.
func (o outcome) fuel() uint64 {
	if o.trap != nil {
		return o.trap.Fuel
	}
	return o.verdict.Fuel
}

// String says the outcome, shortened.
func (o outcome) String() string {
	text := o.verdict.String()
	if o.trap != nil {
		text = o.trap.Error()
	}
	if len(text) > maxText {
		text = fmt.Sprintf("%s... (%d bytes)", text[:maxText], len(o.verdict.Value))
	}
	return text
}

// check makes the calls of one case.
func (s *suite) check(ctx context.Context, c testCase) (Check, error) {
	check := Check{Name: c.name}
	first, err := s.call(ctx, c.in)
	if err != nil {
		return check, err
	}
	switch said := s.log.take(); {
	case c.logs != "" && first.verdict.Kind == plugins.Failed && first.verdict.Message == unsupported:
		check.Unsupported = true
	case c.logs != "" && !strings.Contains(said, c.logs):
		check.Failure = fmt.Sprintf("the log got %q, want %q", said, c.logs)
	default:
		check.Failure = c.compare(first)
	}
	if check.Failure == "" {
		check.Failure, err = s.repeat(ctx, c.in, first)
	}
	return check, err
}

// repeat makes the call again, and says how it differed.
func (s *suite) repeat(ctx context.Context, in plugins.Input, first outcome) (string, error) {
	for range repeats - 1 {
		again, err := s.call(ctx, in)
		switch {
		case err != nil:
			return "", err
		case again.String() != first.String() || !bytes.Equal(again.verdict.Value, first.verdict.Value):
			return fmt.Sprintf("the same call gave %s, and then %s", first, again), nil
		case again.fuel() != first.fuel():
			return fmt.Sprintf("the same call took %d units of fuel, and then %d", first.fuel(), again.fuel()), nil
		}
	}
	s.log.take()
	return "", nil
}

// call asks the probe once.
func (s *suite) call(ctx context.Context, in plugins.Input) (outcome, error) {
	v, err := s.probe.Resolve(ctx, in)
	if trap, ok := errors.AsType[*plugins.Trap](err); ok {
		return outcome{trap: trap}, nil
	}
	return outcome{verdict: v}, err
}

// compare says what is wrong with an outcome, or nothing.
func (c *testCase) compare(got outcome) string {
	v := got.verdict
	switch {
	case got.trap != nil && (c.mayTrap || c.mustTrap):
		return ""
	case got.trap != nil:
		return got.String()
	case c.mustTrap:
		return fmt.Sprintf("it answered %s, want a trap", got)
	case c.like != nil && c.like(v):
		return ""
	case v.Kind == c.want.Kind && v.Index == c.want.Index && v.Message == c.want.Message && bytes.Equal(v.Value, c.want.Value):
		return ""
	}
	return difference(got, outcome{verdict: c.want})
}

// difference says what came and what was wanted; of long values, where they part.
func difference(got, want outcome) string {
	a, b := got.verdict.Value, want.verdict.Value
	if got.verdict.Kind != want.verdict.Kind || len(a)+len(b) < 500 {
		return fmt.Sprintf("it answered %s, want %s", got, want)
	}
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	return fmt.Sprintf("it answered %d bytes, want %d, and byte %d is the first that differs: ...%q, want ...%q",
		len(a), len(b), at, around(a, at), around(b, at))
}

// around is a piece of b about the place at.
func around(b []byte, at int) []byte { return b[max(0, at-20):min(len(b), at+20)] }
