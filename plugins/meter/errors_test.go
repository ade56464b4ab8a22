package meter_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins/meter"
	"github.com/kvnode/kvnode/plugins/plugintest/wasm"
)

// withCode is a module with a memory, a table and one function () -> () of the given code.
func withCode(code ...byte) []byte {
	return wasm.Module(
		wasm.Section(1, wasm.Vec(wasm.FuncType(nil, nil))), wasm.Section(3, wasm.Vec([]byte{0})), wasm.Section(4, wasm.Vec([]byte{0x70, 0, 1})),
		wasm.Section(5, wasm.Vec([]byte{0, 1})), wasm.Section(10, wasm.Vec(wasm.Body(code...))))
}

func TestFilesThatAreNoCoreModuleAreNamed(t *testing.T) {
	for _, c := range []struct {
		file []byte
		err  error
		text string
	}{
		{nil, meter.ErrNotWasm, `the file begins with ""`},
		{[]byte("(module (memory 1))"), meter.ErrNotWasm, `the file begins with "(module "`},
		{[]byte("\x7fELF\x02\x01\x01\x00\x00"), meter.ErrNotWasm, `begins with "\x7fELF`},
		{[]byte("\x00asm"), meter.ErrMalformed, "version"},
		{[]byte("\x00asm\x02\x00\x00\x00"), meter.ErrMalformed, "version"},
		{[]byte("\x00asm\x0d\x00\x01\x00\x00"), meter.ErrComponent, "component"},
	} {
		for _, err := range both(c.file) {
			require.ErrorIs(t, err, c.err)
			require.ErrorContains(t, err, c.text)
		}
	}
}

// both returns the errors of Inspect and Rewrite.
func both(file []byte) [2]error {
	_, inspect := meter.Inspect(file)
	_, rewrite := meter.Rewrite(file, meter.Config{})
	return [2]error{inspect, rewrite}
}

func TestUnsupportedFeaturesAreRefusedByName(t *testing.T) {
	for _, c := range []struct {
		feature string
		module  []byte
	}{
		{"SIMD", withCode(0xfd, 12)},
		{"SIMD", withCode(0x02, 0x7b, 0x0b)},
		{"SIMD", wasm.Module(wasm.Section(1, wasm.Vec(wasm.FuncType([]byte{0x7b}, nil))))},
		{"threads", withCode(0xfe, 0x03, 0)},
		{"threads", wasm.Module(wasm.Section(5, wasm.Vec([]byte{3, 1, 2})))},
		{"threads", wasm.Module(wasm.Section(6, wasm.Vec([]byte{0x7f, 2, 0x41, 0, 0x0b})))},
		{"exceptions", withCode(0x06, 0x40, 0x0b)},
		{"exceptions", withCode(0x08, 0)},
		{"exceptions", withCode(0x1f, 0x40, 0, 0x0b)},
		{"exceptions", wasm.Module(wasm.Section(1, wasm.Vec(wasm.FuncType(nil, nil))), wasm.Section(13, wasm.Vec([]byte{0, 0})))},
		{"tail calls", withCode(0x12, 0)},
		{"tail calls", withCode(0x13, 0, 0)},
		{"typed references", withCode(0x14, 0)},
		{"typed references", withCode(0xd4)},
		{"garbage collection", withCode(0xfb, 0)},
		{"garbage collection", wasm.Module(wasm.Section(1, wasm.Vec([]byte{0x5f, 0})))},
		{"garbage collection", wasm.Module(wasm.Section(1, wasm.Vec(wasm.FuncType([]byte{0x64}, nil))))},
		{"memory64", wasm.Module(wasm.Section(5, wasm.Vec([]byte{4, 1})))},
		{"multiple memories", wasm.Module(wasm.Section(5, wasm.Vec([]byte{0, 1}, []byte{0, 1})))},
		{"multiple memories", withCode(0x41, 0, 0x28, 0x42, 0, 0, 0x1a)},
		{"multiple memories", withCode(0x3f, 1, 0x1a)},
		{"imported memory", wasm.Module(wasm.Section(2, wasm.Vec(wasm.Cat(wasm.Text("m"), wasm.Text("m"), []byte{2, 0, 1}))))},
		{"extended constant", wasm.Module(wasm.Section(6, wasm.Vec([]byte{0x7f, 0, 0x41, 1, 0x41, 1, 0x6a, 0x0b})))},
		{"tables with an initialiser", wasm.Module(wasm.Section(4, wasm.Vec([]byte{0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b})))},
	} {
		_, err := meter.Rewrite(c.module, meter.Config{})
		require.ErrorIs(t, err, meter.ErrFeature, c.feature)
		require.ErrorContains(t, err, c.feature)
		require.ErrorContains(t, err, "offset")
	}
}

