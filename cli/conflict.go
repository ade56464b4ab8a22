package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) conflictCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name:  "conflict",
		Usage: "show the journal of conflicts and what was decided",
		Subcommands: []*cli.Command{
			withExamples(&cli.Command{
				Name: "ls", Usage: "list the conflicts, newest first",
				Flags:  []cli.Flag{&cli.BoolFlag{Name: "open", Usage: "only those whose key still has these versions"}},
				Action: sh.conflictList,
			}, "kvnode conflict ls --open", "kvnode conflict ls --output json"),
			withExamples(&cli.Command{Name: "show", Usage: "show one conflict with all its versions", ArgsUsage: "ID", Action: sh.conflictShow},
				"kvnode conflict show 3f2a", "kvnode conflict show 3f2a --output json"),
		},
	}, "kvnode conflict ls", "kvnode conflict show 3f2a")
}

func (sh *shell) conflictList(c *cli.Context) error {
	if _, err := operands(c, ""); err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		conflicts, err := client.Conflicts(ctx)
		if err != nil {
			return fmt.Errorf("list conflicts: %w", err)
		}
		if c.Bool("open") {
			conflicts = slices.DeleteFunc(conflicts, func(f rest.Conflict) bool { return !f.Open })
		}
		values := make([]rest.ConflictJSON, len(conflicts))
		for i, conflict := range conflicts {
			values[i] = rest.NewConflictJSON(conflict)
		}
		return sh.show(c, values, func(w *grid) {
			w.row("ID", "TABLE", "KEY", "VERSIONS", "STATE", "VERDICT", "PLUGIN", "MERGER", "OPEN", "TIME")
			for _, f := range conflicts {
				w.row(short(f.ID), f.Table, cell(f.Key), len(f.Versions), f.State, orDash(f.Verdict), orDash(f.Plugin), orDash(f.Merger),
					yesNo(f.Open), f.Time.Format(time.RFC3339))
			}
		})
	})
}

func (sh *shell) conflictShow(c *cli.Context) error {
	args, err := operands(c, "ID")
	if err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		conflict, err := client.Conflict(ctx, args[0])
		if err != nil {
			return fmt.Errorf("show conflict %s: %w", quoted(args[0]), err)
		}
		return sh.show(c, rest.NewConflictJSON(conflict), func(w *grid) { fillConflict(w, conflict) })
	})
}

func fillConflict(w *grid, f rest.Conflict) {
	w.row("id", f.ID)
	w.row("table", f.Table)
	w.row("key", cell(f.Key))
	w.row("state", f.State)
	w.fact("verdict", f.Verdict)
	if f.Value != nil {
		w.row("value", cell(f.Value))
	}
	if f.Reason != "" {
		w.row("reason", cell(f.Reason))
	}
	w.fact("plugin", f.Plugin)
	w.fact("module", f.SHA256)
	if f.Fuel > 0 {
		w.row("fuel", f.Fuel)
	}
	w.fact("merger", f.Merger)
	w.fact("restarted", f.Restarted)
	w.row("open", yesNo(f.Open))
	w.row("time", f.Time.Format(time.RFC3339Nano))
	fillVersions(w, f.Versions)
}
