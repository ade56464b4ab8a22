package abitest_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins/fixture"
)

// never is why: testdata/golden/README.md says more.
const never = "golden files stand for the modules that people have installed: they are never rebuilt or edited, only added to"

func TestGoldenFilesNeverChange(t *testing.T) {
	dir := golden()
	sums, err := fs.ReadFile(dir, "SHA256SUMS")
	require.NoError(t, err)
	want := make(map[string]string)
	for line := bufio.NewScanner(bytes.NewReader(sums)); line.Scan(); {
		sum, name, found := strings.Cut(line.Text(), "  ")
		require.True(t, found, line.Text())
		want[name] = sum
	}
	got := make(map[string]string)
	require.NoError(t, fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "SHA256SUMS" {
			return err
		}
		content, err := fs.ReadFile(dir, name)
		sum := sha256.Sum256(content)
		got[name] = hex.EncodeToString(sum[:])
		return err
	}))
	require.Equal(t, want, got, never)
}

// TestGoldenModulesDecideAsTheyDid runs modules that were built for version 1 of the contract, in all languages, on frames with
// and without base.
func TestGoldenModulesDecideAsTheyDid(t *testing.T) {
	modules := 0
	require.NoError(t, fs.WalkDir(golden(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(strings.TrimSuffix(name, ".gz"), ".wasm") {
			return err
		}
		modules++
		t.Run(name, func(t *testing.T) { decidesAsItDid(t, name) })
		return nil
	}))
	require.GreaterOrEqual(t, modules, 10)
}

// decidesAsItDid runs the cases of one golden module: those of its folder, or of the file beside it.
func decidesAsItDid(t *testing.T, name string) {
	t.Helper()
	file := path.Dir(name) + ".json"
	if file == "..json" {
		file = strings.TrimSuffix(name, ".wasm") + ".json"
	}
	f, err := golden().Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	cases, err := fixture.Read(f)
	require.NoError(t, err)
	require.NotEmpty(t, cases)
	m := loadModule(t, readGolden(t, name))
	// The seed is the same on nodes with the same rewriter, and others do not judge for each other: it is not pinned.
	seed := regexp.MustCompile(`(?m)^seed \d+$`)
	for _, c := range cases {
		v, err := m.Resolve(t.Context(), c.Input())
		require.NoError(t, err, c.Name)
		c.Want.Value, v.Value = seed.ReplaceAll(c.Want.Value, nil), seed.ReplaceAll(v.Value, nil)
		require.NoError(t, c.Compare(v), c.Name)
	}
}

func golden() fs.FS { return os.DirFS("../../testdata/golden/v1") }

// readGolden reads a golden module, packed or not.
func readGolden(t *testing.T, name string) []byte {
	t.Helper()
	content, err := fs.ReadFile(golden(), name)
	require.NoError(t, err)
	if strings.HasSuffix(name, ".gz") {
		return unpack(t, content)
	}
	return content
}
