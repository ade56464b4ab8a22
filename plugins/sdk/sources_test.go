//go:build !wasip1

package sdk_test

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins/sdk"
)

// TestSourcesAreAllFilesOfTheSDKs finds a file that was added to an SDK and would be missing from new projects.
func TestSourcesAreAllFilesOfTheSDKs(t *testing.T) {
	embedded := func(file string) bool {
		_, err := fs.Stat(sdk.Sources, file)
		return err == nil
	}
	require.NoError(t, fs.WalkDir(os.DirFS("."), ".", func(file string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if d.IsDir() && slices.Contains([]string{"rust/tests", "rust/target", "zig/zig-cache"}, file) {
			return fs.SkipDir
		}
		own := file == "sources.go" || strings.HasSuffix(file, "_test.c") || strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, ".test.mjs") || path.Base(file) == "Cargo.lock"
		if !d.IsDir() && !own {
			require.True(t, embedded(file), "%s is in no pattern of sources.go", file)
		}
		return nil
	}))
}
