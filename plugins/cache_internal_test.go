package plugins

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFolderOfTheCacheThatGoesMeanwhileIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	for _, folder := range []string{"wazero-1", "wazero-2"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, folder), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, folder, "code"), []byte("x"), 0o600))
	}
	files, err := listCache(dir, func(name string) ([]os.DirEntry, error) {
		entries, err := os.ReadDir(name)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "wazero-1")))
		return entries, err
	})
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Equal(t, filepath.Join(dir, "wazero-2", "code"), files[0].path)
}
