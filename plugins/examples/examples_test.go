package examples_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

func load(tb testing.TB, module []byte) *plugins.Module {
	tb.Helper()
	h, err := plugins.NewHost(plugins.Config{})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, h.Close(context.Background())) })
	m, err := h.Load(tb.Context(), module, plugins.Limits{})
	require.NoError(tb, err)
	return m
}

func conflict(key string, values ...string) plugins.Input {
	in := plugins.Input{Key: []byte(key)}
	for i, v := range values {
		in.Versions = append(in.Versions, plugins.Version{Value: []byte(v), Time: uint64(i + 1)})
	}
	return in
}

func resolve(t *testing.T, m *plugins.Module, in plugins.Input) string {
	t.Helper()
	v, err := m.Resolve(t.Context(), in)
	require.NoError(t, err)
	return v.String()
}

func TestNewestPicksTheLast(t *testing.T) {
	m := load(t, examples.Newest())
	require.Equal(t, "pick 1", resolve(t, m, conflict("k", "a", "b")))
	require.Equal(t, "pick 2", resolve(t, m, conflict("k", "a", "b", "c")))
}

func TestUnionJoinsTheDistinctLinesSorted(t *testing.T) {
	m := load(t, examples.Union())
	for want, values := range map[string][]string{
		`set "apple\npear\nplum"`: {"pear\napple", "plum\npear\n"},
		`set "a\nb"`:              {"a", "b"},
		`set "a\naa\nab\nb"`:      {"b\nab\na", "aa\n\n\nb", "a"},
		`set ""`:                  {"", "\n"},
	} {
		require.Equal(t, want, resolve(t, m, conflict("k", values...)))
	}
}

func TestUnionTakesNothingFromADelete(t *testing.T) {
	in := conflict("k", "apple", "")
	in.Versions[1].Deleted = true
	require.Equal(t, `set "apple"`, resolve(t, load(t, examples.Union()), in))
}

func TestTrapTrapsOnPoisonOnly(t *testing.T) {
	m := load(t, examples.Trap())
	var trap *plugins.Trap
	_, err := m.Resolve(t.Context(), conflict("poison", "a", "b"))
	require.ErrorAs(t, err, &trap)
	require.Equal(t, "unreachable", trap.Reason)
	for _, key := range []string{"k", "poisons", "poisom", ""} {
		require.Equal(t, `set "a\nb"`, resolve(t, m, conflict(key, "a", "b")), key)
	}
}

func TestLoopRunsOutOfFuel(t *testing.T) {
	_, err := load(t, examples.Loop()).Resolve(t.Context(), conflict("k", "a", "b"))
	require.ErrorContains(t, err, "out of fuel")
}

// TestCartIsBuiltFromItsSource compares what the committed module and one built now do.
func TestCartIsBuiltFromItsSource(t *testing.T) {
	committed, built := load(t, examples.Cart()), load(t, plugintest.BuildGo(t, "plugins/examples/cart"))
	for _, c := range []struct {
		values []string
		want   string
	}{
		{
			[]string{`{"lines":[{"sku":"pear","qty":2}]}`, `{"lines":[{"sku":"apple","qty":1},{"sku":"pear","qty":1}]}`},
			`set "{\"lines\":[{\"sku\":\"apple\",\"qty\":1},{\"sku\":\"pear\",\"qty\":2}]}"`,
		},
		{[]string{`{}`, `{"lines":null}`, `{"lines":[]}`}, `set "{\"lines\":[]}"`},
		{[]string{`{}`, `no`}, `failed "version 1 is not a cart: `},
	} {
		require.Contains(t, resolve(t, committed, conflict("cart:42", c.values...)), c.want)
		require.Contains(t, resolve(t, built, conflict("cart:42", c.values...)), c.want)
	}
}
