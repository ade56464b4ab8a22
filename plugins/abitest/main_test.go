package abitest_test

import (
	"os"
	"testing"
)

// cacheDir is shared by the tests of this process: compiling the engine of JavaScript takes seconds.
//
//nolint:gochecknoglobals // set by TestMain
var cacheDir string

func TestMain(m *testing.M) { os.Exit(withCache(m)) }

// withCache runs the tests with a cache directory of their own.
func withCache(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "abitest-")
	if err != nil {
		panic(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			panic(err)
		}
	}()
	cacheDir = dir
	return m.Run()
}
