package examples_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
)

// TestProfileHasFuelForWhatItTakes goes to each of the handler's own limits: what is within them is merged, what is beyond is
// refused, and nothing runs out of fuel.
func TestProfileHasFuelForWhatItTakes(t *testing.T) {
	module, err := examples.Read(os.DirFS("."), "profile")
	require.NoError(t, err)
	m := load(t, module)
	for name, c := range map[string]struct {
		sides []map[string]any
		base  map[string]any
		want  plugins.Kind
	}{
		"fields of two sides":          {sides: repeat(2, objects(50)), base: objects(50), want: plugins.Set},
		"different fields":             {sides: []map[string]any{numbers("a", 25), numbers("b", 25)}, want: plugins.Set},
		"one field too many":           {sides: repeat(2, objects(51)), want: plugins.Failed},
		"hundreds of fields":           {sides: []map[string]any{numbers("a", 500), numbers("b", 400)}, want: plugins.Failed},
		"32 sides":                     {sides: repeat(32, objects(5)), want: plugins.Set},
		"33 sides":                     {sides: repeat(33, objects(1)), want: plugins.Failed},
		"256 sides":                    {sides: repeat(256, objects(1)), want: plugins.Failed},
		"tags of 32 sides":             {sides: repeat(32, tags("x", 6)), want: plugins.Set},
		"tags of two sides and a base": {sides: []map[string]any{tags("x", 70), tags("y", 70)}, base: tags("z", 60), want: plugins.Set},
		"too many tags":                {sides: []map[string]any{tags("x", 101), tags("y", 100)}, want: plugins.Failed},
		"long values":                  {sides: repeat(2, map[string]any{"a": strings.Repeat("x", 2000)}), want: plugins.Set},
		"small objects":                {sides: repeat(2, map[string]any{"f": []any{}, "email": make([]struct{}, 600)}), want: plugins.Set},
		"too long values":              {sides: repeat(2, map[string]any{"a": strings.Repeat("x", 50_000)}), want: plugins.Failed},
	} {
		in := plugins.Input{Key: []byte("anna")}
		for i, side := range c.sides {
			in.Versions = append(in.Versions, plugins.Version{Value: encode(t, side), Time: uint64(i + 1)})
		}
		if c.base != nil {
			in.Base = &plugins.Version{Value: encode(t, c.base)}
		}
		v, err := m.Resolve(t.Context(), in)
		require.NoError(t, err, name)
		require.Equal(t, c.want, v.Kind, "%s: %.200s", name, v)
	}
}

func encode(t *testing.T, document map[string]any) []byte {
	t.Helper()
	value, err := json.Marshal(document)
	require.NoError(t, err)
	return value
}

// repeat is n sides of one document, each with a field of its own value.
func repeat(n int, document map[string]any) []map[string]any {
	sides := make([]map[string]any, n)
	for i := range sides {
		sides[i] = map[string]any{"k0": i}
		for name, value := range document {
			if name != "k0" {
				sides[i][name] = value
			}
		}
	}
	return sides
}

// objects has n fields that are objects.
func objects(n int) map[string]any {
	document := make(map[string]any)
	for i := range n {
		document[fmt.Sprintf("k%d", i)] = map[string]any{"x": strings.Repeat("o", 10)}
	}
	return document
}

// numbers has n fields that are numbers.
func numbers(prefix string, n int) map[string]any {
	document := make(map[string]any)
	for i := range n {
		document[fmt.Sprintf("%s%d", prefix, i)] = i
	}
	return document
}

// tags has n tags.
func tags(prefix string, n int) map[string]any {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return map[string]any{"tags": list}
}