func TestReservedExportNamesAreRefused(t *testing.T) {
	for name, refused := range map[string]bool{
		"kv_fuel": true, "kv_stack": true, "kv_g0": true, "kv_g": true, "kv_fuel_left": true, "kv_alloc": false, "kv_": false,
	} {
		m := wasm.Module(wasm.Section(5, wasm.Vec([]byte{0, 1})), wasm.Section(7, wasm.Vec(wasm.Cat(wasm.Text(name), []byte{2, 0}))))
		for _, err := range both(m) {
			require.Equal(t, refused, err != nil, name)
			if refused {
				require.ErrorIs(t, err, meter.ErrReserved)
				require.ErrorContains(t, err, name)
			}
		}
	}
}

func TestNoIndexReachesWhatIsAppended(t *testing.T) {
	for name, code := range map[string][]byte{
		"kv_fuel as a global":     {0x23, 0, 0x1a},
		"kv_stack as a global":    {0x41, 0, 0x24, 1},
		"a scratch local":         {0x20, 0, 0x1a},
		"an appended type":        {0x02, 1, 0x0b},
		"an indirect type":        {0x41, 0, 0x11, 1, 0},
		"the wrapper's label":     {0x0c, 1},
		"the wrapper in a table":  {0x41, 0, 0x0e, 1, 0, 1},
		"a function":              {0x10, 1},
		"a function's reference":  {0xd2, 1, 0x1a},
		"a table":                 {0x41, 0, 0x25, 1, 0x1a},
		"a segment":               {0xfc, 9, 0},
		"a segment of elements":   {0xfc, 13, 0},
		"an alignment":            {0x41, 0, 0x28, 32, 0, 0x1a},
		"an opcode":               {0xff},
		"an opcode behind prefix": {0xfc, 18},
		"an else":                 {0x05},
		"an end":                  {0x0b, 0x0b},
	} {
		_, err := meter.Rewrite(withCode(code...), meter.Config{})
		require.ErrorIs(t, err, meter.ErrMalformed, name)
		require.ErrorContains(t, err, "offset", name)
	}
}

