package plugins_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

func TestCheckSaysWhatIsWrongWithAModule(t *testing.T) {
	h := newHost(t, plugins.Config{})
	for name, want := range map[string]struct {
		err  error
		text string
	}{
		"program":    {plugins.ErrNotReactor, "-buildmode=c-shared"},
		"openfile":   {plugins.ErrImport, "imports the func wasi_snapshot_preview1.path_open; remove what reads files, such as package os"},
		"importtype": {plugins.ErrSignature, "kvnode.log as (i32) -> (), the host's is (i32 i32 i32) -> ()"},
		"noalloc":    {plugins.ErrExport, "the function kv_alloc(i32) -> (i32)"},
		"nohandler":  {plugins.ErrExport, "the function handle_conflict(i32) -> (i32)"},
		"nomemory":   {plugins.ErrExport, `the memory, named "memory"`},
		"exporttype": {plugins.ErrSignature, "handle_conflict as (i64) -> (i32), the contract's is (i32) -> (i32)"},
		"version2":   {plugins.ErrABIVersion, "the module speaks version 2, this node version 1"},
		"noroom":     {plugins.ErrInitialise, "kv_alloc(65536) returned 0x0"},
		"bigmemory":  {plugins.ErrMemory, "67108864 bytes, at most 16777216"},
		"simd":       {plugins.ErrFeature, "SIMD"},
		"badtype":    {plugins.ErrMalformed, "invalid function"},
		"starttrap":  {plugins.ErrInitialise, "unreachable"},
		"startloop":  {plugins.ErrInitialise, "initialisation failed: out of fuel: more than 80000000 units"},
		"startdeep":  {plugins.ErrInitialise, "initialisation failed: out of stack: calls nest too deep"},
		"initloop":   {plugins.ErrInitialise, "out of fuel: more than 80000000 units"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Check(t.Context(), plugintest.Module(t, name), plugins.Limits{})
			require.ErrorIs(t, err, want.err)
			require.ErrorIs(t, err, plugins.ErrModule)
			require.NotErrorIs(t, err, plugins.ErrHost)
			require.ErrorContains(t, err, want.text)
		})
	}
}

func TestCheckRefusesWhatIsNoModule(t *testing.T) {
	h := newHost(t, plugins.Config{})
	_, err := h.Check(t.Context(), []byte("#!/bin/sh\n"), plugins.Limits{})
	require.ErrorIs(t, err, plugins.ErrNotModule)
	require.EqualError(t, err, `bad module: not WebAssembly; the file begins with "#!/bin/s"`, "said once, not by the rewriter too")
	_, err = h.Check(t.Context(), nil, plugins.Limits{})
	require.ErrorIs(t, err, plugins.ErrNotModule)
	_, err = h.Check(t.Context(), []byte("\x00asm\x0d\x00\x01\x00"), plugins.Limits{})
	require.ErrorIs(t, err, plugins.ErrComponent)
	_, err = h.Check(t.Context(), examples.Newest()[:60], plugins.Limits{})
	require.ErrorIs(t, err, plugins.ErrMalformed)
	require.NotContains(t, err.Error(), "malformed WebAssembly module")
	_, err = h.Check(t.Context(), examples.Newest(), plugins.Limits{ModuleBytes: 100})
	require.ErrorIs(t, err, plugins.ErrModuleTooLarge)
}

func TestCheckDescribesTheModule(t *testing.T) {
	h := newHost(t, plugins.Config{})
	info, err := h.Check(t.Context(), plugintest.Module(t, "imports"), plugins.Limits{})
	require.NoError(t, err)
	require.Len(t, info.SHA256, 64)
	require.Equal(t, len(plugintest.Module(t, "imports")), info.Size)
	require.Equal(t, uint64(128<<10), info.MemoryBytes)
	require.Contains(t, info.Imports, "kvnode.log")
	require.Contains(t, info.Imports, "wasi_snapshot_preview1.random_get")
	require.Positive(t, info.InitFuel)
	require.False(t, info.SingleUse)
}

func TestInitialisationOfAGoModuleLeavesAMarginOfFour(t *testing.T) {
	info := load(t, examples.Cart(), plugins.Limits{}).Info()
	require.Less(t, 4*info.InitFuel, plugins.DefaultLimits().InitFuel)
	require.Less(t, info.MemoryBytes, plugins.DefaultLimits().MemoryBytes/2)
}

func TestLimitsAreValidated(t *testing.T) {
	require.NoError(t, plugins.Limits{}.Validate())
	require.NoError(t, plugins.DefaultLimits().Validate())
	for field, l := range map[string]plugins.Limits{
		"MemoryBytes": {MemoryBytes: 64 << 10}, "Fuel": {Fuel: 1 << 60}, "InitFuel": {InitFuel: 1 << 60},
		"FrameBytes": {FrameBytes: 1 << 40}, "Versions": {Versions: 1},
		"TableEntries": {TableEntries: 1 << 30}, "StackBytes": {StackBytes: 1 << 30},
	} {
		require.ErrorIs(t, l.Validate(), plugins.ErrConfig)
		require.ErrorContains(t, l.Validate(), field)
		_, err := newHost(t, plugins.Config{}).Load(t.Context(), examples.Newest(), l)
		require.ErrorIs(t, err, plugins.ErrConfig)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(examples.Newest())
	f.Add(examples.Union())
	for _, name := range []string{"imports", "table", "verdicts", "starttrap", "badtype"} {
		f.Add(plugintest.Module(f, name))
	}
	h := newHost(f, plugins.Config{})
	limits := plugins.Limits{MemoryBytes: 1 << 20, Fuel: 10_000, InitFuel: 10_000}
	f.Fuzz(func(t *testing.T, module []byte) {
		m, err := h.Load(t.Context(), module, limits)
		if err != nil {
			require.ErrorIs(t, err, plugins.ErrModule)
			return
		}
		first, firstErr := m.Resolve(t.Context(), carts())
		again, againErr := m.Resolve(t.Context(), carts())
		require.Equal(t, first, again)
		require.Equal(t, firstErr, againErr)
		require.NoError(t, m.Close(t.Context()))
	})
}
