package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) pluginShow(c *cli.Context) error {
	args, err := operands(c, "PLUGIN")
	if err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		plugins, err := client.Plugin(ctx, args[0])
		if err != nil {
			return fmt.Errorf("show plugin %s: %w", quoted(args[0]), err)
		}
		tables, err := client.Tables(ctx)
		if err != nil {
			return fmt.Errorf("list tables: %w", err)
		}
		return sh.show(c, plugins, func(w *grid) {
			for i, p := range markDisabled(plugins, tables) {
				if i > 0 {
					w.row("")
				}
				fillPlugin(w, p)
			}
		})
	})
}

func fillPlugin(w *grid, p rest.PluginInfo) {
	w.row("plugin", p.Name)
	w.row("number", p.Number)
	w.row("module", p.SHA256)
	w.row("bytes", p.Size)
	w.row("installed", p.Installed.Format(time.RFC3339))
	w.row("here", yesNo(p.Here))
	w.row("tables", orDash(joined(p.Tables)))
	w.row("imports", orDash(joined(p.Imports)))
	w.row("metering", p.Rewriter)
	w.row("memory", orDefault(p.Limits.MemoryBytes))
	w.row("fuel", orDefault(p.Limits.Fuel))
	w.row("output", orDefault(p.Limits.OutputBytes))
	if r := p.Runs; r != nil {
		w.row("runs", fmt.Sprintf("%d here: %d values, %d deletes, %d keeps, %d errors, %d traps, %d failures of the node",
			r.Runs, r.Values, r.Deletes, r.Keeps, r.Errors, r.Traps, r.Failures))
		w.row("used", fmt.Sprintf("%d fuel, %s", r.Fuel, r.Took))
	}
	w.row("check", checkOf(p))
	for _, line := range checkLines(p.Check) {
		w.row("  "+line[0], line[1])
	}
}

func orDefault(limit uint64) any {
	if limit == 0 {
		return "default"
	}
	return limit
}

// checkLines are the facts of a check report that are no lists or objects, by name.
func checkLines(report json.RawMessage) [][2]string {
	var fields map[string]any
	if json.Unmarshal(report, &fields) != nil {
		return nil // there is none
	}
	var lines [][2]string
	for name, value := range fields {
		switch value.(type) {
		case string, float64, bool:
			lines = append(lines, [2]string{cell(name), cell(fmt.Sprint(value))})
		}
	}
	slices.SortFunc(lines, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	return lines
}

func (sh *shell) pluginActivate(c *cli.Context) error {
	args, err := operands(c, "TABLE PLUGIN")
	if err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		record, err := client.Activate(ctx, args[0], args[1])
		if err != nil {
			return fmt.Errorf("activate %s for %s: %w", quoted(args[1]), quoted(args[0]), err)
		}
		return sh.showHandler(c, args[0], record)
	})
}

func (sh *shell) pluginRollback(c *cli.Context) error {
	return sh.handlerOfTable(c, "roll back the handler of", (*rest.Client).Rollback)
}

func (sh *shell) pluginDisable(c *cli.Context) error {
	return sh.handlerOfTable(c, "disable the handler of", (*rest.Client).Disable)
}

// handlerOfTable makes a change that is answered with the table's handler.
func (sh *shell) handlerOfTable(c *cli.Context, what string, change func(*rest.Client, context.Context, string) (rest.Handler, error)) error {
	args, err := operands(c, "TABLE")
	if err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		record, err := change(client, ctx, args[0])
		if err != nil {
			return fmt.Errorf("%s %s: %w", what, quoted(args[0]), err)
		}
		return sh.showHandler(c, args[0], record)
	})
}

func (sh *shell) showHandler(c *cli.Context, table string, record rest.Handler) error {
	return sh.show(c, record, func(w *grid) {
		w.row("table", table)
		w.row("plugin", record.Plugin)
		w.row("number", record.Number)
		w.row("module", record.SHA256)
		w.row("epoch", record.Epoch)
		if record.Disabled {
			w.row("disabled", record.Reason)
		}
	})
}
