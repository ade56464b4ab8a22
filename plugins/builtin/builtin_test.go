package builtin_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/builtin"
)

func TestEveryBuiltinDecidesWhatItsNameSays(t *testing.T) {
	h, err := plugins.NewHost(plugins.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	for name, want := range map[string]struct{ base, left, right, verdict string }{
		"counter":    {"", "ada 3 0", "ada 1 2", `set "ada 3 2\n"`},
		"json-merge": {`{"a":1,"b":1}`, `{"a":2,"b":1}`, `{"a":1,"b":2}`, `set "{\"a\":2,\"b\":2}"`},
		"lww":        {"", "9", "10", "pick 1"},
		"max":        {"", "10", "9", "pick 0"},
		"set-union":  {"", "b\na", "c", `set "a\nb\nc"`},
	} {
		module, ok := builtin.Module(name)
		require.True(t, ok, name)
		m, err := h.Load(t.Context(), module, plugins.Limits{})
		require.NoError(t, err, name)
		in := plugins.Input{Key: []byte("k"), Versions: []plugins.Version{{Value: []byte(want.left), Time: 1}, {Value: []byte(want.right), Time: 2}}}
		if want.base != "" {
			in.Base = &plugins.Version{Value: []byte(want.base)}
		}
		v, err := m.Resolve(t.Context(), in)
		require.NoError(t, err, name)
		require.Equal(t, want.verdict, v.String(), name)
	}
}

func TestBuiltinsAreListedByName(t *testing.T) {
	all := builtin.All()
	require.Len(t, all, 5)
	require.True(t, slices.IsSortedFunc(all, func(a, b builtin.Handler) int { return strings.Compare(a.Name, b.Name) }))
	for _, h := range all {
		require.NotEmpty(t, h.About)
		require.NotEmpty(t, h.Module())
	}
	_, ok := builtin.Module("cart")
	require.False(t, ok)
}
