package meter_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins/meter"
)

// FuzzRewrite checks that no input panics, and that the runtime accepts what comes out exactly when it accepts what went
// in.
func FuzzRewrite(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.wasm")
	require.NoError(f, err)
	core, err := filepath.Glob(filepath.Join(specFolder(f, "v2"), "[a-r]*.[0-3].wasm"))
	require.NoError(f, err)
	for _, path := range append(seeds, core...) {
		module, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(module)
	}
	r := newRuntime(f, interpreter())
	f.Fuzz(func(t *testing.T, module []byte) {
		res, err := meter.Rewrite(module, meter.Config{})
		if err != nil {
			_, inspected := meter.Inspect(module)
			require.True(t, inspected == nil || inspected.Error() == err.Error())
			return
		}
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
