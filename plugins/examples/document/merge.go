package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"reflect"
	"slices"
)

// node is a JSON value, or the absence of one.
type node struct {
	present bool
	value   any
}

// maxDepth is how deep a document may be nested: each level takes stack, and growing the stack of a Go guest takes fuel.
const maxDepth = 100

var (
	errMore = errors.New("something follows the value")
	errDeep = errors.New("it is nested deeper than 100 levels")
)

// parse reads one JSON value; numbers stay as they are spelt.
func parse(text []byte) (node, error) {
	if depth(text) > maxDepth {
		return node{}, errDeep
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	n := node{present: true}
	if err := d.Decode(&n.value); err != nil {
		return node{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return node{}, errMore
	}
	return n, nil
}

// depth is how deep the brackets of a JSON text nest. What is no JSON has some depth, too.
func depth(text []byte) int {
	deepest, open, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			open++
			deepest = max(deepest, open)
		case c == ']' || c == '}':
			open--
		}
	}
	return deepest
}

// text writes the value, the fields of its objects in order of their names.
func (n node) text() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(n.value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// merge is the three-way merge of versions, oldest first, against what they have in common. It is the same for any order of versions, but where the
// newest one holds.
func merge(base node, versions []node) node {
	changed := slices.DeleteFunc(slices.Clone(versions), base.equal)
	if edits := slices.DeleteFunc(slices.Clone(changed), node.isAbsent); len(edits) > 0 {
		changed = edits
	}
	switch {
	case len(changed) == 0:
		return base
	case len(changed) > 1 && !slices.ContainsFunc(changed, func(n node) bool { return n.fields() == nil }):
		return mergeFields(base, changed)
	default:
		return changed[len(changed)-1]
	}
}

// mergeFields merges objects that have each changed.
func mergeFields(base node, changed []node) node {
	names := map[string]struct{}{}
	for _, n := range changed {
		for name := range n.fields() {
			names[name] = struct{}{}
		}
	}
	merged := make(map[string]any, len(names))
	sides := make([]node, len(changed))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		for i, n := range changed {
			sides[i] = n.field(name)
		}
		if n := merge(base.field(name), sides); n.present {
			merged[name] = n.value
		}
	}
	return node{true, merged}
}

// fields is nil for what is no object.
func (n node) fields() map[string]any {
	fields, _ := n.value.(map[string]any)
	return fields
}

func (n node) field(name string) node {
	value, ok := n.fields()[name]
	return node{ok, value}
}

func (n node) isAbsent() bool { return !n.present }

func (n node) equal(other node) bool { return reflect.DeepEqual(n, other) }
