package cli

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/project"
)

func (sh *shell) pluginBuildCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name: "build", Usage: "build a handler that 'kvnode plugin new' began, and see whether nodes would take it", ArgsUsage: "[DIR]",
		Description: "It needs the tools of the handler's language, as the README in DIR says, and no node. DIR is the current one, unless said otherwise.",
		Action:      sh.pluginBuild,
	}, "kvnode plugin build", "kvnode plugin build handlers/carts --output json")
}

// buildJSON is what `plugin build --output json` prints.
type buildJSON struct {
	Module      string   `json:"module"`
	SHA256      string   `json:"sha256"`
	Size        int      `json:"size"`
	MemoryBytes uint64   `json:"memory_bytes"`
	InitFuel    uint64   `json:"init_fuel"`
	Imports     []string `json:"imports"`
}

func (sh *shell) pluginBuild(c *cli.Context) error {
	args, err := operands(c, "[DIR]")
	if err != nil {
		return err
	}
	dir := args[0]
	if dir == "" {
		dir = "."
	}
	p, err := project.Open(dir)
	if err != nil {
		return fmt.Errorf("build: %w", err)
	}
	if err := p.Build(c.Context, sh.talk); err != nil {
		return fmt.Errorf("build %s: %w", quoted(p.Name), err)
	}
	module, err := os.ReadFile(p.Module())
	if err != nil {
		return fmt.Errorf("read the module: %w", err)
	}
	w := workpiece{file: p.Module(), module: module}
	return sh.load(c.Context, w, false, func(m *plugins.Module) error { return sh.showBuilt(c, w.file, m.Info()) })
}

func (sh *shell) showBuilt(c *cli.Context, file string, info plugins.Info) error {
	built := buildJSON{file, info.SHA256, info.Size, info.MemoryBytes, info.InitFuel, info.Imports}
	return sh.show(c, built, func(w *grid) {
		w.row("module", printable(built.Module))
		w.row("sha256", built.SHA256)
		w.row("bytes", built.Size)
		w.row("memory", built.MemoryBytes)
		w.row("init fuel", built.InitFuel)
	})
}
