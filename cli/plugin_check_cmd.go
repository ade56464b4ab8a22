package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/plugins/check"
	"github.com/kvnode/kvnode/plugins/fixture"
	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) pluginCheckCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name: "check", Usage: "hold a module against the laws of handlers, without a node", ArgsUsage: "FILE",
		Description: "Conflicts are made of the fixtures' and the recorded values. A law that breaks comes with a small conflict that breaks it, as a fixture.\n" +
			"The report is written beside the module, as FILE.check.json without the .wasm, and 'kvnode plugin install' sends it along. The exit code\n" +
			"is 1 when a law is broken that nodes rely on. docs/HANDLERS.md explains the laws.",
		Flags: offlineFlags(
			&cli.StringFlag{Name: "recorded", Usage: "`FILE` of recorded conflicts, from 'kvnode conflict export'"},
			&cli.IntFlag{Name: "runs", Value: check.DefaultRuns, Usage: "`NUMBER` of conflicts to make for each law"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "`SEED` of the conflicts: another makes others"},
			&cli.BoolFlag{Name: "no-write", Usage: "leave no report beside the module"},
		),
		Action: sh.pluginCheck,
	}, "kvnode plugin check carts.wasm", "kvnode plugin check carts.wasm --runs 50 --seed 7 --no-write")
}

func (sh *shell) pluginCheck(c *cli.Context) error {
	w, err := sh.workpiece(c)
	if err != nil {
		return err
	}
	if c.Int("runs") < 1 {
		return usagef("--runs %d: use at least 1", c.Int("runs"))
	}
	config := check.Config{Limits: w.limits, Fixtures: w.cases, Runs: c.Int("runs"), Seed: c.Uint64("seed")}
	if file := c.String("recorded"); file != "" {
		if config.Recorded, err = fixture.ReadFile(file); err != nil {
			return fmt.Errorf("read the recorded conflicts: %w", err)
		}
	}
	if len(config.Fixtures)+len(config.Recorded) == 0 {
		sh.say("kvnode: there are no fixtures, so values of no meaning are tried: write fixtures.json beside the module")
	}
	report, err := check.Run(c.Context, w.module, config)
	if err != nil {
		return fmt.Errorf("check %s: %w", quoted(w.file), err)
	}
	if err := sh.show(c, report, func(g *grid) { fillReport(g, report) }); err != nil {
		return err
	}
	if err := sh.writeReport(c, w.file, report); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if !report.OK() {
		return fmt.Errorf("%s: %s", w.file, report.Summary())
	}
	sh.say("%s", report.Summary())
	return nil
}

// writeReport leaves the report beside the module, cut to what a node keeps.
func (sh *shell) writeReport(c *cli.Context, module string, report check.Report) error {
	if c.Bool("no-write") || module == "-" {
		return nil
	}
	raw, err := json.MarshalIndent(report.Fit(rest.MaxCheckBytes), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(reportBeside(module), append(raw, '\n'), 0o644)
}

func fillReport(w *grid, report check.Report) {
	w.row("LAW", "", "STATE", "CONFLICTS", "RULE")
	for _, l := range report.Laws {
		kind, state := "good", string(l.State)
		if l.Needed {
			kind = "needed"
		}
		if l.State == check.Broken {
			state = "BROKEN"
		}
		w.row(l.Name, kind, state, l.Count, l.Rule)
		for _, text := range []string{l.Problem, l.Note, example(l.Counterexample)} {
			for line := range strings.Lines(text) {
				w.row("", "", "", "", "  "+printable(strings.TrimSuffix(line, "\n")))
			}
		}
	}
}

// maxExample is how long a counterexample may be that a table shows; JSON shows all.
const maxExample = 2000

// example is a counterexample as a fixture, on one line.
func example(c *fixture.Case) string {
	if c == nil {
		return ""
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(c); err != nil {
		return ""
	}
	if b.Len() > maxExample {
		return fmt.Sprintf("(a conflict of %d bytes: see --output json)", b.Len())
	}
	return b.String()
}
