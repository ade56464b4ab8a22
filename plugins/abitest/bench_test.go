package abitest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

// BenchmarkProbe is what the same call costs in each language: "pick" is the least that a handler does, "echo" reads all of
// two versions.
func BenchmarkProbe(b *testing.B) {
	for _, language := range []struct {
		name   string
		module func() []byte
	}{
		{"c", func() []byte { return readProbe(b, "c") }},
		{"cpp", func() []byte { return readProbe(b, "cpp") }},
		{"rust", func() []byte { return readProbe(b, "rust") }},
		{"zig", func() []byte { return readProbe(b, "zig") }},
		{"assemblyscript", func() []byte { return readProbe(b, "assemblyscript") }},
		{"go", func() []byte { return plugintest.BuildGo(b, "plugins/abitest/probe/go") }},
		{"javascript", func() []byte { return javaScript(b) }},
	} {
		m := loadModule(b, language.module())
		for _, key := range []string{"pick:1", "echo"} {
			b.Run(language.name+"/"+key, func(b *testing.B) { benchmark(b, m, versions(key, "apple", "pear")) })
		}
	}
}

// benchmark reports the fuel of a call beside its time.
func benchmark(b *testing.B, m *plugins.Module, in plugins.Input) {
	b.Helper()
	b.ReportAllocs()
	var fuel uint64
	for b.Loop() {
		v, err := m.Resolve(b.Context(), in)
		require.NoError(b, err)
		fuel = v.Fuel
	}
	b.ReportMetric(float64(fuel), "fuel/op")
}
