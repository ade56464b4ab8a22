package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/builtin"
	"github.com/kvnode/kvnode/plugins/check"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/fixture"
)

// row is a line of the table in README.md.
type row struct {
	builtin string
	breaks  []string
}

func readmeRows(t *testing.T) map[string]row {
	t.Helper()
	raw, err := os.ReadFile("README.md")
	require.NoError(t, err)
	rows := map[string]row{}
	line := regexp.MustCompile("(?m)^\\| \\[(\\w+)\\]\\((\\w+)\\) \\| [^|]+ \\| (?:`([\\w-]+)` )?\\| [^|]+ \\|([^|]*)\\|$")
	law := regexp.MustCompile(`(?:^ |; )([\w-]+):`)
	for _, m := range line.FindAllStringSubmatch(string(raw), -1) {
		require.Equal(t, m[1], m[2])
		var breaks []string
		for _, name := range law.FindAllStringSubmatch(m[4], -1) {
			breaks = append(breaks, name[1])
		}
		rows[m[1]] = row{m[3], breaks}
	}
	return rows
}

func TestTheReadmeListsEveryExampleAndItsBuiltinName(t *testing.T) {
	rows := readmeRows(t)
	folders, err := filepath.Glob("*/README.md")
	require.NoError(t, err)
	require.Len(t, rows, len(folders))
	for _, folder := range folders {
		require.Contains(t, rows, filepath.Dir(folder))
	}
	named := map[string]string{}
	for name, r := range rows {
		if r.builtin != "" {
			named[r.builtin] = name
		}
	}
	require.Len(t, named, len(builtin.All()))
	for _, h := range builtin.All() {
		require.Equal(t, h.Example, named[h.Name])
	}
}

func TestExamplesBreakTheLawsThatTheReadmeNamesAndNoOther(t *testing.T) {
	for name, r := range readmeRows(t) {
		if name == "loop" || name == "trap" {
			continue // they are there to trap
		}
		t.Run(name, func(t *testing.T) {
			module, err := examples.Read(os.DirFS("."), name)
			require.NoError(t, err)
			cases, err := fixture.ReadFile(filepath.Join(name, "fixtures.json"))
			require.NoError(t, err)
			handler, _ := builtin.Find(r.builtin)
			report, err := check.Run(t.Context(), module, check.Config{Limits: plugins.Limits{Fuel: handler.Fuel}, Fixtures: cases, Runs: 100, Seed: 1})
			require.NoError(t, err)
			require.Equal(t, r.breaks, report.Broken(), "%+v", report.Laws)
		})
	}
}
