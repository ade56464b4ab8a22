package check

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// value is a value like those of the corpus: one of them, or one with up to three changes.
func (g *generator) value() []byte {
	seed := pick(g.Rand, g.corpus.values)
	document, isDocument := documentOf(seed)
	separator, isList := separatorOf(seed)
	changes := g.IntN(4)
	switch {
	case changes == 0:
		return seed
	case isDocument:
		for range changes {
			document = g.alter("", document)
		}
		return encode(document)
	case isList:
		words := strings.Split(string(seed), string(separator))
		for range changes {
			words = g.alterWords(separator, words)
		}
		return []byte(strings.Join(words, string(separator)))
	default:
		return []byte(g.alterWord(string(seed)))
	}
}

// encode is the JSON of a document.
func encode(document any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(document); err != nil {
		panic("check: encode what was decoded: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// alter makes one change somewhere in a document: of its parts it takes over what stood at the same place elsewhere, so that
// fields keep their types.
func (g *generator) alter(place string, part any) any {
	if place != "" && g.oneIn(4) {
		return pick(g.Rand, g.corpus.parts[place])
	}
	switch part := part.(type) {
	case map[string]any:
		return g.alterObject(place, part)
	case []any:
		return g.alterArray(place, part)
	case json.Number:
		return json.Number(g.alterNumber(part.String()))
	case string:
		return g.alterWord(part)
	case bool:
		return !part
	default:
		return part
	}
}

func (g *generator) alterObject(place string, object map[string]any) any {
	names := sortedNames(object)
	if len(names) == 0 {
		return object
	}
	name := pick(g.Rand, names)
	object = maps.Clone(object)
	if g.oneIn(12) {
		delete(object, name)
		return object
	}
	object[name] = g.alter(place+"/"+name, object[name])
	return object
}

func (g *generator) alterArray(place string, array []any) any {
	place += "/[]"
	array = slices.Clone(array)
	known := g.corpus.parts[place]
	if len(array) == 0 && len(known) == 0 {
		return array
	}
	if len(array) == 0 {
		return append(array, pick(g.Rand, known))
	}
	switch at := g.IntN(len(array)); g.IntN(5) {
	case 0:
		return slices.Delete(array, at, at+1)
	case 1:
		return slices.Insert(array, at, pick(g.Rand, known))
	case 2:
		return append(array, g.alter(place, array[at]))
	default:
		array[at] = g.alter(place, array[at])
		return array
	}
}

// alterWords makes one change in a list.
func (g *generator) alterWords(separator byte, words []string) []string {
	words = slices.Clone(words)
	switch at := g.IntN(len(words)); g.IntN(4) {
	case 0:
		if len(words) > 1 {
			return slices.Delete(words, at, at+1)
		}
		return words
	case 1:
		return slices.Insert(words, at, pick(g.Rand, g.corpus.words[separator]))
	case 2:
		return append(words, g.alterWord(words[at]))
	default:
		words[at] = g.alterWord(words[at])
		return words
	}
}

// alterWord changes a number in a word, if there is one, or else its end.
func (g *generator) alterWord(word string) string {
	if from, to := digits(word); from < to {
		return word[:from] + g.alterNumber(word[from:to]) + word[to:]
	}
	if len(word) > 1 && g.oneIn(3) {
		return strings.ToValidUTF8(word[:len(word)-1], "")
	}
	return word + string(rune('a'+g.IntN(26)))
}

// digits finds the first integer in a word, with its sign.
func digits(word string) (from, to int) {
	from = strings.IndexAny(word, "0123456789")
	if from < 0 {
		return 0, 0
	}
	to = from
	for to < len(word) && '0' <= word[to] && word[to] <= '9' {
		to++
	}
	if from > 0 && word[from-1] == '-' {
		from--
	}
	return from, to
}

// alterNumber is a number near this one, or far away. What is no small integer is left alone.
func (g *generator) alterNumber(text string) string {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return text
	}
	switch g.IntN(5) {
	case 0:
		n++
	case 1:
		n = max(0, n-1)
	case 2:
		n += int64(g.IntN(10))
	case 3:
		n *= 2
	default:
		n = int64(g.IntN(1000))
	}
	return strconv.FormatInt(n, 10)
}

func sortedNames(object map[string]any) []string { return slices.Sorted(maps.Keys(object)) }
