package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) tableCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name:  "table",
		Usage: "create, ls, info, clear and drop tables",
		Subcommands: []*cli.Command{
			withExamples(&cli.Command{
				Name: "create", Usage: "create a table; the same again is no error", ArgsUsage: "TABLE",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "type", Usage: "`TYPE`: set, or ordered_set for scans by prefix", DefaultText: "set"},
					&cli.StringFlag{Name: "ack", Usage: "`LEVEL` of its writes: local, one (another node), quorum (a majority of the known members), all (those that are connected, if any)", DefaultText: "all"},
					&cli.StringFlag{Name: "unresolved", Usage: "`POLICY` for conflicts without a handler: keep, lww, restart", DefaultText: "keep"},
					&cli.StringFlag{Name: "deletes", Usage: "`WHAT` becomes of deletes: hidden, or visible: one that meets a value which it has not seen stays beside it, and the handler decides", DefaultText: "hidden"},
					&cli.StringFlag{Name: "handler", Usage: "`PLUGIN` that judges its conflicts: an installed one, or " + joined(kvnode.Builtins()), DefaultText: "the one named like the table"},
					&cli.BoolFlag{Name: "local", Usage: "do not replicate it"},
				},
				Action: sh.tableCreate,
			}, "kvnode table create carts", "kvnode table create sessions --type ordered_set --ack one --unresolved lww"),
			withExamples(&cli.Command{Name: "ls", Usage: "list the tables", Description: jsonArray, Action: sh.tableList},
				"kvnode table ls", "kvnode table ls --output json"),
			withExamples(&cli.Command{Name: "info", Usage: "describe a table", ArgsUsage: "TABLE", Action: sh.tableInfo},
				"kvnode table info carts", "kvnode table info carts --output json"),
			withExamples(&cli.Command{Name: "clear", Usage: "delete all keys of a table", ArgsUsage: "TABLE", Action: sh.tableDo((*rest.Client).ClearTable, "cleared")},
				"kvnode table clear carts", "kvnode table clear carts --timeout 1m"),
			withExamples(&cli.Command{Name: "drop", Usage: "remove a table from the whole cluster", ArgsUsage: "TABLE", Action: sh.tableDo((*rest.Client).DropTable, "dropped")},
				"kvnode table drop carts", "kvnode table drop carts --addr 127.0.0.1:7070"),
		},
	}, "kvnode table create carts", "kvnode table ls")
}

func (sh *shell) tableCreate(c *cli.Context) error {
	args, err := operands(c, "TABLE")
	if err != nil {
		return err
	}
	options := rest.TableOptions{
		Type: rest.TableType(c.String("type")), Ack: rest.AckLevel(c.String("ack")), Unresolved: rest.Policy(c.String("unresolved")),
		Deletes: rest.Deletes(c.String("deletes")), Handler: c.String("handler"), Local: c.Bool("local"),
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		info, err := client.CreateTable(ctx, args[0], options)
		if err != nil {
			return &placed{step: "create table " + quoted(args[0]), table: args[0], err: err}
		}
		if err := sh.show(c, rest.NewTableJSON(info), func(w *grid) { fillTable(w, info) }); err != nil {
			return err
		}
		if rest.LacksHandler(info) {
			sh.warnOfHandler(ctx, client, info)
		}
		return nil
	})
}

// warnOfHandler says that a table's handler is not installed, and what was meant if that can be guessed.
func (sh *shell) warnOfHandler(ctx context.Context, client *rest.Client, t rest.TableInfo) {
	names := kvnode.Builtins()
	if plugins, err := client.Plugins(ctx); err == nil { // else the guess is a poorer one
		for _, p := range plugins {
			names = append(names, p.Name)
		}
	}
	sh.say("kvnode: warning: the handler %s is not installed; until it is, the policy %q decides", quoted(t.Options.Handler), t.Options.Unresolved)
	if guess := nearest(names, t.Options.Handler); guess != "" {
		sh.say("  next: if you meant %q: kvnode plugin activate %s %s", guess, t.Name, guess)
		return
	}
	sh.say("  next: kvnode plugin install %s FILE", t.Options.Handler)
}

