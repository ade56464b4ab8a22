package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/plugins/check"
	"github.com/kvnode/kvnode/rest"
)

// pluginRunCommands choose what judges, and tell of it.
func (sh *shell) pluginRunCommands() []*cli.Command {
	return []*cli.Command{
		withExamples(&cli.Command{
			Name: "activate", Usage: "make a module judge a table's conflicts", ArgsUsage: "TABLE [PLUGIN]",
			Description: "PLUGIN is a name, which means its latest module, NAME@NUMBER, or a SHA-256 or the beginning of one. Every node brings along\n" +
				joined(kvnode.Builtins()) + ". With --shadow the module runs beside the one in force, without effect;\n" +
				"'kvnode plugin shadow TABLE' tells what would end differently.",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "shadow", Usage: "run it beside the module in force and only compare"},
				&cli.BoolFlag{Name: "off", Usage: "with --shadow and without PLUGIN: end that"},
			},
			Action: sh.pluginActivate,
		}, "kvnode plugin activate carts carts", "kvnode plugin activate sessions carts@1 --shadow"),
		withExamples(&cli.Command{
			Name: "shadow", Usage: "tell on which conflicts the shadow of a table would decide otherwise", ArgsUsage: "TABLE", Action: sh.pluginShadow,
		}, "kvnode plugin shadow carts", "kvnode plugin shadow carts --output json"),
		withExamples(&cli.Command{
			Name: "logs", Usage: "print what the handlers of the node have printed, and why they trapped", ArgsUsage: "[PLUGIN]",
			Description: "The node keeps some thousand lines. " + jsonLines,
			Flags:       []cli.Flag{&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with what comes, also when the node restarts, until you interrupt it"}},
			Action:      sh.pluginLogs,
		}, "kvnode plugin logs", "kvnode plugin logs carts --output json"),
		withExamples(&cli.Command{
			Name: "rollback", Usage: "go back to the module that judged a table's conflicts before", ArgsUsage: "TABLE", Action: sh.pluginRollback,
			Description: "Again and again, it goes further back; a module that was disabled by hand comes first. 'kvnode table info TABLE' lists the earlier modules.",
		}, "kvnode plugin rollback carts", "kvnode plugin rollback carts --output json"),
		withExamples(&cli.Command{
			Name: "disable", Usage: "let no module judge a table's conflicts", ArgsUsage: "TABLE", Action: sh.pluginDisable,
			Description: "Readers see the latest version and that there are siblings, until a module is activated.",
		}, "kvnode plugin disable carts", "kvnode plugin disable carts --output json"),
	}
}

