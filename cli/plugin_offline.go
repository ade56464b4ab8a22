package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/fixture"
)

// What test, check and bench have in common: they run a module in this process, with the host that a node has, and ask no node.

// offlineFlags are the flags of a command that runs a module here.
func offlineFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "fixtures", Usage: "`FILE` of conflicts with expected verdicts", DefaultText: "fixtures.json beside the module"},
	}, limitFlags(more...)...)
}

// limitFlags are the flags that say what a handler may use.
func limitFlags(more ...cli.Flag) []cli.Flag {
	d := plugins.DefaultLimits()
	return append([]cli.Flag{
		&cli.Uint64Flag{Name: "memory-bytes", Usage: "`BYTES` of memory of one instance", DefaultText: fmt.Sprintf("%d MiB", d.MemoryBytes>>20)},
		&cli.Uint64Flag{Name: "fuel", Usage: "`UNITS` of fuel, an instruction or so each, of one call", DefaultText: strconv.FormatUint(d.Fuel, 10)},
		&cli.Uint64Flag{Name: "output-bytes", Usage: "`BYTES` of a value that it sets", DefaultText: fmt.Sprintf("%d MiB", d.OutputBytes>>20)},
		&cli.StringFlag{Name: "reset", Value: string(d.Reset), Usage: "`MODE`: what a call finds of those before it, nothing (strict) or what they left (none, faster)"},
	}, more...)
}

// workpiece is a module and its cases.
type workpiece struct {
	file   string
	module []byte
	limits plugins.Limits
	cases  []fixture.Case
}

// workpiece reads what the command line names.
func (sh *shell) workpiece(c *cli.Context) (workpiece, error) {
	args, err := operands(c, "FILE")
	if err != nil {
		return workpiece{}, err
	}
	w := workpiece{file: args[0], limits: plugins.Limits{
		MemoryBytes: c.Uint64("memory-bytes"), Fuel: c.Uint64("fuel"), OutputBytes: c.Uint64("output-bytes"),
		Reset: plugins.Reset(c.String("reset")),
	}}
	if w.module, err = sh.readModule(c.Context, w.file); err != nil {
		return w, err
	}
	if w.cases, err = readFixtures(c.String("fixtures"), w.file); err != nil {
		return w, fmt.Errorf("read the fixtures: %w", err)
	}
	return w, nil
}

// readFixtures reads the named file, or the one beside the module if there is one.
func readFixtures(file, module string) ([]fixture.Case, error) {
	if file != "" {
		return fixture.ReadFile(file)
	}
	if module == "-" {
		return nil, nil
	}
	cases, err := fixture.ReadFile(filepath.Join(filepath.Dir(module), "fixtures.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return cases, err
}

// host makes a host like a node's; all that handlers print goes to the talk.
func (sh *shell) host(printed bool) (*plugins.Host, error) {
	logger := slog.New(slog.DiscardHandler)
	if printed {
		logger = slog.New(slog.NewTextHandler(sh.talk, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutTime}))
	}
	return plugins.NewHost(plugins.Config{Logger: logger, LinesPerSecond: -1})
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// load calls do with the loaded module.
func (sh *shell) load(ctx context.Context, w workpiece, printed bool, do func(*plugins.Module) error) error {
	host, err := sh.host(printed)
	if err != nil {
		return err
	}
	module, err := host.Load(ctx, w.module, w.limits)
	if err != nil {
		return errors.Join(fmt.Errorf("load %s: %w", quoted(w.file), err), host.Close(context.WithoutCancel(ctx)))
	}
	return errors.Join(do(module), host.Close(context.WithoutCancel(ctx)))
}

// block writes text of several lines into a column of a table, below what stands there.
func block(w *grid, text string) {
	for line := range strings.Lines(text) {
		w.row("", printable(strings.TrimSuffix(line, "\n")))
	}
}