func TestMalformedSectionsAreRefused(t *testing.T) {
	types := wasm.Section(1, wasm.Vec(wasm.FuncType(nil, nil)))
	for name, m := range map[string][]byte{
		"unknown section":      wasm.Module(wasm.Section(99)),
		"section twice":        wasm.Module(types, types),
		"out of order":         wasm.Module(wasm.Section(3, wasm.Vec()), types),
		"longer than content":  wasm.Module(wasm.Section(1, wasm.Vec(), []byte{0})),
		"cut short":            wasm.Module(wasm.Section(1, wasm.Vec(wasm.FuncType(nil, nil))))[:12],
		"form of type":         wasm.Module(wasm.Section(1, wasm.Vec([]byte{0x61}))),
		"type of function":     wasm.Module(types, wasm.Section(3, wasm.Vec([]byte{1})), wasm.Section(10, wasm.Vec(wasm.Body()))),
		"bodies missing":       wasm.Module(types, wasm.Section(3, wasm.Vec([]byte{0}))),
		"body without end":     wasm.Module(types, wasm.Section(3, wasm.Vec([]byte{0})), wasm.Section(10, wasm.Vec([]byte{2, 0, 1}))),
		"data count":           wasm.Module(wasm.Section(12, []byte{3})),
		"start function":       wasm.Module(wasm.Section(8, []byte{0})),
		"type of start":        wasm.Module(wasm.Section(1, wasm.Vec(wasm.FuncType([]byte{wasm.I32}, nil))), wasm.Section(3, wasm.Vec([]byte{0})), wasm.Section(8, []byte{0}), wasm.Section(10, wasm.Vec(wasm.Body()))),
		"export of a function": wasm.Module(wasm.Section(7, wasm.Vec(wasm.Cat(wasm.Text("f"), []byte{0, 0})))),
		"export of a memory":   wasm.Module(wasm.Section(7, wasm.Vec(wasm.Cat(wasm.Text("f"), []byte{2, 0})))),
		"export of nothing":    wasm.Module(wasm.Section(7, wasm.Vec(wasm.Cat(wasm.Text("f"), []byte{9, 0})))),
		"name not UTF-8":       wasm.Module(wasm.Section(7, wasm.Vec([]byte{1, 0xff, 0, 0}))),
		"u32 too long":         wasm.Module([]byte{1, 0x80, 0x80, 0x80, 0x80, 0x10}),
		"limits":               wasm.Module(wasm.Section(5, wasm.Vec([]byte{8, 1}))),
		"mutability":           wasm.Module(wasm.Section(6, wasm.Vec([]byte{0x7f, 4, 0x41, 0, 0x0b}))),
		"element kind":         wasm.Module(wasm.Section(9, wasm.Vec([]byte{8}))),
		"data kind":            wasm.Module(wasm.Section(11, wasm.Vec([]byte{3}))),
		"table of numbers":     wasm.Module(wasm.Section(4, wasm.Vec([]byte{0x7f, 0, 1}))),
	} {
		_, err := meter.Rewrite(m, meter.Config{})
		require.ErrorIs(t, err, meter.ErrMalformed, name)
	}
}

func TestCountsThatLieCostNothing(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	modules := [][]byte{
		wasm.Module(wasm.Section(1, []byte{1, 0x60}, huge)),
		wasm.Module(wasm.Section(10, []byte{1}, huge)),
		withCode(wasm.Cat([]byte{0x41, 0, 0x0e}, huge)...),
		wasm.Module(wasm.Section(9, []byte{1, 1, 0}, huge)),
		wasm.Module(wasm.Section(11, []byte{1, 1}, huge)),
		wasm.Module(wasm.Section(7, []byte{1}, huge)),
	}
	for id := byte(1); id <= 11; id++ {
		if id != 8 {
			modules = append(modules, wasm.Module(wasm.Section(id, huge)))
		}
	}
	for i, m := range modules {
		allocs := testing.AllocsPerRun(1, func() {
			_, err := meter.Rewrite(m, meter.Config{})
			require.ErrorIs(t, err, meter.ErrMalformed, i)
		})
		require.Less(t, allocs, 200.0, i)
	}
}

