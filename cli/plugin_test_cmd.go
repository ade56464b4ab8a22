package cli

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/fixture"
)

func (sh *shell) pluginTestCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name: "test", Usage: "run a module on conflicts with expected verdicts, without a node", ArgsUsage: "FILE",
		Description: "The exit code is 1 when a verdict is another one, or the module traps. docs/HANDLERS.md shows what a file of fixtures looks like;\n" +
			"'kvnode conflict export' writes one of recorded conflicts.",
		Flags: offlineFlags(), Action: sh.pluginTest,
	}, "kvnode plugin test carts.wasm", "kvnode plugin test carts.wasm --fixtures carts.json --output json")
}

// testJSON is what `plugin test --output json` prints.
type testJSON struct {
	SHA256 string           `json:"sha256"`
	Passed int              `json:"passed"`
	Failed int              `json:"failed"`
	Cases  []fixture.Result `json:"cases"`
}

func (sh *shell) pluginTest(c *cli.Context) error {
	w, err := sh.workpiece(c)
	if err != nil {
		return err
	}
	if len(w.cases) == 0 {
		return errors.New("there are no fixtures: write fixtures.json beside the module, or name a file with --fixtures")
	}
	return sh.load(c.Context, w, true, func(m *plugins.Module) error {
		results, err := fixture.Run(c.Context, m, w.cases)
		if err != nil {
			return fmt.Errorf("run the fixtures: %w", err)
		}
		tested := testJSON{SHA256: m.Info().SHA256, Cases: results}
		for _, r := range results {
			if r.Passed {
				tested.Passed++
			} else {
				tested.Failed++
			}
		}
		if err := sh.show(c, tested, func(w *grid) { fillResults(w, results) }); err != nil {
			return err
		}
		if tested.Failed > 0 {
			return fmt.Errorf("%d of %d cases failed", tested.Failed, len(results))
		}
		return nil
	})
}

func fillResults(w *grid, results []fixture.Result) {
	for _, r := range results {
		switch {
		case r.Passed:
			w.row("ok", printable(r.Case), fmt.Sprintf("fuel %d", r.Fuel))
		case r.Trap != "":
			w.row("TRAP", printable(r.Case), fmt.Sprintf("fuel %d", r.Fuel))
			block(w, r.Trap)
		default:
			w.row("FAIL", printable(r.Case), fmt.Sprintf("fuel %d", r.Fuel))
			block(w, r.Difference)
		}
	}
}
