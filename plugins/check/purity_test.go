package check_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/check"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

func TestPurityIsALawWhereCallsAreNotReset(t *testing.T) {
	unreset := check.Config{Runs: 1, Limits: plugins.Limits{Reset: plugins.ResetNone}}
	impure, doubted := subject(set(union)), subject(set(union))
	impure.Unreset = set(func([]string) string { return "left over" })
	doubted.Doubt = func() error { return plugins.ErrImpure }
	require.Empty(t, broken(run(t, subject(set(union)), unreset)))
	for name, s := range map[string]check.Subject{"what calls leave": impure, "what the host noticed": doubted} {
		r := run(t, s, unreset)
		require.Equal(t, "purity", broken(r), name)
		require.False(t, r.OK())
		require.Empty(t, broken(run(t, s, check.Config{Runs: 1})), "%s does not matter to a handler that is reset", name)
	}
}

func TestModulesThatKeepSomethingAreNotPure(t *testing.T) {
	for module, state := range map[string]check.State{"counter": check.Broken, "verdicts": check.Held} {
		r, err := check.Run(t.Context(), plugintest.Module(t, module), check.Config{Runs: 1, Limits: plugins.Limits{Reset: plugins.ResetNone}})
		require.NoError(t, err)
		require.Equal(t, state, law(t, r, "purity").State, "%s: %s", module, law(t, r, "purity").Problem)
		require.Equal(t, check.Held, law(t, r, "determinism").State)
		require.Equal(t, plugins.ResetNone, r.Limits.Reset)
	}
}
