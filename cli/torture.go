package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/cli/torture"
	"github.com/kvnode/kvnode/engine/enginetest/sim"
)

// errBroken says that a promise was broken.
var errBroken = errors.New("a promise was broken: please report it, with the command that replays it")

// maxTold is how many violations are told, each in a line; --output json has all, with their stories, and so have the logs.
const maxTold = 10

func (sh *shell) tortureCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name:      "torture",
		Usage:     "trouble clusters and check that they keep what they promise",
		ArgsUsage: " ",
		Description: "Plays random histories of whole simulated clusters, on all cores: an oracle that knows for every write what its author had seen checks\n" +
			"every node after every step. A history follows from its seed; the command that replays a failing one is printed.\n" +
			"Faults: " + sim.AllFaults().String() + ".\n\n" +
			"With --real, nodes are processes of their own, with real NATS routes that are cut, and clients over HTTP. After each episode of faults\n" +
			"all heals, and the nodes are compared: they must hold and show the same, nothing may be missing that had to survive, nothing may be\n" +
			"there that was deleted, replaced or refused. Entries are in memory: a write that N nodes acknowledged survives fewer than N losses of\n" +
			"a node's memory (kill, leave) until all nodes were found to hold it, so nodes lose it one after the other, each when the one before is\n" +
			"ready again. The seed gives the faults and what clients ask for; when exactly things happen differs from run to run.\n" +
			"Faults: " + realFaults() + ".\n\n" +
			"Exit code 1: a promise was broken.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "real", Usage: "run real processes"},
			&cli.IntFlag{Name: "nodes", Usage: "`NUMBER` of nodes, 2 to 9", DefaultText: "5, simulated as the seed says"},
			&cli.IntFlag{Name: "seeds", Usage: "`NUMBER` of simulated histories", DefaultText: "1000, or 1 with --seed"},
			&cli.Float64Flag{Name: "minutes", Usage: "`TIME` to go on, instead of --seeds", DefaultText: "1 with --real"},
			&cli.Uint64Flag{Name: "seed", Usage: "first `SEED`, the others count up from it", DefaultText: "a random one"},
			&cli.StringFlag{Name: "faults", Usage: "`KINDS` of faults, separated by commas", DefaultText: "all"},
			&cli.BoolFlag{Name: "trace", Usage: "print all that happens in one simulated history"},
		},
		Action: sh.torture,
	}, "kvnode torture --seeds 20", "kvnode torture --real --nodes 3 --minutes 0.1")
}

func realFaults() string {
	var kinds []string
	for _, f := range torture.Faults() {
		kinds = append(kinds, string(f))
	}
	return strings.Join(kinds, ",")
}

func (sh *shell) torture(c *cli.Context) error {
	if _, err := operands(c, ""); err != nil {
		return err
	}
	if nodes := c.Int("nodes"); c.IsSet("nodes") && (nodes < 2 || nodes > sim.MaxNodes) {
		return usagef("--nodes %d: use 2 to %d", nodes, sim.MaxNodes)
	}
	switch minutes := c.Float64("minutes"); {
	case minutes < 0 || c.IsSet("minutes") && minutes == 0:
		return usagef("--minutes %v: use a positive time", minutes)
	case c.IsSet("seeds") && c.Int("seeds") < 1:
		return usagef("--seeds %d: use 1 or more", c.Int("seeds"))
	case c.IsSet("seeds") && (c.IsSet("minutes") || c.Bool("real")):
		return usagef("--seeds counts simulated histories: leave out --minutes and --real")
	case c.Bool("real"):
		return sh.tortureReally(c)
	default:
		return sh.tortureSimulated(c)
	}
}

// tortureVerdict is what came of a torture.
type tortureVerdict struct {
	Kind       string              `json:"kind"`
	Seed       uint64              `json:"seed"`
	Seconds    float64             `json:"seconds"`
	Counts     map[string]int      `json:"counts"`
	Violations []tortureViolation  `json:"violations"`
	Logs       string              `json:"logs,omitempty"`
	rows       []tortureVerdictRow // of the table, in their order
}

// tortureViolation is one broken promise.
type tortureViolation struct {
	Text   string `json:"text"`
	Replay string `json:"replay"`
}

type tortureVerdictRow struct {
	what  string
	count int
}

// add adds a count, in its place.
func (v *tortureVerdict) add(what string, count int) {
	v.Counts[what] = count
	v.rows = append(v.rows, tortureVerdictRow{what, count})
}

// conclude prints the verdict, and returns errBroken if a promise was broken.
func (sh *shell) conclude(c *cli.Context, v tortureVerdict) error {
	err := sh.show(c, v, func(w *grid) {
		w.row("torture", v.Kind)
		w.row("seed", v.Seed)
		w.row("time", time.Duration(v.Seconds*float64(time.Second)).Round(time.Second))
		for _, r := range v.rows {
			w.row(r.what, r.count)
		}
		w.row("violations", len(v.Violations))
		w.fact("logs", v.Logs)
	})
	for _, violation := range v.Violations[:min(len(v.Violations), maxTold)] {
		first, _, _ := strings.Cut(violation.Text, "\n")
		sh.say("%s\n  replay: %s", printable(first), violation.Replay)
	}
	if len(v.Violations) > 0 {
		err = errors.Join(errBroken, err)
	}
	return err
}

// sameAgain is the command that does the same again.
func sameAgain(c *cli.Context, seed uint64, flags ...string) string {
	words := []string{"kvnode", "torture"}
	words = append(words, flags...)
	if c.IsSet("nodes") {
		words = append(words, "--nodes", strconv.Itoa(c.Int("nodes")))
	}
	if kinds := c.String("faults"); kinds != "" {
		words = append(words, "--faults", strings.ReplaceAll(kinds, " ", ""))
	}
	return strings.Join(append(words, "--seed", strconv.FormatUint(seed, 10)), " ")
}

// seedOf is the seed asked for, or a random one that is short enough to type.
func seedOf(c *cli.Context) uint64 {
	if c.IsSet("seed") {
		return c.Uint64("seed")
	}
	return uint64(1 + rand.Uint32())
}

// minutesOf is the time asked for.
func minutesOf(c *cli.Context) time.Duration {
	return time.Duration(c.Float64("minutes") * float64(time.Minute))
}

// interrupted says that nothing is wrong but that the time was not up.
func interrupted(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("interrupted: %w", context.Cause(ctx))
}

// addAll adds counts in the order of their names.
func (v *tortureVerdict) addAll(counts map[string]int) {
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		v.add(what, counts[what])
	}
}
