package rest_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
	"github.com/kvnode/kvnode/rest/resttest"
)

func TestEveryNamedErrorHasARow(t *testing.T) {
	t.Parallel()
	codes := map[string]bool{}
	for _, p := range rest.Problems() {
		require.False(t, codes[p.Code], "%s is there twice", p.Code)
		codes[p.Code] = true
	}
	declared := slices.Concat(declaredErrors(t, filepath.Join("..", "engine")), declaredErrors(t, "."))
	require.Contains(t, declared, "ErrNotFound")
	for _, name := range declared {
		require.True(t, codes[snake(strings.TrimPrefix(name, "Err"))], "%s has no row", name)
	}
	require.Len(t, codes, len(declared)+2, "besides the named errors only the two of package context have rows")
}

// declaredErrors lists the exported error variables of the package in the folder.
func declaredErrors(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	var names []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			if group, ok := decl.(*ast.GenDecl); ok && group.Tok == token.VAR {
				names = append(names, errorNames(group)...)
			}
		}
	}
	return names
}

func errorNames(group *ast.GenDecl) []string {
	var names []string
	for _, spec := range group.Specs {
		value, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for _, name := range value.Names {
			if strings.HasPrefix(name.Name, "Err") {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func TestEveryErrorReachesTheClientAsItself(t *testing.T) {
	t.Parallel()
	store := resttest.New()
	addr := start(t, store)
	client := newClient(t, addr)
	for _, p := range rest.Problems() {
		t.Run(p.Code, func(t *testing.T) {
			store.Fail(fmt.Errorf("ask %q: %w", "t", p.Err))
			defer store.Fail(nil)
			got := do(t, addr, http.MethodGet, "/v1/tables", "")
			require.Equal(t, p.Status, got.status)
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			require.Equal(t, p.Code, got.code(t))
			_, err := client.Tables(t.Context())
			require.ErrorIs(t, err, p.Err)
			require.EqualError(t, err, fmt.Sprintf("ask %q: %s", "t", p.Err), "the text is the node's")
			require.Equal(t, p, rest.ProblemOf(err))
		})
	}
}

func TestAnUnknownErrorIsInternal(t *testing.T) {
	t.Parallel()
	p := rest.ProblemOf(http.ErrNoCookie)
	require.Equal(t, rest.ErrInternal, p.Err)
	require.Equal(t, http.StatusInternalServerError, p.Status)
	require.Equal(t, rest.ExitError, p.Exit)
}

func TestAWriteThatIsAppliedIsNeverSaidToBeRefused(t *testing.T) {
	t.Parallel()
	for _, why := range []error{engine.ErrClosed, context.Canceled, context.DeadlineExceeded} {
		require.Equal(t, engine.ErrNotAcknowledged, rest.ProblemOf(fmt.Errorf("%w: %w", engine.ErrNotAcknowledged, why)).Err)
	}
}

func TestTheDocumentListsExactlyTheCodesOfTheTable(t *testing.T) {
	t.Parallel()
	var documented, codes []string
	for _, code := range document(t).Components.Schemas["Error"].Value.Properties["code"].Value.Enum {
		documented = append(documented, fmt.Sprint(code))
	}
	for _, p := range rest.Problems() {
		codes = append(codes, p.Code)
	}
	require.Equal(t, codes, documented)
}

func TestExitCodesSayWhatAScriptCanDo(t *testing.T) {
	t.Parallel()
	for err, exit := range map[error]int{
		engine.ErrBadKey: 2, engine.ErrBadModule: 1, engine.ErrModuleTooLarge: 1, engine.ErrBadCheck: 1, engine.ErrNotFound: 3, engine.ErrNoTable: 3, engine.ErrConflict: 4, engine.ErrTableExists: 4,
		engine.ErrNotReady: 5, engine.ErrNoQuorum: 5, engine.ErrNotAcknowledged: 5, rest.ErrUnreachable: 5, rest.ErrInternal: 1,
	} {
		require.Equal(t, exit, rest.ProblemOf(err).Exit, err)
	}
}

func TestWriteThatIsAppliedAtANodeThatClosesIsNotToldAsOneThatIsNot(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("%w: %w", engine.ErrNotAcknowledged, engine.ErrClosed)
	require.Equal(t, "not_acknowledged", rest.ProblemOf(err).Code)
}

func TestAnAnswerThatIsNotANodesIsNamedSo(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"<html>404", `{"message":"no code"}`} {
		foreign := serveText(t, http.StatusNotFound, body)
		_, err := newPlainClient(t, foreign).Tables(t.Context())
		require.ErrorIs(t, err, rest.ErrBadAnswer)
		require.NotContains(t, err.Error(), body)
	}
	_, err := newPlainClient(t, serveText(t, http.StatusOK, "hello")).Tables(t.Context())
	require.ErrorIs(t, err, rest.ErrBadAnswer)
	require.NotContains(t, err.Error(), "hello")
}

func TestAnotherProtocolThanHTTPIsNamedSoAndNotShown(t *testing.T) {
	t.Parallel()
	for _, greeting := range []string{"INFO {\"server_id\":\"x\"}\r\n", "+", "HTTQ/1.1 200 OK\r\n\r\n"} {
		addr := serveRaw(t, greeting)
		_, err := newPlainClient(t, addr).Tables(t.Context())
		require.ErrorIs(t, err, rest.ErrBadAnswer)
		require.EqualError(t, err, rest.ErrBadAnswer.Error()+": what listens at http://"+addr+" does not speak HTTP")
	}
	_, err := newPlainClient(t, serveRaw(t, "")).Tables(t.Context())
	require.ErrorIs(t, err, rest.ErrUnreachable, "silence is no protocol")
}

// serveRaw returns an address where every connection is greeted, whatever it asks, and ends when the client leaves.
func serveRaw(t *testing.T, greeting string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(greeting))
			if greeting != "" {
				_, _ = io.Copy(io.Discard, conn)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		<-served
	})
	return listener.Addr().String()
}

func TestACodeOfALaterVersionIsInternalWithTheNodesText(t *testing.T) {
	t.Parallel()
	addr := serveText(t, http.StatusTeapot, `{"code":"brewing","message":"wait for the tea"}`)
	_, err := newPlainClient(t, addr).Tables(t.Context())
	require.ErrorIs(t, err, rest.ErrInternal)
	require.EqualError(t, err, "wait for the tea")
}

func TestTheDocumentListsExactlyTheStatesOfAnEntry(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "engine", "types.go"), nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var states []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "State" {
			literal, ok := spec.Values[0].(*ast.BasicLit)
			require.True(t, ok)
			states = append(states, strings.Trim(literal.Value, `"`))
		}
		return true
	})
	var documented []string
	for _, state := range document(t).Components.Schemas["State"].Value.Enum {
		documented = append(documented, fmt.Sprint(state))
	}
	require.Contains(t, states, string(engine.Kept))
	require.ElementsMatch(t, states, documented)
}
