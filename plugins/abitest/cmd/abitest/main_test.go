package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
)

func TestTheExitCodeSaysWhatCameOut(t *testing.T) {
	newest := filepath.Join(t.TempDir(), "newest.wasm")
	require.NoError(t, os.WriteFile(newest, examples.Newest(), 0o600))
	noModule := filepath.Join(t.TempDir(), "no.wasm")
	require.NoError(t, os.WriteFile(noModule, []byte("text"), 0o600))
	for _, c := range []struct {
		args []string
		code int
		out  string
		err  error
	}{
		{[]string{"../../probe/c/probe.wasm"}, exitOK, " 0 failed\n", nil},
		{[]string{newest}, exitFailed, "FAILED       keep: it answered pick 1, want keep\n", nil},
		{[]string{noModule}, exitFailed, "", plugins.ErrNotModule},
		{[]string{"missing.wasm"}, exitUsage, "", fs.ErrNotExist},
		{nil, exitUsage, "", errUsage},
	} {
		var out bytes.Buffer
		code, err := run(t.Context(), c.args, &out)
		require.Equal(t, c.code, code, c.args)
		require.ErrorIs(t, err, c.err)
		require.Contains(t, out.String(), c.out)
	}
}
