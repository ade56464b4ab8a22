package abitest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins/abitest"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

func TestTheGoProbeConforms(t *testing.T) {
	conforms(t, plugintest.BuildGo(t, "plugins/abitest/probe/go"))
}

// conforms runs the kit; every check has to hold, none may be unsupported.
func conforms(t *testing.T, probe []byte) {
	t.Helper()
	report, err := abitest.Run(t.Context(), probe)
	require.NoError(t, err)
	for _, c := range report.Checks {
		require.Empty(t, c.Failure, c.Name)
		require.False(t, c.Unsupported, c.Name)
	}
	require.Greater(t, len(report.Checks), 40)
}

func TestTheCProbeConforms(t *testing.T) { conforms(t, readProbe(t, "c")) }

func TestTheCPlusPlusProbeConforms(t *testing.T) { conforms(t, readProbe(t, "cpp")) }

func TestTheRustProbeConforms(t *testing.T) { conforms(t, readProbe(t, "rust")) }

func TestTheZigProbeConforms(t *testing.T) { conforms(t, readProbe(t, "zig")) }

func TestTheAssemblyScriptProbeConforms(t *testing.T) { conforms(t, readProbe(t, "assemblyscript")) }
