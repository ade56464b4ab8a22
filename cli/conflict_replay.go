package cli

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) conflictReplayCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name: "replay", Usage: "run a module again on recorded conflicts, without effect, and tell what would change", ArgsUsage: "[ID]",
		Description: "Without --module and --plugin it is the handler in force. The node runs installed modules; a FILE is run here, as the node would.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "table", Usage: "without an ID: all conflicts of this `TABLE`"},
			&cli.IntFlag{Name: "limit", Usage: "at most `N`, the newest", DefaultText: "all"},
			&cli.StringFlag{Name: "plugin", Usage: "installed module to run: `PLUGIN` as for 'kvnode plugin activate'"},
			&cli.StringFlag{Name: "module", Usage: "`FILE` of a module that need not be installed"},
		},
		Action: sh.conflictReplay,
	}, "kvnode conflict replay --table carts --plugin carts", "kvnode conflict replay 3f2a")
}

func (sh *shell) conflictReplay(c *cli.Context) error {
	args, err := operands(c, "[ID]")
	if err != nil {
		return err
	}
	q := rest.ReplayQuery{ID: args[0], Table: c.String("table"), Limit: c.Int("limit"), Plugin: c.String("plugin")}
	switch {
	case (q.ID == "") == (q.Table == ""):
		return usagef("give either a conflict's id or --table")
	case q.Plugin != "" && c.String("module") != "":
		return usagef("give at most one of --plugin and --module")
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		replayed, err := sh.replay(ctx, client, q, c.String("module"))
		if err != nil {
			return onOneThere("replay", err)
		}
		return sh.show(c, rest.NewReplaysJSON(replayed), func(w *grid) { fillReplayed(w, replayed, q.ID != "") })
	})
}

func (sh *shell) replay(ctx context.Context, client *rest.Client, q rest.ReplayQuery, file string) ([]rest.Replayed, error) {
	if file == "" {
		return client.Replay(ctx, q)
	}
	module, err := sh.readModule(ctx, file)
	if err != nil {
		return nil, err
	}
	conflicts, err := recorded(ctx, client, q)
	if err != nil {
		return nil, err
	}
	return kvnode.ReplayOffline(ctx, module, rest.Limits{}, conflicts)
}

// recorded fetches the conflicts that a query means.
func recorded(ctx context.Context, client *rest.Client, q rest.ReplayQuery) ([]rest.Conflict, error) {
	if q.ID == "" {
		return client.Conflicts(ctx, kvnode.OfTable(q.Table), kvnode.AtMost(q.Limit))
	}
	one, err := client.Conflict(ctx, q.ID)
	return []rest.Conflict{one}, err
}

// fillReplayed shows the conflicts that would end otherwise; with whole, also those that would not.
func fillReplayed(w *grid, all []rest.Replayed, whole bool) {
	changed := 0
	for _, r := range all {
		if r.Changed {
			changed++
		}
		if !r.Changed && !whole {
			continue
		}
		w.row("conflict", r.ID)
		w.row("table", r.Table)
		w.row("key", cell(r.Key))
		w.row("  before", outcome(r.Before))
		w.row("  after", outcome(r.After))
		w.row("")
	}
	w.row("replayed", len(all))
	w.row("changed", changed)
}
