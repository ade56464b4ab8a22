package meter_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins/meter"
)

const (
	canonical32 = 0x7fc00000
	canonical64 = 0x7ff8000000000000
)

// patterns are operands: NaNs with payloads and signs, signalling ones, infinities, ordinary numbers.
func patterns(t meter.ValType) []uint64 {
	if t == meter.I32 {
		return []uint64{
			canonical32, 0xffc00000, 0x7fc00001, 0xffe12345, 0x7f800001, 0xff923456,
			0x7f800000, 0xff800000, 0, 0x80000000, 0x3f800000, 0xc0490fdb, 0x7f7fffff, 1,
		}
	}
	return []uint64{
		canonical64, 0xfff8000000000000, 0x7ff8000000000001, 0xfffc123456789abc, 0x7ff0000000000001, 0xfff2345678901234,
		0x7ff0000000000000, 0xfff0000000000000, 0, 1 << 63, math.Float64bits(1), math.Float64bits(-math.Pi),
		math.Float64bits(math.MaxFloat64), 1,
	}
}

func isNaN(bits uint64, t meter.ValType) bool {
	if t == meter.I32 {
		return uint32(bits)&0x7fffffff > 0x7f800000
	}
	return bits&(1<<63-1) > 0x7ff0000000000000
}

// bits cuts off what the runtime leaves above a result of 32 bits.
func bits(v uint64, t meter.ValType) uint64 {
	if t == meter.I32 {
		return uint64(uint32(v))
	}
	return v
}

func TestEveryNaNThatAnOperationMakesIsTheCanonicalOne(t *testing.T) {
	raw, err := newRuntime(t, compiler()).Instantiate(t.Context(), testdata(t, "nan"))
	require.NoError(t, err)
	compiled, interpreted := start(t, compiler(), "nan"), start(t, interpreter(), "nan")
	info, err := meter.Inspect(testdata(t, "nan"))
	require.NoError(t, err)
	nans, differed := 0, 0
	for _, e := range info.Exports {
		result := e.Func.Results[0]
		for _, a := range patterns(e.Func.Params[0]) {
			for _, b := range patterns(e.Func.Params[1]) {
				results, err := raw.ExportedFunction(e.Name).Call(t.Context(), a, b)
				require.NoError(t, err)
				want := bits(results[0], result)
				got := bits(compiled.call(t, plenty, e.Name, a, b).Results[0], result)
				again := bits(interpreted.call(t, plenty, e.Name, a, b).Results[0], result)
				require.Equal(t, got, again, "%s %x %x", e.Name, a, b)
				switch {
				case !isNaN(want, result) || strings.HasPrefix(e.Name, "bits "):
					require.Equal(t, want, got, "%s %x %x", e.Name, a, b)
				case result == meter.I32:
					require.Equal(t, uint64(canonical32), got, "%s %x %x", e.Name, a, b)
				default:
					require.Equal(t, uint64(canonical64), got, "%s %x %x", e.Name, a, b)
				}
				if isNaN(want, result) {
					nans++
				}
				if want != got {
					differed++
				}
			}
		}
	}
	require.Greater(t, nans, 1000)
	require.Greater(t, differed, 100, "the processor's own NaNs are others")
}
