// Package plugintest builds and finds modules for tests.
package plugintest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// built keeps what BuildGo made: building takes seconds, and the tests of one process share it.
//
//nolint:gochecknoglobals // a cache for the process
var built struct {
	sync.Mutex
	modules map[string][]byte
}

// BuildGo builds the Go handler in dir, a path from the root of the repository, with the toolchain that runs the test.
// The result is shared: read only.
func BuildGo(tb testing.TB, dir string) []byte {
	tb.Helper()
	built.Lock()
	defer built.Unlock()
	if module, ok := built.modules[dir]; ok {
		return module
	}
	out := filepath.Join(tb.TempDir(), "handler.wasm")
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w", "-o", out, ".")
	cmd.Dir = filepath.Join(root(tb), filepath.FromSlash(dir))
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	require.NoError(tb, err, "go build in %s:\n%s", dir, text)
	module, err := os.ReadFile(out)
	require.NoError(tb, err)
	if built.modules == nil {
		built.modules = make(map[string][]byte)
	}
	built.modules[dir] = module
	return module
}

// RunWithCache runs the tests of a package while dir names a cache directory for compiled modules, which it removes afterwards, and returns the
// exit code. Compiling a module in Go takes a second, the engine of JavaScript several: tests of one process share what was compiled.
func RunWithCache(m *testing.M, dir *string) (code int) {
	cache, err := os.MkdirTemp("", "plugins-test-")
	if err != nil {
		panic(err)
	}
	defer func() {
		if err := os.RemoveAll(cache); err != nil {
			panic(err)
		}
	}()
	*dir = cache
	return m.Run()
}

// Module returns the bytes of testdata/modules/NAME.wasm.
func Module(tb testing.TB, name string) []byte {
	tb.Helper()
	module, err := os.ReadFile(filepath.Join(root(tb), "testdata", "modules", name+".wasm"))
	require.NoError(tb, err)
	return module
}

// root is the repository's: the folder above plugins.
func root(tb testing.TB) string {
	tb.Helper()
	_, file, _, ok := runtime.Caller(0)
	require.True(tb, ok)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
