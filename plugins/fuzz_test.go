package plugins_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
)

// small is the size of modules of which many are tried.
const small = 32 << 10

// committed returns the modules of this repository whose size is right, by their paths.
func committed(tb testing.TB, right func(int) bool) map[string][]byte {
	tb.Helper()
	modules := map[string][]byte{}
	for _, pattern := range []string{"../testdata/modules/*.wasm", "meter/testdata/*.wasm", "examples/*/*.wasm"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(tb, err)
		require.NotEmpty(tb, paths, pattern)
		for _, path := range paths {
			module, err := os.ReadFile(path)
			require.NoError(tb, err)
			if right(len(module)) {
				modules[path] = module
			}
		}
	}
	return modules
}

// tight are limits under which nothing takes long.
func tight() plugins.Limits {
	return plugins.Limits{MemoryBytes: 1 << 20, Fuel: 200_000, InitFuel: 200_000, StackBytes: 256 << 10, TableEntries: 1000}
}

// FuzzLoad checks that whatever is loaded is refused with a reason, or judges: the same each time, and within its fuel.
func FuzzLoad(f *testing.F) {
	for _, module := range committed(f, func(n int) bool { return n <= small }) {
		f.Add(module)
	}
	h := newHost(f, plugins.Config{})
	f.Fuzz(func(t *testing.T, module []byte) {
		survives(t, h, module)
	})
}

// survives loads a module and lets it judge. It returns what became of it.
func survives(t *testing.T, h *plugins.Host, module []byte) fate {
	t.Helper()
	m, err := h.Load(t.Context(), module, tight())
	if err != nil {
		require.ErrorIs(t, err, plugins.ErrModule)
		require.NotErrorIs(t, err, plugins.ErrHost)
		return refused
	}
	in := conflict("key", `{"lines":[{"sku":"apple","qty":1}]}`, "b\na")
	v, err := m.Resolve(t.Context(), in)
	again, againErr := m.Resolve(t.Context(), in)
	require.Equal(t, v, again)
	require.Equal(t, err, againErr)
	require.NoError(t, m.Close(t.Context()))
	if err == nil {
		require.LessOrEqual(t, v.Fuel, tight().Fuel)
		return judged
	}
	var trap *plugins.Trap
	require.ErrorAs(t, err, &trap)
	return trapped
}

// fate is what became of a module.
type fate int

const (
	refused fate = iota
	judged
	trapped
)
