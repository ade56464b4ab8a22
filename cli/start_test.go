package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/cli"
)

func TestStartSaysWhereItListensAndLeavesInOrder(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	talk, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		args := []string{"kvnode", "start", "--name", "solo", "--http", "127.0.0.1:0", "--route", "127.0.0.1:0", "--log-level", "error"}
		code := cli.Run(ctx, args, strings.NewReader(""), io.Discard, in)
		_ = in.Close()
		ended <- code
	}()
	lines := bufio.NewReader(talk)
	first, err := lines.ReadString('\n')
	require.NoError(t, err)
	listens := regexp.MustCompile(`^node solo of cluster kvnode: HTTP on (127\.0\.0\.1:\d+), routes on 127\.0\.0\.1:\d+\n$`).FindStringSubmatch(first)
	require.NotNil(t, listens, first)

	_, said, code := run(t, []string{"table", "create", "t", "--addr", listens[1]})
	require.Zero(t, code, said)
	_, said, code = run(t, []string{"put", "t", "k", "v", "--addr", listens[1]})
	require.Zero(t, code, said)
	out, _, code := run(t, []string{"get", "t", "k", "--addr", listens[1]})
	require.Zero(t, code)
	require.Equal(t, "v", out)

	cancel()
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	require.Contains(t, string(rest), "node solo ended\n")
	require.Zero(t, <-ended)
	_, said, code = run(t, []string{"get", "t", "k", "--addr", listens[1]})
	require.Equal(t, 5, code, said)
}

func TestWhatIsWrongIsFoundBeforeAnAddressInUse(t *testing.T) {
	t.Parallel()
	addr := filled(t)
	for _, bad := range []string{"--join", "--route", "--advertise"} {
		_, said, code := run(t, []string{"start", "--http", addr, bad, "nonsense"})
		require.Equal(t, 2, code, said)
		require.Contains(t, said, bad+` "nonsense": use host:port`)
	}
}

func TestAnAddressInUseIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	addr := filled(t)
	var said bytes.Buffer
	code := cli.Run(t.Context(), []string{"kvnode", "start", "--http", addr, "--route", "127.0.0.1:0"}, strings.NewReader(""), io.Discard, &said)
	require.Equal(t, 1, code)
	require.Contains(t, said.String(), addr)
}

func TestACacheDirectoryThatCannotBeUsedIsNoMistakeOfTheCommandLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cache"), nil, 0o600))
	_, said, code := run(t, []string{"start", "--http", "127.0.0.1:0", "--route", "127.0.0.1:0", "--data", dir})
	require.Equal(t, 1, code, said)
	require.Contains(t, said, "CacheDir")
}
