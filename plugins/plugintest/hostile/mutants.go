package hostile

import (
	"bytes"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/kvnode/kvnode/plugins/abi"
	"github.com/kvnode/kvnode/plugins/plugintest/wasm"
)

// Mutants returns n damaged copies of a module, the same for the same seed.
func Mutants(module []byte, seed uint64, n int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		r := rand.New(rand.NewPCG(seed, uint64(len(module))))
		for range n {
			m := bytes.Clone(module)
			for again := true; again; again = r.IntN(3) == 0 {
				m = mutate(r, m)
			}
			if !yield(m) {
				return
			}
		}
	}
}

// header is what mutations leave alone: a file that does not begin like a module is refused at once.
const header = 8

// mutate damages a module at one place.
func mutate(r *rand.Rand, m []byte) []byte {
	if len(m) <= header+1 {
		return m
	}
	at := header + r.IntN(len(m)-header)
	if r.IntN(4) > 0 { // most of what changes the length of a section is refused at once
		overwrite(r, m, at)
		return m
	}
	return resize(r, m, at)
}

// overwrite changes bytes.
func overwrite(r *rand.Rand, m []byte, at int) {
	switch r.IntN(4) {
	case 0:
		m[at] ^= 1 << r.IntN(8)
	case 1:
		m[at] = byte(r.Uint32())
	case 2:
		m[at] = [...]byte{0, 1, 0x40, 0x7f, 0x80, 0xff, end, prefix}[r.IntN(8)]
	case 3:
		from := header + r.IntN(len(m)-header)
		copy(m[at:], m[from:min(from+1+r.IntN(8), len(m))])
	}
}

// resize adds or removes bytes.
func resize(r *rand.Rand, m []byte, at int) []byte {
	upTo := func(n int) int { return min(at+1+r.IntN(n), len(m)) }
	switch r.IntN(4) {
	case 0:
		return slices.Delete(m, at, upTo(16))
	case 1:
		return slices.Insert(m, at, m[at:upTo(64)]...)
	case 2:
		return slices.Insert(m, at, 0xff, 0xff, 0xff, 0xff, 0x0f) // the largest number
	default:
		return m[:at]
	}
}

// Importers returns, by name, a module for each function that hosts offer, which calls it with pointers and lengths that lead
// nowhere. The signatures list the parameters, a colon and the results, an i for each i32 and an I for each i64.
func Importers(signatures map[string]string) map[string][]byte {
	types := func(letters string) []byte {
		return []byte(strings.NewReplacer("i", string(rune(wasm.I32)), "I", string(rune(wasm.I64))).Replace(letters))
	}
	modules := map[string][]byte{}
	for full, signature := range signatures {
		module, name, _ := strings.Cut(full, ".")
		params, results, _ := strings.Cut(signature, ":")
		var code []byte
		for _, wild := range []byte{0x7f, 0x70, 0} { // -1, -16, 0
			for _, p := range params {
				code = append(code, map[rune]byte{'i': 0x41, 'I': 0x42}[p], wild)
			}
			code = append(code, call, 0)
			code = append(code, bytes.Repeat([]byte{drop}, len(results))...)
		}
		r := handling(wasm.Cat(code, wasm.Const(int32(abi.StatusKeep)))...)
		r.types = [][]byte{wasm.FuncType(types(params), types(results))}
		r.imports = [][]byte{wasm.Cat(wasm.Text(module), wasm.Text(name), []byte{0}, wasm.Number(numTypes))}
		modules[full] = r.module()
	}
	return modules
}