func (sh *shell) pluginRemove(c *cli.Context) error {
	args, err := operands(c, "PLUGIN")
	if err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		if err := client.RemovePlugin(ctx, args[0]); err != nil {
			return fmt.Errorf("remove plugin %s: %w", quoted(args[0]), err)
		}
		return sh.showDone(c, "plugin", args[0], "removed")
	})
}

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
	w.row("plugin", nameOf(p))
	w.row("number", p.Number)
	w.row("module", p.SHA256)
	w.row("bytes", p.Size)
	w.row("installed", p.Installed.Format(time.RFC3339))
	w.row("here", yesNo(p.Here))
	w.row("tables", orDash(joined(p.Tables)))
	w.fact("shadow in", joined(p.Shadows))
	w.row("imports", orDash(joined(p.Imports)))
	w.row("metering", p.Rewriter)
	w.row("memory", orDefault(p.Limits.MemoryBytes))
	w.row("fuel", orDefault(p.Limits.Fuel))
	w.row("output", orDefault(p.Limits.OutputBytes))
	w.row("reset", cmp.Or(string(p.Limits.Reset), "strict"))
	if r := p.Runs; r != nil {
		w.row("runs", fmt.Sprintf("%d here: %d values, %d deletes, %d keeps, %d errors, %d traps, %d failures of the node",
			r.Runs, r.Values, r.Deletes, r.Keeps, r.Errors, r.Traps, r.Failures))
		w.row("used", fmt.Sprintf("%d fuel, %s", r.Fuel, r.Took))
	}
	w.row("check", checkOf(p))
	for _, line := range append(brokenLaws(p.Check), checkLines(p.Check)...) {
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

// brokenLaws names the laws that a check report says are broken, those that nodes rely on first, and says how.
func brokenLaws(report json.RawMessage) [][2]string {
	var r check.Report
	if json.Unmarshal(report, &r) != nil {
		return nil // there is none
	}
	var needed, good [][2]string
	for _, l := range r.Laws {
		switch {
		case l.State != check.Broken:
		case l.Needed:
			needed = append(needed, [2]string{"BROKEN", lawLine(l, "needed")})
		default:
			good = append(good, [2]string{"broken", lawLine(l, "good")})
		}
	}
	return append(needed, good...)
}

func lawLine(l check.Law, kind string) string {
	line := fmt.Sprintf("%s (%s)", cell(l.Name), kind)
	if l.Problem != "" {
		line += ": " + cell(l.Problem)
	}
	return line
}

func (sh *shell) pluginActivate(c *cli.Context) error {
	usage := "TABLE PLUGIN"
	if c.Bool("off") {
		usage = "TABLE"
	}
	args, err := operands(c, usage)
	switch {
	case err != nil:
		return err
	case c.Bool("off") && !c.Bool("shadow"):
		return usagef("--off goes with --shadow; 'kvnode plugin disable' ends the judging itself")
	case c.Bool("off"):
		return sh.shadowReport(c, "end the shadow of", args[0], (*rest.Client).EndShadow)
	}
	activate := (*rest.Client).Activate
	if c.Bool("shadow") {
		activate = (*rest.Client).ActivateShadow
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		record, err := activate(client, ctx, args[0], args[1])
		if err != nil {
			return fmt.Errorf("activate %s for %s: %w", quoted(args[1]), quoted(args[0]), err)
		}
		return sh.showHandler(c, args[0], record)
	})
}

func (sh *shell) pluginShadow(c *cli.Context) error {
	args, err := operands(c, "TABLE")
	if err != nil {
		return err
	}
	return sh.shadowReport(c, "report on the shadow of", args[0], (*rest.Client).Shadow)
}

func (sh *shell) shadowReport(c *cli.Context, what, table string, report func(*rest.Client, context.Context, string) (rest.ShadowReport, error)) error {
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		r, err := report(client, ctx, table)
		if err != nil {
			return onOneThere(what+" "+quoted(table), err)
		}
		return sh.show(c, rest.NewShadowJSON(r), func(w *grid) { fillShadow(w, r) })
	})
}

func fillShadow(w *grid, r rest.ShadowReport) {
	w.row("table", r.Table)
	w.row("shadow", fmt.Sprintf("%s@%d %s", r.Handler.Plugin, r.Handler.Number, short(r.Handler.SHA256)))
	w.row("compared", r.Compared)
	w.row("equal", r.Equal)
	w.row("different", r.Different)
	w.row("errors", r.Errors)
	w.row("traps", r.Traps)
	for _, d := range r.Differences {
		w.row("")
		w.row("conflict", d.ID)
		w.row("key", cell(d.Key))
		w.row("  live", outcome(d.Live))
		w.row("  shadow", outcome(d.Shadow))
	}
}

// outcome says in a line how a conflict ends.
func outcome(o rest.Outcome) string {
	line := string(o.State)
	if o.Verdict != "" {
		line += " (" + o.Verdict + ")"
	}
	if o.Value != nil {
		line += " " + cell(o.Value)
	}
	if o.Reason != "" {
		line += ": " + cell(o.Reason)
	}
	return line
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
			return onOneThere(what+" "+quoted(args[0]), err)
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
