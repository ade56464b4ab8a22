package builtin_test

import (
	"context"
	"fmt"
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
		handler, ok := builtin.Find(name)
		require.True(t, ok, name)
		m, err := h.Load(t.Context(), handler.Module(), plugins.Limits{Fuel: handler.Fuel})
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
	_, ok := builtin.Find("cart")
	require.False(t, ok)
}

// TestJSONMergeHasFuelForTheLargestThatItTakes merges objects of nothing but small fields.
func TestJSONMergeHasFuelForTheLargestThatItTakes(t *testing.T) {
	h, err := plugins.NewHost(plugins.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	handler, ok := builtin.Find("json-merge")
	require.True(t, ok)
	m, err := h.Load(t.Context(), handler.Module(), plugins.Limits{Fuel: handler.Fuel})
	require.NoError(t, err)
	for _, versions := range []int{2, 8, 32} {
		in := plugins.Input{Key: []byte("k")}
		for i := range versions {
			in.Versions = append(in.Versions, plugins.Version{Value: smallFields(i, 16<<10/(versions+1)), Time: uint64(i)})
		}
		base := plugins.Version{Value: smallFields(versions, 16<<10/(versions+1))}
		in.Base = &base
		v, err := m.Resolve(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, plugins.Set, v.Kind, v.Message)
		require.Less(t, v.Fuel, handler.Fuel*9/10)
	}
}

// smallFields is an object of at most size bytes, whose fields are in no order and differ from one seed to the other.
func smallFields(seed, size int) []byte {
	const names = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	out := []byte("{")
	for i := 0; len(out)+len(`"aaa":0,}`) < size; i++ {
		at := i * 7919
		out = fmt.Appendf(out, `"%c%c%c":%d,`, names[at%62], names[(at/62+seed)%62], names[i/3844%62], seed%10)
	}
	return append(out[:len(out)-1], '}')
}
