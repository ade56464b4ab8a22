package plugins_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/abi"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

func TestEveryStatusIsItsVerdict(t *testing.T) {
	m := load(t, plugintest.Module(t, "verdicts"), plugins.Limits{})
	for key, want := range map[string]string{
		"k": "keep", "d": "delete", "s": `set "plum"`, "e": `set ""`, "p": "pick 0", "f": `failed "plum"`,
		"unknown": `keep`,
	} {
		v := resolve(t, m, conflict(key, "a", "b"))
		require.Equal(t, want, v.String(), key)
		require.Positive(t, v.Fuel)
	}
}

func TestTheViolationsOfTheContractAreTraps(t *testing.T) {
	m := load(t, plugintest.Module(t, "verdicts"), plugins.Limits{})
	for key, want := range map[string]string{
		"S": "malformed verdict: unknown status", "P": "malformed verdict: output outside memory",
		"I": "malformed verdict: picked version does not exist", "E": "malformed verdict: output outside memory",
		"U": "unreachable", "O": "out of bounds memory access", "Z": "integer divide by zero", "T": "invalid table access",
		"R": "out of stack", "L": "out of fuel: more than 20000000 units",
	} {
		got := trap(t, m, conflict(key, "a", "b"))
		require.Contains(t, got.Reason, want, key)
		require.Contains(t, got.Error(), "handler trapped: ")
		require.Positive(t, got.Fuel)
		require.LessOrEqual(t, got.Fuel, plugins.DefaultLimits().Fuel)
		require.Equal(t, got, trap(t, m, conflict(key, "a", "b")), "the same call traps the same way")
	}
	require.Equal(t, `set "plum"`, resolve(t, m, conflict("s", "a", "b")).String(), "the module still works")
}

func TestFuelIsAFunctionOfTheInput(t *testing.T) {
	m := load(t, examples.Union(), plugins.Limits{})
	short := resolve(t, m, conflict("k", "apple", "pear"))
	long := resolve(t, m, conflict("k", strings.Repeat("apple\n", 100), "pear"))
	require.Greater(t, long.Fuel, short.Fuel)
	require.Equal(t, short.Fuel, resolve(t, m, conflict("k", "apple", "pear")).Fuel)
}

func TestLessFuelThanNeededTraps(t *testing.T) {
	need := resolve(t, load(t, examples.Union(), plugins.Limits{}), conflict("k", "a", "b")).Fuel
	exact := load(t, examples.Union(), plugins.Limits{Fuel: need})
	require.Equal(t, need, resolve(t, exact, conflict("k", "a", "b")).Fuel)
	less := load(t, examples.Union(), plugins.Limits{Fuel: need - 1})
	require.Contains(t, trap(t, less, conflict("k", "a", "b")).Reason, "out of fuel")
}

func TestPickAliasesTheInputAndSetIsTheCallersOwn(t *testing.T) {
	in := conflict("k", "apple", "pear")
	v := resolve(t, load(t, examples.Newest(), plugins.Limits{}), in)
	require.Equal(t, plugins.Pick, v.Kind)
	require.Equal(t, 1, v.Index)
	require.Same(t, &in.Versions[1].Value[0], &v.Value[0])

	m := load(t, examples.Union(), plugins.Limits{})
	first := resolve(t, m, in)
	require.Equal(t, "plum", string(resolve(t, m, conflict("k", "plum", "plum")).Value))
	require.Equal(t, "apple\npear", string(first.Value))
}

func TestOverTheLimitsIsTheHandlersFailureAndNoTrap(t *testing.T) {
	verdicts := plugintest.Module(t, "verdicts")
	for name, c := range map[string]struct {
		limits plugins.Limits
		in     plugins.Input
		want   string
	}{
		"versions": {plugins.Limits{Versions: 2}, conflict("k", "a", "b", "c"), "3 versions, at most 2"},
		"frame":    {plugins.Limits{FrameBytes: 4096}, conflict("k", strings.Repeat("x", 4096), "b"), "a frame of 4240 bytes, at most 4096"},
		"refused":  {plugins.Limits{}, conflict("k", strings.Repeat("x", 1<<20), "b"), "no room for a frame of 1048720 bytes"},
		"memory":   {plugins.Limits{}, conflict("k", strings.Repeat("x", 20<<20), "b"), "no room for a frame of 20971664 bytes"},
		"output":   {plugins.Limits{OutputBytes: 1000}, conflict("l", "a", "b"), "131072 bytes, at most 1000"},
	} {
		v := resolve(t, load(t, verdicts, c.limits), c.in)
		require.Equal(t, plugins.Failed, v.Kind, name)
		require.Contains(t, v.Message, c.want)
	}
}

func TestTheTextOfAnErrorIsCutAndValid(t *testing.T) {
	v := resolve(t, load(t, plugintest.Module(t, "verdicts"), plugins.Limits{}), conflict("F", "a", "b"))
	require.Equal(t, plugins.Failed, v.Kind)
	require.LessOrEqual(t, len(v.Message), 4<<10)
}

func TestFramesAboveTheFirstBufferAreDelivered(t *testing.T) {
	big := strings.Repeat("apple and pear and plum\n", 5_000)
	for name, module := range map[string][]byte{
		"c": examples.Union(), "go": plugintest.BuildGo(t, "testdata/modules/gonewest"),
	} {
		m := load(t, module, plugins.Limits{})
		first := resolve(t, m, conflict("k", big, "pear"))
		require.NotEmpty(t, first.Value, name)
		require.Equal(t, first, resolve(t, m, conflict("k", big, "pear")), name)
		require.Equal(t, "pear", string(resolve(t, m, conflict("k", "pear", "pear")).Value), name)
	}
}

