package cli_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/cli"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
	"github.com/kvnode/kvnode/rest/resttest"
)

// serveAt serves the store at an address until end is called.
func serveAt(t *testing.T, store *resttest.Store, addr string) (at string, end func()) {
	t.Helper()
	server, err := rest.NewServer(rest.Config{Store: store})
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return listener.Addr().String(), func() {
		require.NoError(t, server.Close(context.Background()))
		require.NoError(t, <-served)
	}
}

// lineIn awaits a line.
func lineIn(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	return line
}

func TestALogIsFollowedAcrossRestartsAndNoLineIsPrintedTwice(t *testing.T) {
	t.Parallel()
	store := resttest.New()
	addr, end := serveAt(t, store, "127.0.0.1:0")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out, stdout := io.Pipe()
	talk, stderr := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code := cli.Run(ctx, []string{"kvnode", "plugin", "logs", "-f", "--addr", addr}, strings.NewReader(""), stdout, stderr)
		_, _ = stdout.Close(), stderr.Close()
		ended <- code
	}()
	lines, said := bufio.NewReader(out), bufio.NewReader(talk)
	say := func(text string) {
		store.Say(engine.LogLine{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), SHA256: "ab", Level: "info", Text: text})
	}
	for _, text := range []string{"before", "before"} { // also equal lines are lines
		say(text)
		require.Contains(t, lineIn(t, lines), text)
	}
	for _, text := range []string{"once", "twice"} {
		end()
		require.Equal(t, "kvnode: the log broke off (closed); it goes on when the node answers again, interrupt to end\n", lineIn(t, said))
		say("while it was away")
		_, end = serveAt(t, store, addr)
		require.Contains(t, lineIn(t, lines), "while it was away")
		say(text)
		require.Contains(t, lineIn(t, lines), text)
	}
	interrupt()
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Zero(t, <-ended)
	end()
}

func TestFollowingALogEndsWithAnErrorThatDoesNotPass(t *testing.T) {
	t.Parallel()
	store := resttest.New()
	_, err := store.InstallPlugin(t.Context(), "h", []byte("\x00asm"), engine.Limits{})
	require.NoError(t, err)
	addr, end := serveAt(t, store, "127.0.0.1:0")
	talk, stderr := io.Pipe()
	ended := make(chan int, 1)
	out, stdout := io.Pipe()
	go func() {
		code := cli.Run(t.Context(), []string{"kvnode", "plugin", "logs", "--follow", "h", "--addr", addr}, strings.NewReader(""), stdout, stderr)
		_, _ = stdout.Close(), stderr.Close()
		ended <- code
	}()
	all, err := store.Plugins(t.Context())
	require.NoError(t, err)
	store.Say(engine.LogLine{SHA256: all[0].SHA256, Level: "info", Text: "here"})
	require.Contains(t, lineIn(t, bufio.NewReader(out)), "here")
	said := bufio.NewReader(talk)
	end()
	require.Contains(t, lineIn(t, said), "the log broke off (closed)")
	_, end = serveAt(t, resttest.New(), addr) // another node: the plugin is not there
	defer end()
	require.Contains(t, lineIn(t, said), "no such plugin")
	_, err = io.Copy(io.Discard, said)
	require.NoError(t, err)
	require.Equal(t, 3, <-ended)

	_, refused, code := run(t, []string{"plugin", "logs", "-f", "--addr", "127.0.0.1:1"})
	require.Equal(t, 5, code, "what has never answered is not waited for")
	require.NotContains(t, refused, "broke off")
}
