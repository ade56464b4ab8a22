package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) conflictCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name:  "conflict",
		Usage: "show the journal of conflicts and what was decided, and decide by hand",
		Subcommands: []*cli.Command{
			withExamples(&cli.Command{
				Name: "ls", Usage: "list the conflicts, newest first", Description: jsonArray,
				Flags:  journalFlags(),
				Action: sh.conflictList,
			}, "kvnode conflict ls --open", "kvnode conflict ls --table carts --limit 10 --output json"),
			withExamples(&cli.Command{Name: "show", Usage: "show one conflict with all its versions", ArgsUsage: "ID", Action: sh.conflictShow},
				"kvnode conflict show 3f2a", "kvnode conflict show 3f2a --output json"),
			withExamples(&cli.Command{
				Name: "resolve", Usage: "end a conflict by hand, with a write that replaces exactly its versions", ArgsUsage: "ID",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "value", Usage: "`VALUE` that the key gets"},
					&cli.StringFlag{Name: "file", Usage: "`FILE` with the value; '-' is stdin"},
					&cli.StringFlag{Name: "pick", Usage: "`NUMBER` of the version, as 'kvnode conflict show' counts them, whose value the key gets"},
					&cli.BoolFlag{Name: "delete", Usage: "the key goes"},
				},
				Action: sh.conflictResolve,
			}, "kvnode conflict resolve 3f2a --value 2", "kvnode conflict resolve 7b10 --pick 1"),
			withExamples(&cli.Command{
				Name: "settle", Usage: "write what readers see of keys with conflicts, so that the conflicts are over", ArgsUsage: "TABLE [KEY]",
				Description: "Conflicts that nobody has decided are left as they are, and counted. When the KEY is left so, the exit code is 4; without a conflict, 3.",
				Flags:       []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "all keys of the table that have conflicts"}},
				Action:      sh.conflictSettle,
			}, "kvnode conflict settle carts alice", "kvnode conflict settle carts --all"),
			sh.conflictReplayCommand(),
			withExamples(&cli.Command{
				Name: "export", Usage: "write conflicts as fixtures, for 'kvnode plugin test' and 'kvnode plugin check --recorded'",
				Flags: append(journalFlags(),
					&cli.StringFlag{Name: "o", Usage: "`FILE` to write", DefaultText: "stdout"},
					&cli.BoolFlag{Name: "want", Usage: "expect the recorded verdicts: what they judge must not judge otherwise"}),
				Action: sh.conflictExport,
			}, "kvnode conflict export --table carts --open", "kvnode conflict export -o carts.json --want"),
		},
	}, "kvnode conflict ls", "kvnode conflict show 3f2a")
}

// journalFlags choose conflicts.
func journalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "table", Usage: "only those of this `TABLE`"},
		&cli.BoolFlag{Name: "open", Usage: "only those whose key still has these versions"},
		&cli.IntFlag{Name: "limit", Usage: "at most `N`, the newest", DefaultText: "all"},
	}
}

func chosenConflicts(ctx context.Context, c *cli.Context, client *rest.Client) ([]rest.Conflict, error) {
	opts := []rest.JournalOption{kvnode.OfTable(c.String("table")), kvnode.AtMost(c.Int("limit"))}
	if c.Bool("open") {
		opts = append(opts, kvnode.OnlyOpen())
	}
	conflicts, err := client.Conflicts(ctx, opts...)
	if err != nil {
		step := "list conflicts"
		if table := c.String("table"); table != "" {
			step += " of " + quoted(table)
		}
		return nil, onOneThere(step, err)
	}
	return conflicts, nil
}

func (sh *shell) conflictList(c *cli.Context) error {
	if _, err := operands(c, ""); err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		conflicts, err := chosenConflicts(ctx, c, client)
		if err != nil {
			return err
		}
		sh.sayNone(c, len(conflicts), "no conflicts that this node knows of")
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
	if f.Recorded != nil {
		w.row("recorded", outcome(*f.Recorded))
	}
	w.fact("plugin", f.Plugin)
	w.fact("module", f.SHA256)
	if f.Fuel > 0 {
		w.row("fuel", f.Fuel)
	}
	if f.Took > 0 {
		w.row("took", f.Took)
	}
	w.fact("merger", f.Merger)
	w.fact("restarted", f.Restarted)
	w.row("open", yesNo(f.Open))
	w.row("time", f.Time.Format(time.RFC3339Nano))
	if f.Base != nil {
		fillVersion(w, "base", *f.Base)
	}
	fillVersions(w, f.Versions)
}
