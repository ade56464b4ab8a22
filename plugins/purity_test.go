package plugins_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

// stateful are handlers that would answer differently if anything of an earlier call were left: counters in memory, in
// a global and in a table, and runtimes with random iteration order. All of them but the table's trap on the key "trap".
func stateful(tb testing.TB) map[string][]byte {
	tb.Helper()
	return map[string][]byte{
		"wat": plugintest.Module(tb, "counter"), "c": plugintest.Module(tb, "statics"), "table": plugintest.Module(tb, "table"),
		"go": plugintest.BuildGo(tb, "testdata/modules/maporder"),
	}
}

func TestNothingLeaksFromOneCallIntoTheNext(t *testing.T) {
	for name, module := range stateful(t) {
		t.Run(name, func(t *testing.T) {
			m := load(t, module, plugins.Limits{})
			first := resolve(t, m, conflict("k", "a", "b"))
			require.Equal(t, plugins.Set, first.Kind)
			for range 200 {
				require.Equal(t, first, resolve(t, m, conflict("k", "a", "b")))
				resolve(t, m, conflict("other", "a", "b", "c"))
			}
		})
	}
}

func TestNothingLeaksFromATrap(t *testing.T) {
	for name, module := range stateful(t) {
		if name == "table" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			m := load(t, module, plugins.Limits{})
			first, trapped := resolve(t, m, conflict("k", "a", "b")), trap(t, m, conflict("trap", "a", "b"))
			for range 20 {
				require.Equal(t, trapped, trap(t, m, conflict("trap", "a", "b")))
				require.Equal(t, first, resolve(t, m, conflict("k", "a", "b")))
			}
		})
	}
}

func TestEveryInstanceAnswersAlike(t *testing.T) {
	for name, module := range stateful(t) {
		t.Run(name, func(t *testing.T) {
			m := load(t, module, plugins.Limits{})
			first := resolve(t, m, conflict("k", "a", "b"))
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 25 {
						v, err := m.Resolve(t.Context(), conflict("k", "a", "b"))
						if err != nil || v.String() != first.String() || v.Fuel != first.Fuel {
							t.Errorf("got %v with %d fuel, %v", v, v.Fuel, err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestEveryHostAnswersAlike(t *testing.T) {
	module := plugintest.BuildGo(t, "testdata/modules/maporder")
	first := resolve(t, load(t, module, plugins.Limits{}), conflict("k", "a", "b"))
	require.Equal(t, first, resolve(t, load(t, module, plugins.Limits{}), conflict("k", "a", "b")))
}

func TestTheInterpreterAnswersAsTheCompilerDoes(t *testing.T) {
	modules := stateful(t)
	modules["verdicts"] = plugintest.Module(t, "verdicts")
	for name, module := range modules {
		t.Run(name, func(t *testing.T) {
			compiled := load(t, module, plugins.Limits{})
			interpreted, err := newHost(t, plugins.Config{Interpret: true}).Load(t.Context(), module, plugins.Limits{})
			require.NoError(t, err)
			require.Equal(t, compiled.Info(), interpreted.Info())
			for _, key := range []string{"k", "trap", "s", "g", "U", "O", "L"} {
				want, wantErr := compiled.Resolve(t.Context(), conflict(key, `{"lines":[]}`, `{}`))
				got, gotErr := interpreted.Resolve(t.Context(), conflict(key, `{"lines":[]}`, `{}`))
				require.Equal(t, want, got, key)
				require.Equal(t, wantErr, gotErr, key)
			}
		})
	}
}
