package cli_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/cli"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/rest"
	"github.com/kvnode/kvnode/rest/resttest"
)

// commands are all commands but demo, whose help is its own.
func commands() []string {
	return []string{
		"", "start", "table", "table create", "table ls", "table info", "table clear", "table drop", "put", "get", "del", "match", "watch",
		"plugin new", "plugin build",
		"plugin", "plugin install", "plugin ls", "plugin show", "plugin activate", "plugin shadow", "plugin logs", "plugin rm", "plugin rollback", "plugin disable", "conflict", "conflict ls", "conflict show", "conflict resolve", "conflict settle", "conflict export", "conflict replay", "torture", "cluster", "cluster members", "cluster forget",
		"cluster status", "version",
		"plugin test", "plugin check", "plugin bench",
	}
}

func TestTheHelpOfEveryCommandEndsInTwoWorkingExamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "carts.jsonl"), []byte(`{"key":"k","value":"v"}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "carts.wasm"), examples.Union(), 0o600))
	for _, name := range []string{"carts.json", "fixtures.json"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(`{"key":"k","versions":[{"value":"a"},{"value":"b"}]}`), 0o600))
	}
	for _, command := range commands() {
		t.Run("kvnode "+command, func(t *testing.T) {
			t.Parallel()
			out, _, code := run(t, append(strings.Fields(command), "--help"))
			require.Zero(t, code)
			_, tail, ok := strings.Cut(out, "EXAMPLES:\n")
			require.True(t, ok, out)
			examples := strings.Split(strings.TrimSpace(tail), "\n")
			require.Len(t, examples, 2)
			for _, example := range examples {
				words := strings.Fields(strings.ReplaceAll(strings.TrimSpace(example), "'", ""))
				require.Equal(t, "kvnode", words[0])
				if isForScripts(words) {
					continue
				}
				for i, word := range words {
					if strings.HasPrefix(word, "carts.") {
						words[i] = filepath.Join(dir, word)
					}
				}
				_, talk, code := run(t, withAddr(words[1:], filled(t)))
				require.Zero(t, code, "%s: %s", example, talk)
			}
		})
	}
}

// isForScripts says that an example does not end by itself, or wants a folder of its own: scripts run it.
func isForScripts(words []string) bool {
	line := strings.Join(words, " ") + " "
	return slices.ContainsFunc([]string{"start", "watch", "plugin new", "plugin build"}, func(command string) bool {
		return strings.HasPrefix(line, "kvnode "+command+" ")
	})
}

// withAddr adds the node to ask, as a flag: before what is no flag any more.
func withAddr(words []string, addr string) []string {
	end := slices.Index(words, "--")
	if end < 0 {
		end = len(words)
	}
	return slices.Insert(slices.Clone(words), end, "--addr", addr)
}

// run runs the command line in this process.
func run(t *testing.T, args []string) (out, talk string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Run(t.Context(), append([]string{"kvnode"}, args...), strings.NewReader(""), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

// filled returns the address of a node that has what the examples ask for.
func filled(t *testing.T) string {
	t.Helper()
	store := resttest.New()
	for _, table := range []string{"carts", "sessions"} {
		_, err := store.CreateTable(t.Context(), table, optionsOf(table))
		require.NoError(t, err)
	}
	require.NoError(t, writeSiblings(t.Context(), store, "carts", "alice", []string{"1", "2"}))
	_, err := store.InstallPlugin(t.Context(), "carts", []byte("\x00asm"), engine.Limits{})
	require.NoError(t, err)
	_, err = store.ActivateShadow(t.Context(), "carts", "carts")
	require.NoError(t, err)
	_, err = store.InstallPlugin(t.Context(), "old", []byte("\x00asm\x00"), engine.Limits{})
	require.NoError(t, err)
	for range 2 { // one to judge, and one to go back to
		_, err = store.Activate(t.Context(), "carts", "carts")
		require.NoError(t, err)
	}
	store.AddMember(engine.Member{Name: "b"})
	store.AddMember(engine.Member{Name: "c"})
	for _, id := range []string{"3f2a0011", "7b100022"} {
		store.AddConflict(engine.Conflict{
			ID: id, State: engine.Kept, Open: true, Versions: []engine.Version{{Value: []byte("1"), Stamp: 1}, {Value: []byte("2"), Stamp: 2}},
		})
	}
	server, err := rest.NewServer(rest.Config{Store: store})
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close(context.Background()))
		require.NoError(t, <-served)
	})
	return listener.Addr().String()
}

func optionsOf(table string) engine.TableOptions {
	if table == "sessions" {
		return engine.TableOptions{Type: engine.OrderedSet, Ack: engine.AckOne, Unresolved: engine.LWW}
	}
	return engine.TableOptions{}
}

func TestHelpSaysADefaultOnceAndNeverAZeroThatMeansAnother(t *testing.T) {
	t.Parallel()
	for _, command := range commands() {
		out, _, code := run(t, append(strings.Fields(command), "--help"))
		require.Zero(t, code)
		require.NotContains(t, out, "(default: 0", command)
		require.NotContains(t, out, "(default: false)", command)
		for line := range strings.Lines(out) {
			require.LessOrEqual(t, strings.Count(line, "default"), 1, line)
		}
	}
}

func TestTheExitCodesOfTheHelpAreThoseOfTheReadme(t *testing.T) {
	t.Parallel()
	out, _, _ := run(t, []string{"--help"})
	_, tail, ok := strings.Cut(out, "EXIT CODES:\n")
	require.True(t, ok, out)
	table, _, _ := strings.Cut(tail, "\n\n")
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(table), "\n")
	require.Len(t, lines, 7)
	for _, line := range lines {
		code, means, _ := strings.Cut(strings.TrimSpace(line), " ")
		require.Contains(t, string(readme), "| "+code+" | "+strings.TrimSpace(means)+" |\n")
	}
}

func TestABombIsNotUnpacked(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(append([]byte("\x00asm"), make([]byte, rest.MaxModuleBytes)...))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	file := filepath.Join(t.TempDir(), "bomb.wasm.gz")
	require.NoError(t, os.WriteFile(file, packed.Bytes(), 0o600))
	for _, command := range []string{"plugin install h", "plugin test", "plugin check", "plugin bench", "conflict replay 3f --module"} {
		_, talk, code := run(t, append(strings.Fields(command), file, "--addr", filled(t)))
		require.Equal(t, 1, code, command)
		require.Contains(t, talk, "a module has at most 16 MiB", command)
	}
}

func TestAKeyThatTheHandlerDeletesIsShownByItsSiblings(t *testing.T) {
	t.Parallel()
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"key":"k","deleted":true,"state":"resolved"}`) // else the command fails
	}))
	defer node.Close()
	_, talk, code := run(t, []string{"get", "carts", "k", "--addr", node.URL})
	require.Equal(t, rest.ExitNotFound, code)
	require.Contains(t, talk, "the handler decided to delete it\n  next: see its versions with 'kvnode get carts k --siblings'\n")
}

func TestWhatIsDoneIsAnObjectForPrograms(t *testing.T) {
	t.Parallel()
	addr := filled(t)
	for command, want := range map[string]string{
		"table clear sessions": `{"table": "sessions", "cleared": true}`,
		"plugin rm old@1":      `{"plugin": "old@1", "removed": true}`,
		"cluster forget b":     `{"member": "b", "forgotten": true}`,
		"table drop carts":     `{"table": "carts", "dropped": true}`,
	} {
		out, talk, code := run(t, append(strings.Fields(command), "--output", "json", "--addr", addr))
		require.Zero(t, code, talk)
		require.JSONEq(t, want, out)
		require.Empty(t, talk, "it is said once")
	}
}

func TestTheHelpOfListsSaysWhatProgramsGet(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"table ls": "one array", "plugin ls": "one array", "plugin show": "one array", "conflict ls": "one array", "cluster members": "one array",
		"plugin logs": "one object a line", "watch": "one object a line", "match": "each line is an entry",
	} {
		out, _, code := run(t, append(strings.Fields(command), "--help"))
		require.Zero(t, code)
		require.Contains(t, out, want, command)
		require.Equal(t, 1, strings.Count(out, "With --output json"), command)
	}
}
