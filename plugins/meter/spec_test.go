package meter_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/kvnode/kvnode/plugins/meter"
)

// The scripts of the WebAssembly core tests, as wast2json writes them.
type (
	script struct {
		Commands []command `json:"commands"`
	}
	command struct {
		Type       string      `json:"type"`
		Line       int         `json:"line"`
		Name       string      `json:"name"`
		Filename   string      `json:"filename"`
		As         string      `json:"as"`
		ModuleType string      `json:"module_type"`
		Action     action      `json:"action"`
		Expected   []specValue `json:"expected"`
	}
	action struct {
		Type   string      `json:"type"`
		Module string      `json:"module"`
		Field  string      `json:"field"`
		Args   []specValue `json:"args"`
	}
	specValue struct {
		Type  string `json:"type"`
		Value any    `json:"value"`
	}
)

// bits returns the value as the runtime passes it. Host references are one above their number, because 0 is null.
func (v specValue) bits(t *testing.T) uint64 {
	t.Helper()
	s, _ := v.Value.(string)
	if s == "null" {
		return 0
	}
	switch v.Type {
	case "i32", "f32":
		n, err := strconv.ParseUint(s, 10, 32)
		require.NoError(t, err)
		return n
	case "externref":
		n, err := strconv.ParseUint(s, 10, 32)
		require.NoError(t, err)
		return n + 1
	default:
		n, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
		return n
	}
}

// matches compares a result. What the specification calls any NaN has to be the canonical one.
func (v specValue) matches(t *testing.T, got uint64) bool {
	t.Helper()
	s, known := v.Value.(string)
	switch {
	case !known:
		return true
	case strings.HasPrefix(s, "nan:") && v.Type == "f32":
		return uint32(got) == 0x7fc00000
	case strings.HasPrefix(s, "nan:"):
		return got == 0x7ff8000000000000
	case strings.HasSuffix(v.Type, "32"):
		return uint32(got) == uint32(v.bits(t))
	default:
		return got == v.bits(t)
	}
}

const allPages = 65536

// world runs a script in one engine.
type world struct {
	runtime wazero.Runtime
	metered bool
	current api.Module
	named   map[string]api.Module
}

func newWorld(t *testing.T, c wazero.RuntimeConfig, metered bool, host []byte) *world {
	t.Helper()
	w := &world{runtime: newRuntime(t, c), metered: metered, named: map[string]api.Module{}}
	_, err := w.runtime.InstantiateWithConfig(t.Context(), host, wazero.NewModuleConfig().WithName("spectest"))
	require.NoError(t, err)
	return w
}

func (w *world) instantiate(t *testing.T, module []byte, as string) error {
	t.Helper()
	mod, err := w.runtime.InstantiateWithConfig(t.Context(), module, wazero.NewModuleConfig().WithName(as))
	w.current = mod
	if err != nil || !w.metered || mod.ExportedFunction(meter.StartExport) == nil {
		return err
	}
	_, err = mod.ExportedFunction(meter.StartExport).Call(t.Context())
	return err
}

func (w *world) module(name string) api.Module {
	if name != "" {
		return w.named[name]
	}
	return w.current
}

func (w *world) invoke(t *testing.T, a action) ([]uint64, error) {
	t.Helper()
	m := w.module(a.Module)
	if a.Type == "get" {
		return []uint64{m.ExportedGlobal(a.Field).Get()}, nil
	}
	if w.metered {
		w.refill(m)
	}
	args := make([]uint64, len(a.Args))
	for i, v := range a.Args {
		args[i] = v.bits(t)
	}
	return m.ExportedFunction(a.Field).Call(t.Context(), args...)
}

// refill gives every module of the world fuel and stack: they call each other. Each call begins with a pause.
func (w *world) refill(m api.Module) {
	for _, m := range append(slices.Collect(maps.Values(w.named)), m) {
		if m != nil && m.ExportedGlobal(meter.FuelGlobal) != nil {
			guest{m}.refillSplit(0, plenty)
		}
	}
}

func specFolder(tb testing.TB, version string) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	require.NoError(tb, err)
	return filepath.Join(strings.TrimSpace(string(out)), "internal/integration_test/spectest", version, "testdata")
}

// specRun is a script that runs in three worlds at once.
type specRun struct {
	folder  string
	raw     *world
	metered [2]*world // compiled and interpreted
	refused int       // modules with features that the meter refuses
	checked int       // assertions that were compared
	skip    bool      // the current module was refused
	missing map[string]bool
}

