package main

import (
	"bytes"
	"slices"
)

// merge is the three-way merge of versions, oldest first, against what they have in common. It is the same for any order of versions, but where the
// newest one holds.
func merge(base node, versions []node) node {
	var edit node // the newest
	changes, edits, objects := 0, 0, 0
	for _, n := range versions {
		if n.equal(base) {
			continue
		}
		changes++
		if n.isAbsent() {
			continue
		}
		edit = n
		edits++
		if n.isObject() {
			objects++
		}
	}
	switch {
	case changes == 0:
		return base
	case objects > 1 && objects == edits:
		return mergeFields(base, slices.DeleteFunc(slices.Clone(versions), func(n node) bool { return n.isAbsent() || n.equal(base) }))
	default:
		return edit
	}
}

// mergeFields merges objects that have each changed: it walks the fields of all, sorted by name, side by side.
func mergeFields(base node, changed []node) node {
	before := walk{base.fields()}
	sides := make([]walk, len(changed))
	for i, n := range changed {
		sides[i] = walk{n.fields()}
	}
	merged := node{'{'}
	values := make([]node, len(sides))
	for {
		next, ok := first(sides)
		if !ok {
			return append(merged, '}')
		}
		for i := range sides {
			values[i] = sides[i].take(next.name)
		}
		if value := merge(before.take(next.name), values); !value.isAbsent() {
			if len(merged) > 1 {
				merged = append(merged, ',')
			}
			merged = append(append(append(merged, next.quoted...), ':'), value...)
		}
	}
}

// walk is what is left of the fields of an object.
type walk struct{ left []field }

// first returns the field with the least name.
func first(sides []walk) (least field, ok bool) {
	for _, side := range sides {
		if len(side.left) > 0 && (!ok || bytes.Compare(side.left[0].name, least.name) < 0) {
			least, ok = side.left[0], true
		}
	}
	return least, ok
}

// take passes the field of that name, and those before it, and returns its value if there is one.
func (w *walk) take(name []byte) node {
	for len(w.left) > 0 {
		switch order := bytes.Compare(w.left[0].name, name); {
		case order > 0:
			return nil
		case order == 0:
			value := w.left[0].value
			w.left = w.left[1:]
			return value
		}
		w.left = w.left[1:]
	}
	return nil
}
