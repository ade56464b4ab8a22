package check

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/fixture"
)

// separators are what may divide a text into words, the strongest first.
const separators = "\n,;| "

// corpus is what conflicts are made of: what was given, or else values of no meaning.
type corpus struct {
	// conflicts are the given ones, fixtures first; some are spread over them, at most as many as there are runs.
	conflicts, some []plugins.Input
	keys            [][]byte
	values          [][]byte
	known           map[string]struct{}
	// words are the parts of texts, by what divides them.
	words map[byte][]string
	// parts are the parts of JSON values, by their place: that of all elements of one array is the same.
	parts map[string][]any
}

func newCorpus(fixtures, recorded []fixture.Case, runs int) *corpus {
	c := &corpus{known: map[string]struct{}{}, words: map[byte][]string{}, parts: map[string][]any{}}
	for _, cases := range [][]fixture.Case{fixtures, recorded} {
		for _, one := range cases {
			c.add(one)
		}
	}
	for i := range min(runs, len(c.conflicts)) {
		c.some = append(c.some, c.conflicts[i*len(c.conflicts)/min(runs, len(c.conflicts))])
	}
	if len(c.values) == 0 {
		for _, value := range []string{
			"apple\npear", "pear\nplum\ncherry", "soft,loud", "quick,loud", "3", "-17", "hello", "good bye",
			`{"name":"anna","n":1,"tags":["a","b"]}`, `{"name":"berta","n":2,"tags":["b","c"],"more":{"x":true}}`,
		} {
			c.learn([]byte(value))
		}
	}
	if len(c.keys) == 0 {
		c.keys = [][]byte{[]byte("key"), []byte("another:key")}
	}
	return c
}

// add takes in a given case.
func (c *corpus) add(one fixture.Case) {
	c.conflicts = append(c.conflicts, one.Input())
	c.keys = append(c.keys, one.Key)
	for _, v := range one.Versions {
		if !v.Deleted {
			c.learn(v.Value)
		}
	}
	if one.Base != nil && !one.Base.Deleted {
		c.learn(one.Base.Value)
	}
	if one.Want != nil && one.Want.Kind == plugins.Set {
		c.learn(one.Want.Value)
	}
}

// learn takes in a value.
func (c *corpus) learn(value []byte) {
	if _, known := c.known[string(value)]; known {
		return
	}
	c.known[string(value)] = struct{}{}
	c.values = append(c.values, value)
	if document, ok := documentOf(value); ok {
		c.learnParts("", document)
		return
	}
	if s, ok := separatorOf(value); ok {
		c.words[s] = append(c.words[s], strings.Split(string(value), string(s))...)
	}
}

func (c *corpus) learnParts(place string, part any) {
	c.parts[place] = append(c.parts[place], part)
	switch part := part.(type) {
	case map[string]any:
		for _, name := range sortedNames(part) {
			c.learnParts(place+"/"+name, part[name])
		}
	case []any:
		for _, element := range part {
			c.learnParts(place+"/[]", element)
		}
	}
}

// documentOf decodes a JSON object or array.
func documentOf(value []byte) (any, bool) {
	trimmed := bytes.TrimSpace(value)
	if len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' || !json.Valid(trimmed) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(trimmed))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err == nil
}

// separatorOf is what divides a text into words.
func separatorOf(value []byte) (byte, bool) {
	for i := range len(separators) {
		if bytes.IndexByte(value, separators[i]) >= 0 {
			return separators[i], true
		}
	}
	return 0, false
}