func (sh *shell) tableList(c *cli.Context) error {
	if _, err := operands(c, ""); err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		tables, err := client.Tables(ctx)
		if err != nil {
			return fmt.Errorf("list tables: %w", err)
		}
		values := make([]rest.TableJSON, len(tables))
		for i, t := range tables {
			values[i] = rest.NewTableJSON(t)
		}
		sh.sayNone(c, len(tables), "no tables: make one with 'kvnode table create'")
		return sh.show(c, values, func(w *grid) {
			w.row("TABLE", "TYPE", "ACK", "UNRESOLVED", "HANDLER", "KEYS", "BYTES", "CONFLICTS", "UNSTABLE")
			for _, t := range tables {
				w.row(t.Name, t.Options.Type, t.Options.Ack, t.Options.Unresolved, handlerName(t), t.Keys, t.Bytes, t.Conflicts, t.Unstable)
			}
		})
	})
}

// handlerName is the handler in force. That no module is named like the table is nothing to speak of.
func handlerName(t rest.TableInfo) string {
	switch {
	case rest.LacksHandler(t):
		return t.Options.Handler + " (not installed)"
	case t.Active == nil:
		return "-"
	case t.Active.Disabled:
		return t.Active.Plugin + " (disabled)"
	default:
		return t.Active.Plugin
	}
}

func (sh *shell) tableInfo(c *cli.Context) error {
	args, err := operands(c, "TABLE")
	if err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		info, err := client.Table(ctx, args[0])
		if err != nil {
			return onTable("describe", args[0], err)
		}
		return sh.show(c, rest.NewTableJSON(info), func(w *grid) { fillTable(w, info) })
	})
}

func fillTable(w *grid, t rest.TableInfo) {
	w.row("table", t.Name)
	w.row("epoch", t.Epoch)
	w.row("type", t.Options.Type)
	w.row("ack", t.Options.Ack)
	w.row("unresolved", t.Options.Unresolved)
	w.row("deletes", t.Options.Deletes)
	w.row("local", yesNo(t.Options.Local))
	w.row("handler", handlerName(t))
	if t.Active != nil {
		w.row("module", t.Active.SHA256)
		w.fact("disabled", t.Active.Reason)
	}
	if r := t.Shadow; r != nil {
		w.row("shadow", fmt.Sprintf("%s@%d %s", r.Plugin, r.Number, short(r.SHA256)))
	}
	for _, r := range slices.Backward(t.Earlier) {
		w.row("before", fmt.Sprintf("%s@%d %s", r.Plugin, r.Number, short(r.SHA256)))
	}
	w.row("keys", t.Keys)
	w.row("bytes", t.Bytes)
	w.row("conflicts", t.Conflicts)
	w.row("unstable", t.Unstable)
	for _, o := range t.RejectedOptions {
		w.row("rejected", fmt.Sprintf("type %s, ack %s, unresolved %s, deletes %s, handler %s", o.Type, o.Ack, o.Unresolved, o.Deletes, o.Handler))
	}
}

// noTableError is ErrNoTable for somebody who does not want to be told how to create what he was about to drop.
type noTableError struct {
	message string
	err     error
}

func (e *noTableError) Error() string { return e.message }
func (e *noTableError) Unwrap() error { return e.err }

// onTable is the failure of a verb on a table that had to be there.
func onTable(verb, table string, err error) error {
	return onOneThere(verb+" table "+quoted(table), err)
}

// onOneThere is the failure of a step that needs a table.
func onOneThere(step string, err error) error {
	if rest.ProblemOf(err).Code == "no_table" {
		return &noTableError{message: step + ": no such table", err: err}
	}
	return fmt.Errorf("%s: %w", step, err)
}

// tableDo is the action of a verb that needs only a table and answers nothing.
func (sh *shell) tableDo(verb func(*rest.Client, context.Context, string) error, done string) cli.ActionFunc {
	return func(c *cli.Context) error {
		args, err := operands(c, "TABLE")
		if err != nil {
			return err
		}
		return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
			if err := verb(client, ctx, args[0]); err != nil {
				return onTable(c.Command.Name, args[0], err)
			}
			return sh.showDone(c, "table", args[0], done)
		})
	}
}
