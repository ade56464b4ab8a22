package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) pluginCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name:  "plugin",
		Usage: "install conflict handlers and choose which table they judge",
		Subcommands: []*cli.Command{
			withExamples(&cli.Command{
				Name: "install", Usage: "install a WebAssembly module on all nodes", ArgsUsage: "NAME FILE",
				Description: "The FILE '-' is stdin. A table finds the handler that is named like it; 'kvnode plugin activate' chooses another.",
				Flags: []cli.Flag{
					&cli.Uint64Flag{Name: "memory-bytes", Usage: "memory of one instance (default: the host's)"},
					&cli.Uint64Flag{Name: "fuel", Usage: "instructions of one call (default: the host's)"},
					&cli.Uint64Flag{Name: "output-bytes", Usage: "size of a verdict (default: the host's)"},
				},
				Action: sh.pluginInstall,
			}, "kvnode plugin install carts carts.wasm", "kvnode plugin install carts carts.wasm --fuel 5000000"),
			withExamples(&cli.Command{Name: "ls", Usage: "list the installed modules", Action: sh.pluginList},
				"kvnode plugin ls", "kvnode plugin ls --output json"),
			withExamples(&cli.Command{
				Name: "activate", Usage: "make a module judge a table's conflicts", ArgsUsage: "TABLE PLUGIN",
				Description: "PLUGIN is a name, which means its latest module, or a SHA-256 or the beginning of one.",
				Action:      sh.pluginActivate,
			}, "kvnode plugin activate carts carts", "kvnode plugin activate sessions carts --output json"),
		},
	}, "kvnode plugin install carts carts.wasm", "kvnode plugin ls")
}

func (sh *shell) pluginInstall(c *cli.Context) error {
	args, err := operands(c, "NAME FILE")
	if err != nil {
		return err
	}
	module, err := sh.readModule(c.Context, args[1])
	if err != nil {
		return fmt.Errorf("read the module: %w", err)
	}
	limits := rest.Limits{MemoryBytes: c.Uint64("memory-bytes"), Fuel: c.Uint64("fuel"), OutputBytes: c.Uint64("output-bytes")}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		info, err := client.InstallPlugin(ctx, args[0], module, limits)
		if err != nil {
			return fmt.Errorf("install plugin %s: %w", quoted(args[0]), err)
		}
		return sh.show(c, info, func(w *grid) { fillPlugins(w, []rest.PluginInfo{info}) })
	})
}

func (sh *shell) readModule(ctx context.Context, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(interruptible(ctx, sh.stdin))
	}
	return os.ReadFile(file)
}

func (sh *shell) pluginList(c *cli.Context) error {
	if _, err := operands(c, ""); err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		plugins, err := client.Plugins(ctx)
		if err != nil {
			return fmt.Errorf("list plugins: %w", err)
		}
		tables, err := client.Tables(ctx)
		if err != nil {
			return fmt.Errorf("list tables: %w", err)
		}
		return sh.show(c, plugins, func(w *grid) { fillPlugins(w, markDisabled(plugins, tables)) })
	})
}

// markDisabled adds to each plugin, marked, the tables for which its restart intensity was exceeded; it still is what would judge them.
func markDisabled(plugins []rest.PluginInfo, tables []rest.TableInfo) []rest.PluginInfo {
	marked := slices.Clone(plugins)
	for i := range marked {
		p := &marked[i]
		p.Tables = slices.Clone(p.Tables)
		for _, t := range tables {
			if t.Active == nil || !t.Active.Disabled || t.Active.Plugin != p.Name || t.Active.SHA256 != p.SHA256 {
				continue
			}
			p.Tables = slices.DeleteFunc(p.Tables, func(name string) bool { return name == t.Name })
			p.Tables = append(p.Tables, t.Name+" (disabled)")
		}
		slices.Sort(p.Tables)
	}
	return marked
}

func fillPlugins(w *grid, plugins []rest.PluginInfo) {
	w.row("PLUGIN", "SHA256", "BYTES", "HERE", "INSTALLED", "TABLES")
	for _, p := range plugins {
		w.row(p.Name, short(p.SHA256), p.Size, yesNo(p.Here), p.Installed.Format(time.RFC3339), orDash(joined(p.Tables)))
	}
}

// short is the beginning of a hash, enough to name it.
func short(hash string) string { return hash[:min(len(hash), 12)] }

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
		return sh.show(c, record, func(w *grid) {
			w.row("table", args[0])
			w.row("plugin", record.Plugin)
			w.row("module", record.SHA256)
			w.row("epoch", record.Epoch)
		})
	})
}
