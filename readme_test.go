package kvnode_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/plugins/check"
)

// readmeHandler builds the handler that the README shows, as if it lay in a folder of its own.
func readmeHandler(t *testing.T) []byte {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, source, found := strings.Cut(string(readme), "```go\npackage main")
	require.True(t, found)
	source, _, found = strings.Cut(source, "```")
	require.True(t, found)

	dir := t.TempDir()
	root, err := os.Getwd()
	require.NoError(t, err)
	main, module, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "union.wasm"), filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(main, []byte("package main"+source), 0o600))
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "readmehandler", "main.go"): main}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, replace, 0o600))

	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w", "-o", module, "./readmehandler")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)
	built, err := os.ReadFile(module)
	require.NoError(t, err)
	return built
}

func TestReadmeHandlerBreaksNoLaw(t *testing.T) {
	report, err := check.Run(t.Context(), readmeHandler(t), check.Config{Runs: 20})
	require.NoError(t, err)
	require.Empty(t, report.Broken(), report.Laws)
}

func TestReadmeHandlerMergesWhatTwoClientsWroteAtOnce(t *testing.T) {
	ctx := patient(t)
	n := open(t, local("a"))
	_, err := n.CreateTable(ctx, "tags", kvnode.TableOptions{})
	require.NoError(t, err)
	_, err = n.InstallPlugin(ctx, "tags", readmeHandler(t), kvnode.Limits{})
	require.NoError(t, err)
	write := func(value string, opts ...kvnode.WriteOption) {
		_, err := n.Put(ctx, "tags", []kvnode.KV{{Key: "cat", Value: []byte(value)}}, opts...)
		require.NoError(t, err)
	}
	read := func() kvnode.Entry {
		e, err := n.Get(ctx, "tags", "cat")
		require.NoError(t, err)
		return e
	}
	write("soft")
	seen := read().Context
	write("soft,loud", engine.WithContext(seen))
	write("soft,quick", engine.WithContext(seen))
	require.Equal(t, "loud,quick,soft", string(read().Value))
	require.Len(t, read().Siblings, 2)
	write("soft,loud,quick")
	require.Equal(t, engine.Single, read().State)
}

func TestEveryTestThatTheGuaranteesNameExists(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "GUARANTEES.md"))
	require.NoError(t, err)
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, named)
	var sources strings.Builder
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		sources.Write(source)
		return err
	}))
	for _, name := range named {
		require.Contains(t, sources.String(), "func "+name[1]+"(")
	}
}
