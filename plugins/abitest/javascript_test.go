package abitest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
)

func TestTheJavaScriptProbeConforms(t *testing.T) { conforms(t, javaScript(t)) }

// TestWhatJavaScriptThrowsIsTheHandlersError says what becomes of everything that a handler in JavaScript may do wrong.
func TestWhatJavaScriptThrowsIsTheHandlersError(t *testing.T) {
	m := loadModule(t, javaScript(t))
	for _, c := range []struct{ key, value, want string }{
		{"js:type", "", `failed "TypeError: `},
		{"js:thrown", "", `failed "no error"`},
		{"js:recursion", "", `failed "RangeError: calls nest too deep"`},
		{"js:promise", "", `failed "the handler is asynchronous`},
		{"js:nothing", "", `failed "the handler returned no verdict`},
		{"js:number", "", `failed "TypeError: set takes a string or a Uint8Array`},
		{"js:half", "", `failed "TypeError: text with half of a surrogate pair"`},
		{"js:undefined", "", `failed "TypeError: a value that JSON does not have"`},
		{"js:json", "{", `failed "SyntaxError: `},
		{"js:json", strings.Repeat("[", 100_000), `failed "RangeError: JSON nests deeper than 128"`},
		{"js:json", strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), `failed "RangeError: JSON nests`},
		{"js:json", strings.Repeat("[", 128) + strings.Repeat("]", 128), `set "[[[[`},
		{"js:json", `["` + strings.Repeat(`[\"[`, 200) + `"]`, `set "[\"[`},
		{"js:json", `{"b":[1,null],"a":"ä"}`, `set "{\"b\":[1,null],\"a\":\"ä\"}"`},
		{"js:text", "käse 🧀", `set "käse 🧀"`},
		{"js:text", "", `set ""`},
		{"js:text", "\ufeffa\ufffd\x00", `set "\ufeffa` + "\ufffd" + `\x00"`},
		{"js:text", strings.Repeat("\ufffd", 20_000), `set "` + strings.Repeat("\ufffd", 100)},
		{"js:text", strings.Repeat("\ufffd", 20_000) + "\xf0\x9f", `failed "TypeError: not UTF-8"`},
		{"js:text", "a\xffb", `failed "TypeError: not UTF-8"`},
		{"js:text", "\xed\xa0\x80", `failed "TypeError: not UTF-8"`},
		{"js:text", "\xc0\x80", `failed "TypeError: not UTF-8"`},
	} {
		v, err := m.Resolve(t.Context(), versions(c.key, c.value, "b"))
		require.NoError(t, err, "%s %.40s", c.key, c.value)
		require.True(t, strings.HasPrefix(v.String(), c.want), "%s %.40s: %.200s", c.key, c.value, v)
	}
}

func TestJavaScriptOutOfMemoryIsATrap(t *testing.T) {
	_, err := loadModule(t, javaScript(t)).Resolve(t.Context(), versions("js:memory", "a", "b"))
	var trap *plugins.Trap
	require.ErrorAs(t, err, &trap)
	require.Contains(t, trap.Reason, "out of memory")
}

func TestJavaScriptSeesNothingThatDiffersFromCallToCall(t *testing.T) {
	one, two := loadModule(t, javaScript(t)), loadModule(t, javaScript(t))
	for _, key := range []string{"js:surroundings", "js:state"} {
		first, err := one.Resolve(t.Context(), versions(key, "a", "b"))
		require.NoError(t, err)
		require.Equal(t, plugins.Set, first.Kind)
		for _, m := range []*plugins.Module{one, two} {
			again, err := m.Resolve(t.Context(), versions(key, "a", "b"))
			require.NoError(t, err)
			require.Equal(t, first, again)
		}
	}
}

// javaScript returns the committed probe, which is packed: the engine is in it.
func javaScript(tb testing.TB) []byte {
	tb.Helper()
	packed, err := os.ReadFile("probe/javascript/probe.wasm.gz")
	require.NoError(tb, err)
	return unpack(tb, packed)
}

// unpack returns what gzip has packed.
func unpack(tb testing.TB, packed []byte) []byte {
	tb.Helper()
	r, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(tb, err)
	content, err := io.ReadAll(r)
	require.NoError(tb, err)
	return content
}

// loadModule loads a module with the limits that a node has by default.
func loadModule(tb testing.TB, module []byte) *plugins.Module {
	tb.Helper()
	h, err := plugins.NewHost(plugins.Config{CacheDir: cacheDir})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, h.Close(context.Background())) })
	m, err := h.Load(tb.Context(), module, plugins.Limits{})
	require.NoError(tb, err)
	return m
}

// versions is a conflict of the values, oldest first.
func versions(key string, values ...string) plugins.Input {
	in := plugins.Input{Key: []byte(key)}
	for i, v := range values {
		in.Versions = append(in.Versions, plugins.Version{Value: []byte(v), Time: uint64(i + 1), Origin: uint64(i + 1)})
	}
	return in
}
