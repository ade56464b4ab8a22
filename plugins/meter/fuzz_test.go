package meter_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins/meter"
)

// addSeeds starts a fuzz target from the modules that are committed here and small ones of the core tests.
func addSeeds(f *testing.F) {
	f.Helper()
	patterns := []string{
		"testdata/*.wasm", "../../testdata/modules/*.wasm", "../examples/*/*.wasm", filepath.Join(specFolder(f, "v2"), "[a-r]*.[0-3].wasm"),
	}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		require.NoError(f, err)
		require.NotEmpty(f, paths, pattern)
		for _, path := range paths {
			module, err := os.ReadFile(path)
			require.NoError(f, err)
			f.Add(module)
		}
	}
}

// FuzzInspect checks that no input panics, and that what Rewrite accepts Inspect describes in the same way.
func FuzzInspect(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, module []byte) {
		info, err := meter.Inspect(module)
		res, rewriteErr := meter.Rewrite(module, meter.Config{})
		if err != nil {
			require.EqualError(t, rewriteErr, err.Error())
			return
		}
		if rewriteErr == nil {
			info.Unrestorable = res.Unrestorable
			require.Equal(t, *info, res.Info)
		}
	})
}

// FuzzRewrite checks that no input panics, that the same comes out each time, and that the runtime accepts what comes out
// exactly when it accepts what went in.
func FuzzRewrite(f *testing.F) {
	addSeeds(f)
	r := newRuntime(f, interpreter())
	f.Fuzz(func(t *testing.T, module []byte) {
		res, err := meter.Rewrite(module, meter.Config{})
		if err != nil {
			return
		}
		again, err := meter.Rewrite(module, meter.Config{})
		require.NoError(t, err)
		require.Equal(t, res, again)
		raw, rawErr := r.CompileModule(t.Context(), withoutCustomSections(module))
		metered, meteredErr := r.CompileModule(t.Context(), res.Module)
		require.Equal(t, rawErr == nil, meteredErr == nil, "%v, %v", rawErr, meteredErr)
		if rawErr == nil {
			require.NoError(t, raw.Close(t.Context()))
			require.NoError(t, metered.Close(t.Context()))
		}
	})
}

// withoutCustomSections keeps the runtime from reading names that lie: it allocates by the counts in them.
func withoutCustomSections(module []byte) []byte {
	out := module[:8:8]
	for rest := module[8:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		end := 1 + n + int(size)
		if rest[0] != 0 {
			out = append(out, rest[:end]...)
		}
		rest = rest[end:]
	}
	return out
}
