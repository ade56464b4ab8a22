package meter_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"

	"github.com/kvnode/kvnode/plugins/meter"
)

func TestFuelIsWorthTheSameWholeAndInSlices(t *testing.T) {
	for _, c := range []wazero.RuntimeConfig{compiler(), interpreter()} {
		g := start(t, c, "traps")
		need := g.call(t, plenty, "deep", 20).Used
		for fuel := range need + 10 {
			want := g.call(t, fuel, "deep", 20)
			for _, first := range []int64{0, 1, fuel / 3, fuel - 1} {
				require.Equal(t, want, g.callSplit(t, first, fuel-first, "deep", 20), "%d of %d", first, fuel)
			}
		}
		for _, fuel := range []int64{meter.Slice, meter.Slice + 1, 3*meter.Slice - 1} {
			require.Equal(t, g.call(t, fuel, "spin"), g.callSplit(t, 0, fuel, "spin"), fuel)
		}
	}
}

func TestNoMoreThanASliceIsUsedWithoutAPause(t *testing.T) {
	g := start(t, compiler(), "traps")
	require.False(t, g.callSplit(t, 0, plenty, "nothing").Trap)
	require.LessOrEqual(t, g.ExportedGlobal(meter.FuelGlobal).Get(), uint64(meter.Slice))
	res, err := meter.Rewrite(testdata(t, "newest"), meter.Config{InitFuel: 5 * meter.Slice})
	require.NoError(t, err)
	g = instantiate(t, newRuntime(t, compiler()), res.Module)
	require.Equal(t, uint64(meter.Slice), g.ExportedGlobal(meter.FuelGlobal).Get())
	require.Equal(t, uint64(4*meter.Slice), g.ExportedGlobal(meter.RestGlobal).Get())
}

func TestAStackThatIsGoneEndsTheCallWhereverItsFuelIs(t *testing.T) {
	g := start(t, compiler(), "traps")
	for _, name := range []string{"recurse", "around"} {
		want := g.call(t, plenty, name)
		require.True(t, want.Trap)
		require.Equal(t, want, g.callSplit(t, 0, plenty, name), name)
		require.Negative(t, g.stack(), name)
		require.Positive(t, g.fuel(), name)
	}
}
