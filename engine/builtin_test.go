package engine_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// withBuiltin starts nodes that bring the handler "set-union" along.
func withBuiltin(t *testing.T, names ...string) *enginetest.Cluster {
	t.Helper()
	c := enginetest.NewCluster(t, 1)
	for _, name := range names {
		c.Start(name, func(cfg *engine.Config) {
			cfg.Builtin = func(name string) (engine.Builtin, bool) {
				sum := sha256.Sum256([]byte("union"))
				report := checkReport(hex.EncodeToString(sum[:]), 8)
				return engine.Builtin{Module: []byte("union"), Limits: engine.Limits{Fuel: 5}, Check: report}, name == "set-union"
			}
		})
	}
	for _, name := range names {
		require.NoError(t, c.Node(name).AwaitReady(t.Context()))
	}
	return c
}

func TestATableThatNamesABuiltinHandlerIsJudgedByIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withBuiltin(t, "a", "b")
		_, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Handler: "set-union"})
		require.NoError(t, err)
		fork(t, c.Node("a"), "k", "1", "2")
		everywhere(t, c, "k", "1,2")
		_, err = c.Node("b").CreateTable(t.Context(), "carts", engine.TableOptions{Handler: "set-union"})
		require.NoError(t, err)
		installed, err := c.Node("b").Plugins(t.Context())
		require.NoError(t, err)
		require.Len(t, installed, 1)
		require.Equal(t, engine.Limits{Fuel: 5}, installed[0].Limits)
		require.Equal(t, "2 good broken", installed[0].Checked.String(), "it comes with its report")
	})
}

func TestABuiltinHandlerCanBeActivated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withBuiltin(t, "a")
		create(t, c.Node("a"), "carts", "")
		_, err := c.Node("a").Activate(t.Context(), "carts", "set-union")
		require.NoError(t, err)
		fork(t, c.Node("a"), "k", "1", "2")
		everywhere(t, c, "k", "1,2")
		_, err = c.Node("a").Activate(t.Context(), "carts", "nothing")
		require.ErrorIs(t, err, engine.ErrNoPlugin)
	})
}

func TestABuiltinHandlerThatNobodyUsesSaysHowToBringItIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withBuiltin(t, "a")
		_, shown := c.Node("a").Plugin(t.Context(), "set-union")
		for _, err := range []error{shown, c.Node("a").RemovePlugin(t.Context(), "set-union")} {
			require.ErrorIs(t, err, engine.ErrNoPlugin)
			require.EqualError(t, err, "plugin set-union is not installed yet: it is built-in, 'kvnode plugin activate TABLE set-union' brings it in")
		}
		require.ErrorContains(t, c.Node("a").RemovePlugin(t.Context(), "nothing"), "no such plugin: install it")
	})
}

func TestTheNameOfABuiltinHandlerIsNotForOtherModules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withBuiltin(t, "a", "b")
		_, err := c.Node("a").InstallPlugin(t.Context(), "set-union", []byte("latest"), engine.Limits{})
		require.ErrorIs(t, err, engine.ErrBuiltinName)
		all, err := c.Node("a").Plugins(t.Context())
		require.NoError(t, err)
		require.Empty(t, all)
		own, err := c.Node("a").InstallPlugin(t.Context(), "set-union", []byte("union"), engine.Limits{})
		require.NoError(t, err, "the very same module may")
		require.True(t, own.Builtin)
		require.False(t, install(t, c.Node("a"), "mine", "union").Builtin, "by another name")
		all, err = c.Node("b").Plugin(t.Context(), "set-union")
		require.NoError(t, err)
		require.True(t, all[0].Builtin)
	})
}

func TestATableThatOnlyHasTheNameOfABuiltinIsJudgedByNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withBuiltin(t, "a")
		create(t, c.Node("a"), "set-union", "")
		require.Nil(t, info(t, c.Node("a"), "set-union").Active)
	})
}