func TestAFrameThatAGoModuleHasNoMemoryForIsNoTrap(t *testing.T) {
	m := load(t, plugintest.BuildGo(t, "testdata/modules/gonewest"), plugins.Limits{})
	v := resolve(t, m, conflict("k", strings.Repeat("x", 12<<20), "b"))
	require.Equal(t, plugins.Failed, v.Kind)
	require.Contains(t, v.Message, "no room")
	require.Equal(t, plugins.Pick, resolve(t, m, conflict("k", "a", "b")).Kind)
}

func TestMemoryGrowsToTheLimitAndShrinksAgain(t *testing.T) {
	m := load(t, plugintest.Module(t, "verdicts"), plugins.Limits{MemoryBytes: 2 << 16})
	require.Equal(t, "\xff\xff\xff\xff", string(resolve(t, m, conflict("g", "a", "b")).Value), "growing fails")
	require.Equal(t, "unreachable (the memory limit of 128 KiB was reached)", trap(t, m, conflict("M", "a", "b")).Reason)
	require.Equal(t, "unreachable", trap(t, m, conflict("U", "a", "b")).Reason, "nothing was refused in this call")
	m = load(t, plugintest.Module(t, "verdicts"), plugins.Limits{MemoryBytes: 3 << 16})
	for range 3 {
		require.Equal(t, "\x02\x00\x00\x00", string(resolve(t, m, conflict("g", "a", "b")).Value), "each call starts with two pages")
	}
}

func TestVersionsMustAscend(t *testing.T) {
	m := load(t, examples.Newest(), plugins.Limits{})
	v := func(time, origin uint64) plugins.Version { return plugins.Version{Time: time, Origin: origin} }
	for name, versions := range map[string][]plugins.Version{
		"none": {}, "one": {v(1, 1)}, "time": {v(2, 1), v(1, 1)}, "origin": {v(1, 2), v(1, 1)}, "twice": {v(1, 1), v(1, 1)},
	} {
		_, err := m.Resolve(t.Context(), plugins.Input{Key: []byte("k"), Versions: versions})
		require.ErrorIs(t, err, plugins.ErrInput, name)
	}
	require.Equal(t, 1, resolve(t, m, plugins.Input{Versions: []plugins.Version{v(1, 1), v(1, 2)}}).Index)
}

// TestTheHandlerSeesTheWholeFrame has a handler return its own frame.
func TestTheHandlerSeesTheWholeFrame(t *testing.T) {
	m := load(t, plugintest.Module(t, "echo"), plugins.Limits{})
	rapid.Check(t, func(t *rapid.T) {
		in := genConflict(t)
		v, err := m.Resolve(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, plugins.Set, v.Kind)
		const addr = 65536
		f, err := abi.Decode(v.Value, addr)
		require.NoError(t, err)
		require.Equal(t, in.Key, f.Key)
		require.Equal(t, in.Versions, f.Versions)
		require.Equal(t, in.Base, f.Base)
		require.Equal(t, in.Versions[len(in.Versions)-1].Time, f.Now)
		require.Zero(t, binary.LittleEndian.Uint64(v.Value[16:]), "arg is reserved")
	})
}

func TestTheSeedDependsOnAllOfTheInput(t *testing.T) {
	m := load(t, plugintest.Module(t, "echo"), plugins.Limits{})
	seed := func(change func(*plugins.Input)) uint64 {
		in := conflict("k", "a", "b")
		change(&in)
		f, err := abi.Decode(resolve(t, m, in).Value, 65536)
		require.NoError(t, err)
		return f.Seed
	}
	same := seed(func(*plugins.Input) {})
	require.Equal(t, same, seed(func(*plugins.Input) {}))
	seen := map[uint64]bool{same: true}
	for _, change := range []func(*plugins.Input){
		func(in *plugins.Input) { in.Key = []byte("l") },
		func(in *plugins.Input) { in.Versions[0].Value = []byte("c") },
		func(in *plugins.Input) { in.Versions[1].Time++ },
		func(in *plugins.Input) { in.Versions[1].Origin++ },
		func(in *plugins.Input) { in.Versions[0].Deleted = true },
		func(in *plugins.Input) { in.Base = &plugins.Version{} },
		func(in *plugins.Input) { in.Base = &plugins.Version{Value: []byte("o")} },
		func(in *plugins.Input) { in.Key, in.Versions[0].Value = []byte("ka"), nil },
	} {
		s := seed(change)
		require.False(t, seen[s])
		seen[s] = true
	}
}

func genConflict(t *rapid.T) plugins.Input {
	blob := rapid.SliceOfN(rapid.Byte(), 0, 100)
	in := plugins.Input{Key: blob.Draw(t, "key")}
	time := rapid.Uint64Range(0, 1<<40).Draw(t, "time")
	for range rapid.IntRange(2, 6).Draw(t, "versions") {
		in.Versions = append(in.Versions, plugins.Version{
			Value: blob.Draw(t, "value"), Time: time,
			Origin: rapid.Uint64().Draw(t, "origin"), Deleted: rapid.Bool().Draw(t, "deleted"),
		})
		time += rapid.Uint64Range(1, 3).Draw(t, "step")
	}
	if rapid.Bool().Draw(t, "has base") {
		in.Base = &plugins.Version{Value: blob.Draw(t, "base")}
	}
	return in
}
