package builtin_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/builtin"
	"github.com/kvnode/kvnode/plugins/check"
	"github.com/kvnode/kvnode/plugins/fixture"
)

var rewrite = flag.Bool("rewrite", false, "write the check reports anew")

// TestTheReportsOfTheBuiltinsAreWhatACheckFinds makes each report again; all but its time must be the same. -rewrite writes it anew.
func TestTheReportsOfTheBuiltinsAreWhatACheckFinds(t *testing.T) {
	for _, h := range builtin.All() {
		t.Run(h.Name, func(t *testing.T) {
			fixtures, err := fixture.ReadFile(filepath.Join("..", "examples", h.Example, "fixtures.json"))
			require.NoError(t, err)
			file := filepath.Join("reports", h.Name+".check.json")
			if *rewrite {
				writeReport(t, file, examine(t, h, fixtures, time.Now().Truncate(time.Second)))
				return
			}
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(raw), string(h.Report()))
			var report check.Report
			require.NoError(t, json.Unmarshal(raw, &report))
			found := examine(t, h, fixtures, report.Time)
			const hint = "run go test ./plugins/builtin -rewrite"
			require.Len(t, report.Laws, len(found.Laws), hint)
			for i, law := range found.Laws {
				require.Equal(t, law, report.Laws[i], hint)
			}
			report.Laws, found.Laws = nil, nil
			require.Equal(t, found, report, hint)
			_, err = engine.ReadCheck(raw, report.SHA256)
			require.NoError(t, err, "nodes take it")
		})
	}
}

// examine checks a handler as a node runs it.
func examine(t *testing.T, h builtin.Handler, fixtures []fixture.Case, at time.Time) check.Report {
	t.Helper()
	report, err := check.Run(t.Context(), h.Module(), check.Config{
		Limits: plugins.Limits{Fuel: h.Fuel}, Fixtures: fixtures, Seed: 1, Now: func() time.Time { return at },
	})
	require.NoError(t, err)
	return report.Fit(engine.MaxCheckBytes - 1)
}

func writeReport(t *testing.T, file string, report check.Report) {
	t.Helper()
	raw, err := json.MarshalIndent(report, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(raw, '\n'), 0o644))
}
