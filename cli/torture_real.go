package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/cli/torture"
)

func (sh *shell) tortureReally(c *cli.Context) error {
	faults, err := torture.ParseFaults(c.String("faults"))
	if err != nil {
		return usagef("--faults: %s", err)
	}
	if c.Bool("trace") {
		return usagef("--trace is of a simulated history: leave out --real; the logs of real nodes are kept when a promise is broken")
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	logs, err := os.MkdirTemp("", "kvnode-torture-")
	if err != nil {
		return fmt.Errorf("a directory for logs: %w", err)
	}
	bar := sh.newProgress("time")
	o := torture.Options{
		Program: program, Logs: logs, Nodes: c.Int("nodes"), Seed: seedOf(c), Faults: faults, Duration: realDuration(c),
		Progress: func(p torture.Progress) {
			bar.tell(float64(p.Elapsed)/float64(p.Of), fmt.Sprintf("%d writes, %d checkpoints, %d violations; %s",
				p.Counts.Writes, p.Counts.Checkpoints, p.Violations, p.Doing))
		},
	}
	report, err := torture.Run(c.Context, o)
	bar.end()
	return sh.judgeReal(c, report, logs, err)
}

// judgeReal prints the verdict. The logs go when there is nothing to find in them.
func (sh *shell) judgeReal(c *cli.Context, r torture.Report, logs string, failed error) error {
	v := tortureVerdict{Kind: "real", Seed: r.Seed, Seconds: r.Elapsed.Seconds(), Counts: map[string]int{}, Violations: []tortureViolation{}, Logs: logs}
	minutes := strconv.FormatFloat(realDuration(c).Minutes(), 'f', -1, 64)
	for _, text := range r.Violations {
		v.Violations = append(v.Violations, tortureViolation{Text: text, Replay: sameAgain(c, r.Seed, "--real", "--minutes", minutes)})
	}
	if len(r.Violations) == 0 && (failed == nil || errors.Is(failed, context.Canceled)) {
		v.Logs = ""
		failed = errors.Join(failed, os.RemoveAll(logs))
	}
	v.add("episodes", r.Episodes)
	for _, f := range torture.Faults() {
		v.add(string(f), r.Faults[f])
	}
	v.add("restarts after traps", r.Restarts)
	v.add("writes", r.Writes)
	v.add("writes acknowledged by others", r.Acknowledged)
	v.add("writes refused", r.Refused)
	for _, reason := range slices.Sorted(maps.Keys(r.Refusals)) {
		v.add("refused: "+reason, r.Refusals[reason])
	}
	v.add("writes without an answer", r.Unknown)
	v.add("reads", r.Reads)
	v.add("reads that saw siblings", r.Conflicts)
	v.add("checkpoints", r.Checkpoints)
	v.add("keys compared", r.Keys)
	v.add("watches compared", r.Watches)
	return errors.Join(sh.conclude(c, v), failed)
}

// realDuration is how long to go on.
func realDuration(c *cli.Context) time.Duration {
	if !c.IsSet("minutes") {
		return time.Minute
	}
	return minutesOf(c)
}