func TestModulesThatWouldOverloadTheRuntimeAreRefused(t *testing.T) {
	repeat := func(n int, code ...byte) []byte { return bytes.Repeat(code, n) }
	withLocals := func(n int) []byte {
		b := wasm.Cat([]byte{1}, wasm.Number(n), []byte{0x7f, 0x0b})
		return wasm.Module(wasm.Section(1, wasm.Vec(wasm.FuncType(nil, nil))), wasm.Section(3, wasm.Vec([]byte{0})), wasm.Section(10, wasm.Vec(wasm.Cat(wasm.Number(len(b)), b))))
	}
	manyValues := func(calls int) []byte {
		return wasm.Module(
			wasm.Section(1, wasm.Vec(wasm.FuncType(repeat(1000, 0x7f), repeat(1000, 0x7f)))), wasm.Section(3, wasm.Vec([]byte{0})),
			wasm.Section(10, wasm.Vec(wasm.Body(wasm.Cat([]byte{0x00}, repeat(calls, 0x10, 0))...))))
	}
	manyFunctions := func(n int, body []byte) []byte {
		return wasm.Module(wasm.Section(1, wasm.Vec(wasm.FuncType(nil, nil))),
			wasm.Section(3, wasm.Vec(slices.Repeat([][]byte{{0}}, n)...)), wasm.Section(10, wasm.Vec(slices.Repeat([][]byte{body}, n)...)))
	}
	require.NoError(t, both(withLocals(40_000))[1])
	require.NoError(t, both(manyFunctions(2, wasm.Body(repeat(6_600, 0x41, 0, 0x04, 0x40, 0x0b)...)))[1])
	require.NoError(t, both(manyValues(1000))[1])
	among := func(globals, functions, calls int) []byte {
		global := []byte{0x7f, 1, 0x41, 0, 0x0b}
		return wasm.Module(wasm.Section(1, wasm.Vec(wasm.FuncType(nil, nil))), wasm.Section(3, wasm.Vec(slices.Repeat([][]byte{{0}}, functions)...)),
			wasm.Section(6, wasm.Vec(slices.Repeat([][]byte{global}, globals)...)),
			wasm.Section(10, wasm.Vec(slices.Repeat([][]byte{wasm.Body(repeat(calls, 0x10, 0)...)}, functions)...)))
	}
	manyTypes := func(n int) []byte {
		return wasm.Module(wasm.Section(1, wasm.Vec(slices.Repeat([][]byte{wasm.FuncType(repeat(1000, 0x7f), nil)}, n)...)))
	}
	require.NoError(t, both(among(1000, 1, 1000))[1])
	require.NoError(t, both(among(10, 100, 10_000))[1])
	require.NoError(t, both(manyTypes(1000))[1])
	for name, m := range map[string][]byte{
		"locals":          withLocals(50_000),
		"locals, wrapped": withLocals(1<<32 - 1),
		"parameters":      wasm.Module(wasm.Section(1, wasm.Vec(wasm.FuncType(repeat(1001, 0x7f), nil)))),
		"nested blocks":   withCode(wasm.Cat(repeat(10_001, 0x02, 0x40), repeat(10_001, 0x0b))...),
		"nested loops":    withCode(wasm.Cat(repeat(501, 0x03, 0x40), repeat(501, 0x0b))...),
		"branches":        withCode(repeat(20_001, 0x41, 0, 0x04, 0x40, 0x0b)...),
		"labels":          withCode(wasm.Cat([]byte{0x41, 0, 0x0e}, wasm.Number(32_000), make([]byte, 32_001))...),
		"branches of all": manyFunctions(3, wasm.Body(repeat(6_600, 0x41, 0, 0x04, 0x40, 0x0b)...)),
		"values":          manyValues(10_000),
		"reloads":         among(1000, 1, 2000),
		"reloads of all":  among(1000, 20, 1000),
		"declarations":    among(4000, 20_000, 0),
		"values of types": manyTypes(2000),
		"function body":   withCode(repeat(1<<20, 0x01)...),
		"tables":          wasm.Module(wasm.Section(4, wasm.Number(17), repeat(17, 0x70, 0, 1))),
		"table entries":   wasm.Module(wasm.Section(4, wasm.Vec(wasm.Cat([]byte{0x70, 0}, wasm.Number(65537))))),
		"elements":        wasm.Module(wasm.Section(1, wasm.Vec(wasm.FuncType(nil, nil))), wasm.Section(9, []byte{1, 1, 0}, wasm.Number(1<<20+1), repeat(1<<20+1, 0))),
	} {
		_, err := meter.Rewrite(m, meter.Config{})
		require.ErrorIs(t, err, meter.ErrLimit, name)
	}
}
