package examples_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/fixture"
)

func TestCommittedModulesDoWhatTheirFixturesExpect(t *testing.T) {
	files, err := filepath.Glob("*/fixtures.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 6)
	for _, file := range files {
		name := filepath.Dir(file)
		t.Run(name, func(t *testing.T) {
			cases, err := fixture.ReadFile(file)
			require.NoError(t, err)
			require.NotEmpty(t, cases)
			module, err := examples.Read(os.DirFS("."), name)
			require.NoError(t, err)
			results, err := fixture.Run(t.Context(), load(t, module), cases)
			require.NoError(t, err)
			for _, r := range results {
				require.True(t, r.Passed, "%s: %s%s", r.Case, r.Trap, r.Difference)
			}
		})
	}
}

func TestReadNamesWhatIsMissingOrBroken(t *testing.T) {
	dir := t.TempDir()
	_, err := examples.Read(os.DirFS(dir), "x")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "x"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x", "x.wasm.gz"), []byte("no"), 0o600))
	_, err = examples.Read(os.DirFS(dir), "x")
	require.ErrorContains(t, err, "unpack x/x.wasm.gz")
}
