package check

import (
	"bytes"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kvnode/kvnode/plugins"
)

// maxHostile is the longest of the hostile values in bytes. Anybody may write values of this size.
const maxHostile = 16 << 10

// nasty are values that have broken programs before: each is tried.
func (g *generator) nasty() [][]byte {
	texts := []string{
		"", "\x00", "\xff\xfe", "\ufeff{}", "null", "true", "[]", "{}", `""`, `"`, "-", "-0", "NaN", "1e999999", "-1e-999999",
		"9223372036854775808", "-9223372036854775809", "18446744073709551616", strings.Repeat("9", 400), "0." + strings.Repeat("3", 400),
		`"\ud800"`, `"\u0000"`, `{"":0}`, `{"a":1,"a":2}`, `{"__proto__":{"a":1}}`, "[1,]", "{\"a\":1}\x00", "\n", "\r\n\t ", ",", ",,,",
		strings.Repeat("[", maxHostile), strings.Repeat("[", 2000) + strings.Repeat("]", 2000),
		strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000), strings.Repeat("\n", maxHostile), strings.Repeat(",", maxHostile),
		strings.Repeat("\x00", maxHostile), strings.Repeat("a", maxHostile), strings.Repeat("\xff", maxHostile), `"` + strings.Repeat("\\", maxHostile),
	}
	values := make([][]byte, len(texts), len(texts)+1)
	for i, text := range texts {
		values[i] = []byte(text)
	}
	return append(values, g.bytes(maxHostile))
}

// bytes are n random bytes.
func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

// hostile is noise, or a usual value that was damaged.
func (g *generator) hostile() []byte {
	value := g.value()
	if document, ok := documentOf(value); ok && g.oneIn(2) {
		return encode(g.confuse(document))
	}
	switch g.IntN(5) {
	case 0:
		return g.bytes(g.IntN(64))
	case 1:
		return value[:g.IntN(len(value)+1)]
	case 2:
		return bytes.Repeat(value, 1+g.IntN(1+maxHostile/(64+len(value))))
	case 3:
		return slices.Insert(bytes.Clone(value), g.IntN(len(value)+1), g.bytes(1+g.IntN(4))...)
	default:
		value = bytes.Clone(value)
		if len(value) > 0 {
			value[g.IntN(len(value))] ^= 1 << g.IntN(8)
		}
		return value
	}
}

// confuse puts something of another type somewhere into a document.
func (g *generator) confuse(part any) any {
	strange := []any{
		nil, true, "", "x",
		[]any{},
		map[string]any{},
		[]any{nil},
		json.Number("1e400"), json.Number("-1"), json.Number("0.5"),
		json.Number("99999999999999999999"), strings.Repeat("long", 256),
	}
	switch part := part.(type) {
	case map[string]any:
		if names := sortedNames(part); len(names) > 0 && !g.oneIn(4) {
			name := pick(g.Rand, names)
			part = maps.Clone(part)
			part[name] = g.confuse(part[name])
			return part
		}
	case []any:
		if len(part) > 0 && !g.oneIn(4) {
			at := g.IntN(len(part))
			part = slices.Clone(part)
			part[at] = g.confuse(part[at])
			return part
		}
	}
	return pick(g.Rand, strange)
}

// large are conflicts of two values of 1 KiB, and of four times as much, and so on, up to 1 MiB.
func large(_ *checker, g *generator) iter.Seq[plugins.Input] {
	return func(yield func(plugins.Input) bool) {
		for size := 1 << 10; size <= 1<<20; size *= 4 {
			in := g.conflict(2)
			in.Versions[0].Value, in.Versions[1].Value = g.grown(size, 0), g.grown(size, 1)
			if !yield(in) {
				return
			}
		}
	}
}

// grown is a value like those of the corpus with about so many bytes: a long array where there is one, else an object of many fields,
// else a long list, else a long word. Its parts are distinct; half of them are the same for every side.
func (g *generator) grown(size, side int) []byte {
	for _, grow := range []func(part any, size, side int) (any, bool){lengthen, widen} {
		for _, value := range g.corpus.values {
			document, _ := documentOf(value)
			if large, found := grow(document, size, side); found {
				return encode(large)
			}
		}
	}
	for i := range len(separators) {
		if words := g.corpus.words[separators[i]]; len(words) > 0 {
			return []byte(strings.Join(numbered(words[0], size, side), separators[i:i+1]))
		}
	}
	return bytes.Repeat([]byte{'a' + byte(side)}, size)
}

// numbered are words of about so many bytes in all.
func numbered(word string, size, side int) []string {
	var words []string
	for n := 0; n < size; n += len(words[len(words)-1]) + 1 {
		words = append(words, word+serial(len(words), side))
	}
	return words
}

// serial numbers part i of one side: the even ones are on both.
func serial(i, side int) string {
	return strconv.Itoa(10*i + side*(i%2))
}

// lengthen fills the first array of a document that has an element.
func lengthen(part any, size, side int) (any, bool) {
	switch part := part.(type) {
	case map[string]any:
		for _, name := range sortedNames(part) {
			if long, ok := lengthen(part[name], size, side); ok {
				part[name] = long
				return part, true
			}
		}
	case []any:
		if len(part) == 0 {
			return nil, false
		}
		var long []any
		for n := 0; n < size; n += len(encode(long[len(long)-1])) + 1 {
			long = append(long, labelled(part[0], serial(len(long), side)))
		}
		return long, true
	}
	return nil, false
}

// widen adds fields to an object that has one.
func widen(part any, size, side int) (any, bool) {
	object, ok := part.(map[string]any)
	names := sortedNames(object)
	if !ok || len(names) == 0 {
		return nil, false
	}
	for i, n := 0, len(encode(object)); n < size; i++ {
		name, label := names[i%len(names)], serial(i, side)
		value := labelled(object[name], label)
		object[name+label] = value
		n += len(encode(value)) + len(name+label) + len(`"":,`)
	}
	return object, true
}

// labelled is a copy of a part whose strings end in the label.
func labelled(part any, label string) any {
	switch part := part.(type) {
	case string:
		return part + label
	case map[string]any:
		part = maps.Clone(part)
		for name := range part {
			part[name] = labelled(part[name], label)
		}
		return part
	default:
		return part
	}
}
