package cli

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/plugins/gauge"
)

func (sh *shell) pluginBenchCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name: "bench", Usage: "measure a module, without a node", ArgsUsage: "FILE",
		Description: "The fixtures are its conflicts, by turns; without any, one of two values of 64 bytes. A node runs as many calls at once as it has processors.",
		Flags: offlineFlags(
			&cli.DurationFlag{Name: "time", Value: gauge.DefaultTime, Usage: "`TIME` to go on calling"},
			&cli.IntFlag{Name: "workers", Usage: "`NUMBER` of calls at once", DefaultText: "as many as processors"},
		),
		Action: sh.pluginBench,
	}, "kvnode plugin bench carts.wasm", "kvnode plugin bench carts.wasm --time 100ms --workers 1")
}

func (sh *shell) pluginBench(c *cli.Context) error {
	w, err := sh.workpiece(c)
	if err != nil {
		return err
	}
	if c.Duration("time") <= 0 || c.Int("workers") < 0 {
		return usagef("--time %s --workers %d: use a positive time, and 0 or more workers", c.Duration("time"), c.Int("workers"))
	}
	f, err := gauge.Measure(c.Context, w.module, gauge.Config{
		Limits: w.limits, Cases: w.cases, Time: c.Duration("time"), Workers: c.Int("workers"),
	})
	if err != nil {
		return fmt.Errorf("measure %s: %w", quoted(w.file), err)
	}
	return sh.show(c, f, func(w *grid) { fillFigures(w, f) })
}

func fillFigures(w *grid, f gauge.Figures) {
	w.row("module", f.SHA256)
	w.row("bytes", f.Size)
	w.row("compile, cold", rounded(f.Cold))
	w.row("compile, cached", rounded(f.Cached))
	w.row("memory", fmt.Sprintf("%d KiB an instance", f.MemoryBytes>>10))
	w.row("initialisation", fmt.Sprintf("%d units of fuel", f.InitFuel))
	if f.SingleUse {
		w.row("instances", "a new one for each call: the module changes its tables or drops segments")
	}
	w.row("calls", fmt.Sprintf("%d of %d conflicts in %s by %d workers", f.Calls, f.Cases, rounded(f.Elapsed), f.Workers))
	if f.Traps > 0 {
		w.row("traps", f.Traps)
	}
	w.row("calls a second", fmt.Sprintf("%.0f", f.PerSecond))
	w.row("latency", fmt.Sprintf("p50 %s, p90 %s, p99 %s, max %s", rounded(f.Latency.P50), rounded(f.Latency.P90), rounded(f.Latency.P99), rounded(f.Latency.Max)))
	w.row("fuel", fmt.Sprintf("p50 %d, p99 %d, max %d, limit %d", f.Fuel.P50, f.Fuel.P99, f.Fuel.Max, f.Fuel.Limit))
}

// rounded is a time to three digits or so.
func rounded(d time.Duration) time.Duration {
	unit := time.Nanosecond
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit)
}
