package examples_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
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
			m := load(t, module)
			results, err := fixture.Run(t.Context(), m, cases)
			require.NoError(t, err)
			for _, r := range results {
				require.True(t, r.Passed, "%s: %s%s", r.Case, r.Trap, r.Difference)
			}
			reusesItsInstance(t, m, cases[0])
		})
	}
}

// reusesItsInstance holds SDKs to a heap that is there from the beginning: a module whose memory has grown in a call needs a new instance for the
// next one, which costs a hundred allocations and half a millisecond.
func reusesItsInstance(t *testing.T, m *plugins.Module, c fixture.Case) {
	t.Helper()
	allocs := testing.AllocsPerRun(20, func() {
		_, err := m.Resolve(t.Context(), c.Input())
		require.NoError(t, err)
	})
	require.Less(t, allocs, 20.0)
}

// BenchmarkFirstFixture is a call of each example on the first of its fixtures.
func BenchmarkFirstFixture(b *testing.B) {
	files, err := filepath.Glob("*/fixtures.json")
	require.NoError(b, err)
	for _, file := range files {
		name := filepath.Dir(file)
		b.Run(name, func(b *testing.B) {
			cases, err := fixture.ReadFile(file)
			require.NoError(b, err)
			module, err := examples.Read(os.DirFS("."), name)
			require.NoError(b, err)
			m, in := load(b, module), cases[0].Input()
			b.ReportAllocs()
			for b.Loop() {
				_, err := m.Resolve(b.Context(), in)
				require.NoError(b, err)
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
