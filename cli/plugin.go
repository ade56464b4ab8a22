package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) pluginCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name:  "plugin",
		Usage: "install conflict handlers and choose which table they judge",
		Subcommands: append([]*cli.Command{
			sh.pluginNewCommand(),
			sh.pluginBuildCommand(),
			sh.pluginTestCommand(),
			sh.pluginCheckCommand(),
			sh.pluginBenchCommand(),
			withExamples(&cli.Command{
				Name: "install", Usage: "install a WebAssembly module on all nodes", ArgsUsage: "NAME FILE",
				Description: "The FILE '-' is stdin; it may be packed with gzip. A table finds the handler that is named like it; 'kvnode plugin activate'\n" +
					"chooses another.",
				Flags: limitFlags(
					&cli.StringFlag{Name: "check", Usage: "`REPORT` of 'kvnode plugin check' to send along", DefaultText: "what it has left beside the module"},
				),
				Action: sh.pluginInstall,
			}, "kvnode plugin install carts carts.wasm", "kvnode plugin install carts carts.wasm --fuel 5000000"),
			withExamples(&cli.Command{Name: "ls", Usage: "list the installed modules", Description: jsonArray, Action: sh.pluginList},
				"kvnode plugin ls", "kvnode plugin ls --output json"),
			withExamples(&cli.Command{
				Name: "show", Usage: "tell all about the modules of a name, or about one module", ArgsUsage: "PLUGIN",
				Description: "PLUGIN is a name, which means all its modules, NAME@NUMBER, or a SHA-256 or the beginning of one.\n" + jsonArray, Action: sh.pluginShow,
			}, "kvnode plugin show carts", "kvnode plugin show carts@1 --output json"),
			withExamples(&cli.Command{
				Name: "rm", Usage: "remove a module from all nodes, unless it judges a table, and is not disabled there, or is a table's shadow", ArgsUsage: "PLUGIN", Action: sh.pluginRemove,
				Description: "PLUGIN is a name with one module, NAME@NUMBER, or a SHA-256 or the beginning of one.",
			}, "kvnode plugin rm old", "kvnode plugin rm old@1"),
		}, sh.pluginRunCommands()...),
	}, "kvnode plugin install carts carts.wasm", "kvnode plugin ls")
}

func (sh *shell) pluginInstall(c *cli.Context) error {
	args, err := operands(c, "NAME FILE")
	if err != nil {
		return err
	}
	module, err := sh.readModule(c.Context, args[1])
	if err != nil {
		return err
	}
	check, outdated, err := readCheck(c.String("check"), args[1], module)
	if err != nil {
		return err
	}
	limits := rest.Limits{MemoryBytes: c.Uint64("memory-bytes"), Fuel: c.Uint64("fuel"), OutputBytes: c.Uint64("output-bytes")}
	if c.IsSet("reset") {
		limits.Reset = rest.Reset(c.String("reset"))
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		info, err := client.InstallPlugin(ctx, args[0], module, limits, kvnode.WithCheck(check))
		if err != nil {
			return fmt.Errorf("install plugin %s: %w", quoted(args[0]), err)
		}
		installed := rest.NewInstalledJSON(info, check)
		if err := sh.show(c, installed, func(w *grid) { fillPlugins(w, []rest.PluginInfo{info}) }); err != nil {
			return err
		}
		sh.sayChecked(installed, args[1], outdated)
		return nil
	})
}

// sayChecked says what a check has to say against an installed module, or that it was not checked.
func (sh *shell) sayChecked(p rest.InstalledJSON, moduleFile string, outdated bool) {
	switch {
	case outdated:
		sh.say("kvnode: %s is outdated: run 'kvnode plugin check' again", printable(reportBeside(moduleFile)))
	case p.Checked == nil && moduleFile == "-":
		sh.say("not checked: kvnode plugin check FILE")
	case p.Checked == nil:
		sh.say("not checked: kvnode plugin check %s", printable(moduleFile))
	}
	if p.Warning != "" {
		sh.say("kvnode: warning: %s", printable(p.Warning))
	}
}

// readCheck reads the check report to send along with a module: the named file, or the one beside the module unless that is outdated.
func readCheck(file, moduleFile string, module []byte) (check []byte, outdated bool, err error) {
	if file != "" {
		check, err = os.ReadFile(file)
	} else if moduleFile != "-" {
		check, err = os.ReadFile(reportBeside(moduleFile))
	}
	switch {
	case file == "" && errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read the check report: %w", err)
	case file != "" || check == nil:
		return check, false, nil
	}
	sum := sha256.Sum256(module)
	if _, err := kvnode.ReadCheck(check, hex.EncodeToString(sum[:])); err != nil {
		return nil, true, nil //nolint:nilerr // it is about another module, or an older report
	}
	return check, false, nil
}

// readFile reads a file, stdin for "-".
func (sh *shell) readFile(ctx context.Context, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(interruptible(ctx, sh.stdin))
	}
	return os.ReadFile(file)
}

// readModule reads a module, and unpacks it where it is packed.
func (sh *shell) readModule(ctx context.Context, file string) ([]byte, error) {
	module, err := sh.readFile(ctx, file)
	if err == nil {
		module, err = rest.UnpackModule(module)
	}
	if err != nil {
		return nil, fmt.Errorf("read the module: %w", err)
	}
	return module, nil
}

// reportBeside is where the check report of a module lies.
func reportBeside(module string) string {
	return strings.TrimSuffix(strings.TrimSuffix(module, ".gz"), ".wasm") + ".check.json"
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
		sh.sayNone(c, len(plugins), "no modules: install one with 'kvnode plugin install', or activate a built-in one: %s", joined(kvnode.Builtins()))
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
	w.row("PLUGIN", "NUMBER", "SHA256", "BYTES", "CHECK", "HERE", "INSTALLED", "TABLES")
	for _, p := range plugins {
		w.row(nameOf(p), p.Number, short(p.SHA256), p.Size, checkOf(p), yesNo(p.Here), p.Installed.Format(time.RFC3339), orDash(joined(usesOf(p))))
	}
}

// nameOf is a plugin's name, with a word beside it when every node brings it along.
func nameOf(p rest.PluginInfo) string {
	if p.Builtin {
		return p.Name + " (built-in)"
	}
	return p.Name
}

// usesOf are the tables that a module judges, and those in which it only compares.
func usesOf(p rest.PluginInfo) []string {
	uses := slices.Clone(p.Tables)
	for _, table := range p.Shadows {
		uses = append(uses, table+" (shadow)")
	}
	return uses
}

// checkOf says in a few words what a module's check report says.
func checkOf(p rest.PluginInfo) string {
	if p.Checked == nil {
		return "unchecked"
	}
	return p.Checked.String()
}

// short is the beginning of a hash, enough to name it.
func short(hash string) string { return hash[:min(len(hash), 12)] }
