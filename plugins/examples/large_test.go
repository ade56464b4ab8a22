package examples_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
)

// elements are shapes of what large values are made of: cheap ones, and ones that take much fuel for each byte.
func elements() map[string]func(i int, rng *rand.Rand) string {
	return map[string]func(i int, rng *rand.Rand) string{
		"tiny":          func(_ int, rng *rand.Rand) string { return string(rune('a' + rng.IntN(26))) },
		"short":         func(_ int, rng *rand.Rand) string { return fmt.Sprintf("%03x", rng.IntN(4096)) },
		"alike":         func(_ int, rng *rand.Rand) string { return strings.Repeat("x", 200) + strconv.Itoa(rng.IntN(1000000)) },
		"ascending":     func(i int, rng *rand.Rand) string { return fmt.Sprintf("item-%09d", 7*i+rng.IntN(7)) },
		"long, foreign": func(int, *rand.Rand) string { return strings.Repeat("é", 4000) },
	}
}

// TestLargeValuesAreMergedOrRefusedButNeverTrap: a handler that runs out of fuel restarts a node, one that says that the values are too large does not.
func TestLargeValuesAreMergedOrRefusedButNeverTrap(t *testing.T) {
	for name, line := range map[string]func(element string, n int) string{
		"union":     func(element string, _ int) string { return element },
		"growset":   func(element string, _ int) string { return element },
		"pncounter": func(element string, n int) string { return fmt.Sprintf("%s %d 1", element, n%10) },
		"maxmin":    func(_ string, n int) string { return strconv.Itoa(n % 1000) },
		"bounded":   func(element string, n int) string { return fmt.Sprintf("%d %s", n%100, element) },
		"addremove": func(element string, n int) string { return fmt.Sprintf("+ %d %s", n%100, element) },
	} {
		module, err := examples.Read(os.DirFS("."), name)
		require.NoError(t, err)
		m := load(t, module)
		for shape, element := range elements() {
			rng := rand.New(rand.NewPCG(1, 1))
			for _, size := range []int{4 << 10, 16 << 10, 32 << 10, 96 << 10} {
				value := func() []byte {
					var b strings.Builder
					for i := 0; b.Len() < size; i++ {
						b.WriteString(line(element(i, rng), rng.IntN(1<<20)) + "\n")
					}
					return []byte(b.String())
				}
				in := plugins.Input{Versions: []plugins.Version{{Value: value(), Time: 1}, {Value: value(), Time: 2}}}
				v, err := m.Resolve(t.Context(), in)
				require.NoError(t, err, "%s: %s, 2 values of %d bytes", name, shape, size)
				if size == 4<<10 {
					require.Contains(t, []plugins.Kind{plugins.Set, plugins.Pick}, v.Kind, "%s: %s", name, shape)
				}
			}
		}
	}
}

// TestCartHasFuelForTheLargestThatItTakes merges carts of what takes the most fuel for a byte.
func TestCartHasFuelForTheLargestThatItTakes(t *testing.T) {
	m := load(t, examples.Cart())
	for _, line := range []string{`{}`, `null`, `{"sku":"%x"}`, `{"sku":"%x","qty":9}`, `{"a":1}`} {
		in := plugins.Input{}
		for side := range 2 {
			value := `{"lines":[`
			for i := 0; len(value)+len(line) < 5<<9-2; i++ {
				value += strings.Replace(line, "%x", strconv.FormatInt(int64((7919*i+side)%4096), 16), 1) + ","
			}
			in.Versions = append(in.Versions, plugins.Version{Value: []byte(strings.TrimSuffix(value, ",") + "]}"), Time: uint64(side)})
		}
		v, err := m.Resolve(t.Context(), in)
		require.NoError(t, err, line)
		require.Equal(t, plugins.Set, v.Kind, v.Message)
		require.Less(t, v.Fuel, plugins.DefaultLimits().Fuel*9/10, line)
		in.Versions[0].Value = append(in.Versions[0].Value, strings.Repeat(" ", 1000)...)
		v, err = m.Resolve(t.Context(), in)
		require.NoError(t, err, line)
		require.Equal(t, plugins.Failed, v.Kind)
	}
}

// TestErrorsAboutLongForeignLinesAreCheap: to write such a line for people takes thousands of units of fuel for each character.
func TestErrorsAboutLongForeignLinesAreCheap(t *testing.T) {
	in := conflict("k", strings.Repeat("é", 2000), strings.Repeat("\U0001f9c0", 2000))
	for _, name := range []string{"pncounter", "maxmin", "bounded", "addremove"} {
		module, err := examples.Read(os.DirFS("."), name)
		require.NoError(t, err)
		v, err := load(t, module).Resolve(t.Context(), in)
		require.NoError(t, err, name)
		require.Equal(t, plugins.Failed, v.Kind, name)
	}
}