func TestRewrittenModulesPassTheCoreTests(t *testing.T) {
	checked, refused := 0, 0
	for _, version := range []string{"v1", "v2"} {
		folder := specFolder(t, version)
		host, err := os.ReadFile(filepath.Join(folder, "../../testdata/spectest.wasm"))
		require.NoError(t, err)
		scripts, err := filepath.Glob(filepath.Join(folder, "*.json"))
		require.NoError(t, err)
		for _, path := range scripts {
			if strings.HasPrefix(filepath.Base(path), "simd") {
				continue
			}
			t.Run(version+"/"+filepath.Base(path), func(t *testing.T) {
				run := &specRun{folder: folder, missing: map[string]bool{}}
				run.raw = newWorld(t, compiler().WithMemoryLimitPages(allPages), false, host)
				run.metered[0] = newWorld(t, compiler().WithMemoryLimitPages(allPages), true, host)
				run.metered[1] = newWorld(t, interpreter().WithMemoryLimitPages(allPages), true, host)
				run.script(t, path)
				checked += run.checked
				refused += run.refused
			})
		}
	}
	t.Logf("%d assertions, %d modules refused", checked, refused)
	require.Greater(t, checked, 42_000)
	require.Less(t, refused, 70)
}

func (s *specRun) script(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var in script
	require.NoError(t, json.Unmarshal(text, &in))
	for i, c := range in.Commands {
		switch c.Type {
		case "module":
			as := ""
			if i+1 < len(in.Commands) && in.Commands[i+1].Type == "register" {
				as = in.Commands[i+1].As
			}
			s.module(t, c, as)
		case "assert_return", "action", "assert_trap", "assert_exhaustion":
			s.action(t, c)
		case "assert_invalid", "assert_malformed":
			s.invalid(t, c)
		}
	}
}

func (s *specRun) module(t *testing.T, c command, as string) {
	t.Helper()
	module, err := os.ReadFile(filepath.Join(s.folder, c.Filename))
	require.NoError(t, err)
	res, err := meter.Rewrite(module, meter.Config{})
	if s.skip = err != nil; s.skip {
		require.ErrorIs(t, err, meter.ErrFeature, "line %d", c.Line)
		s.refused++
		s.missing[c.Name] = true
		s.missing[as] = true
		return
	}
	rawErr := s.raw.instantiate(t, module, as)
	for _, w := range s.metered {
		err := w.instantiate(t, res.Module, as)
		if rawErr == nil && err != nil {
			// What it imports was refused, or its table's size was not bounded.
			require.True(t, len(s.missing) > 0 || strings.Contains(err.Error(), "table["), "line %d: %v", c.Line, err)
			s.skip = true
		}
	}
	for _, w := range []*world{s.raw, s.metered[0], s.metered[1]} {
		if s.skip && w.current != nil {
			require.NoError(t, w.current.Close(t.Context()))
		}
		if c.Name != "" {
			w.named[c.Name] = w.current
		}
	}
	if s.skip {
		s.missing[c.Name] = true
	}
}

// action compares one call in the three worlds, and with what the script expects.
func (s *specRun) action(t *testing.T, c command) {
	t.Helper()
	if (s.skip && c.Action.Module == "") || c.Action.Module != "" && s.missing[c.Action.Module] {
		return
	}
	s.checked++
	raw, rawErr := s.raw.invoke(t, c.Action)
	var used [2]int64
	for i, w := range s.metered {
		got, err := w.invoke(t, c.Action)
		require.Equal(t, rawErr == nil, err == nil, "line %d: %v, %v", c.Line, rawErr, err)
		require.Len(t, got, len(raw), "line %d", c.Line)
		for j, e := range c.Expected[:len(got)] {
			ok := e.matches(t, got[j]) || len(s.missing) > 0 && got[j] == raw[j]
			require.True(t, ok, "line %d: %v, got %x", c.Line, e, got[j])
		}
		if c.Action.Type != "invoke" {
			continue
		}
		g := guest{w.module(c.Action.Module)}
		used[i] = plenty - g.fuel()
		require.GreaterOrEqual(t, g.fuel(), int64(0), "line %d", c.Line)
		switch {
		case err == nil:
			require.Equal(t, int32(meter.DefaultConfig().StackBudget), g.stack(), "line %d", c.Line)
		case c.Type == "assert_trap":
			require.Equal(t, firstLine(rawErr), firstLine(err), "line %d", c.Line)
		}
	}
	if c.Type != "assert_exhaustion" {
		require.Equal(t, used[0], used[1], "line %d", c.Line)
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// invalid checks that no module becomes valid by being rewritten.
func (s *specRun) invalid(t *testing.T, c command) {
	t.Helper()
	if c.ModuleType != "binary" {
		return
	}
	module, err := os.ReadFile(filepath.Join(s.folder, c.Filename))
	require.NoError(t, err)
	if _, err := s.raw.runtime.CompileModule(t.Context(), module); err == nil {
		return // valid with later features
	}
	res, err := meter.Rewrite(module, meter.Config{})
	if err != nil {
		return
	}
	s.checked++
	_, err = s.raw.runtime.CompileModule(t.Context(), res.Module)
	require.Error(t, err, "line %d", c.Line)
}
