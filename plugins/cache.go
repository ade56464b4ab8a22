package plugins

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxCacheBytes bounds the cache directory when a host starts. What is removed is compiled again when it is needed.
const maxCacheBytes = 256 << 20

// cached is a file of the cache.
type cached struct {
	path    string
	size    int64
	written time.Time
}

// trimCache removes the files that were written first until the others are within the bound: nothing else takes the code of modules
// away that are not installed any more, or that another version of the compiler has made.
func trimCache(dir string) error {
	files, err := listCache(dir, os.ReadDir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCacheDir, err)
	}
	slices.SortFunc(files, func(a, b cached) int { return cmp.Or(b.written.Compare(a.written), cmp.Compare(a.path, b.path)) })
	total := int64(0)
	for _, f := range files {
		if total += f.size; total <= maxCacheBytes {
			continue
		}
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %w", ErrCacheDir, err)
		}
	}
	return nil
}

// listCache lists what wazero has written: each of its versions into a folder of its own. What goes meanwhile, since another host uses
// the directory too, is left out.
func listCache(dir string, readDir func(string) ([]os.DirEntry, error)) (files []cached, err error) {
	folders, err := readDir(dir)
	for _, f := range folders {
		if !f.IsDir() || !strings.HasPrefix(f.Name(), "wazero-") {
			continue
		}
		folder := filepath.Join(dir, f.Name())
		entries, failed := readDir(folder)
		if !errors.Is(failed, fs.ErrNotExist) {
			err = errors.Join(err, failed)
		}
		for _, e := range entries {
			if info, failed := e.Info(); failed == nil && info.Mode().IsRegular() {
				files = append(files, cached{path: filepath.Join(folder, e.Name()), size: info.Size(), written: info.ModTime()})
			}
		}
	}
	return files, err
}
