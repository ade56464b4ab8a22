package meter_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins/meter"
)

// withCode is a module with a memory, a table and one function () -> () of the given code.
func withCode(code ...byte) []byte {
	return module(
		section(1, vec(funcType(nil, nil))), section(3, vec([]byte{0})), section(4, vec([]byte{0x70, 0, 1})),
		section(5, vec([]byte{0, 1})), section(10, vec(body(code...))))
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
		{"SIMD", module(section(1, vec(funcType([]byte{0x7b}, nil))))},
		{"threads", withCode(0xfe, 0x03, 0)},
		{"threads", module(section(5, vec([]byte{3, 1, 2})))},
		{"threads", module(section(6, vec([]byte{0x7f, 2, 0x41, 0, 0x0b})))},
		{"exceptions", withCode(0x06, 0x40, 0x0b)},
		{"exceptions", withCode(0x08, 0)},
		{"exceptions", withCode(0x1f, 0x40, 0, 0x0b)},
		{"exceptions", module(section(1, vec(funcType(nil, nil))), section(13, vec([]byte{0, 0})))},
		{"tail calls", withCode(0x12, 0)},
		{"tail calls", withCode(0x13, 0, 0)},
		{"typed references", withCode(0x14, 0)},
		{"typed references", withCode(0xd4)},
		{"garbage collection", withCode(0xfb, 0)},
		{"garbage collection", module(section(1, vec([]byte{0x5f, 0})))},
		{"garbage collection", module(section(1, vec(funcType([]byte{0x64}, nil))))},
		{"memory64", module(section(5, vec([]byte{4, 1})))},
		{"multiple memories", module(section(5, vec([]byte{0, 1}, []byte{0, 1})))},
		{"multiple memories", withCode(0x41, 0, 0x28, 0x42, 0, 0, 0x1a)},
		{"multiple memories", withCode(0x3f, 1, 0x1a)},
		{"imported memory", module(section(2, vec(cat(text("m"), text("m"), []byte{2, 0, 1}))))},
		{"extended constant", module(section(6, vec([]byte{0x7f, 0, 0x41, 1, 0x41, 1, 0x6a, 0x0b})))},
		{"tables with an initialiser", module(section(4, vec([]byte{0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b})))},
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
		m := module(section(5, vec([]byte{0, 1})), section(7, vec(cat(text(name), []byte{2, 0}))))
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
	types := section(1, vec(funcType(nil, nil)))
	for name, m := range map[string][]byte{
		"unknown section":      module(section(99)),
		"section twice":        module(types, types),
		"out of order":         module(section(3, vec()), types),
		"longer than content":  module(section(1, vec(), []byte{0})),
		"cut short":            module(section(1, vec(funcType(nil, nil))))[:12],
		"form of type":         module(section(1, vec([]byte{0x61}))),
		"type of function":     module(types, section(3, vec([]byte{1})), section(10, vec(body()))),
		"bodies missing":       module(types, section(3, vec([]byte{0}))),
		"body without end":     module(types, section(3, vec([]byte{0})), section(10, vec([]byte{2, 0, 1}))),
		"data count":           module(section(12, []byte{3})),
		"start function":       module(section(8, []byte{0})),
		"export of a function": module(section(7, vec(cat(text("f"), []byte{0, 0})))),
		"export of a memory":   module(section(7, vec(cat(text("f"), []byte{2, 0})))),
		"export of nothing":    module(section(7, vec(cat(text("f"), []byte{9, 0})))),
		"name not UTF-8":       module(section(7, vec([]byte{1, 0xff, 0, 0}))),
		"u32 too long":         module([]byte{1, 0x80, 0x80, 0x80, 0x80, 0x10}),
		"limits":               module(section(5, vec([]byte{8, 1}))),
		"mutability":           module(section(6, vec([]byte{0x7f, 4, 0x41, 0, 0x0b}))),
		"element kind":         module(section(9, vec([]byte{8}))),
		"data kind":            module(section(11, vec([]byte{3}))),
		"table of numbers":     module(section(4, vec([]byte{0x7f, 0, 1}))),
	} {
		_, err := meter.Rewrite(m, meter.Config{})
		require.ErrorIs(t, err, meter.ErrMalformed, name)
	}
}

func TestCountsThatLieCostNothing(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	modules := [][]byte{
		module(section(1, []byte{1, 0x60}, huge)),
		module(section(10, []byte{1}, huge)),
		withCode(cat([]byte{0x41, 0, 0x0e}, huge)...),
		module(section(9, []byte{1, 1, 0}, huge)),
		module(section(11, []byte{1, 1}, huge)),
		module(section(7, []byte{1}, huge)),
	}
	for id := byte(1); id <= 11; id++ {
		if id != 8 {
			modules = append(modules, module(section(id, huge)))
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
		b := cat([]byte{1}, number(n), []byte{0x7f, 0x0b})
		return module(section(1, vec(funcType(nil, nil))), section(3, vec([]byte{0})), section(10, vec(cat(number(len(b)), b))))
	}
	manyValues := func(calls int) []byte {
		return module(
			section(1, vec(funcType(repeat(1000, 0x7f), repeat(1000, 0x7f)))), section(3, vec([]byte{0})),
			section(10, vec(body(cat([]byte{0x00}, repeat(calls, 0x10, 0))...))))
	}
	require.NoError(t, both(withLocals(40_000))[1])
	require.NoError(t, both(manyValues(1000))[1])
	for name, m := range map[string][]byte{
		"locals":          withLocals(50_000),
		"locals, wrapped": withLocals(1<<32 - 1),
		"parameters":      module(section(1, vec(funcType(repeat(1001, 0x7f), nil)))),
		"nested blocks":   withCode(cat(repeat(10_001, 0x02, 0x40), repeat(10_001, 0x0b))...),
		"nested loops":    withCode(cat(repeat(501, 0x03, 0x40), repeat(501, 0x0b))...),
		"branches":        withCode(repeat(20_001, 0x41, 0, 0x04, 0x40, 0x0b)...),
		"values":          manyValues(10_000),
		"function body":   withCode(repeat(5<<20, 0x01)...),
		"tables":          module(section(4, number(17), repeat(17, 0x70, 0, 1))),
		"table entries":   module(section(4, vec(cat([]byte{0x70, 0}, number(65537))))),
		"elements":        module(section(1, vec(funcType(nil, nil))), section(9, []byte{1, 1, 0}, number(1<<20+1), repeat(1<<20+1, 0))),
	} {
		_, err := meter.Rewrite(m, meter.Config{})
		require.ErrorIs(t, err, meter.ErrLimit, name)
	}
}
