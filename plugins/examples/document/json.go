package main

import (
	"bytes"
	"encoding/json"
	"slices"
)

// A node is the text of a JSON value without white space, or nil for the absence of one. Texts are compared and cut; to decode and encode the
// values would take ten times the fuel.
type node []byte

// endOfString returns the place behind the string that begins at i, or the end of the text.
func endOfString(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// endOfValue returns the place behind the value that begins at i.
func (n node) endOfValue(i int) int {
	open := 0
	for ; i < len(n); i++ {
		switch n[i] {
		case '"':
			i = endOfString(n, i) - 1
		case '[', '{':
			open++
		case ']', '}':
			if open--; open < 0 {
				return i
			}
		case ',':
			if open == 0 {
				return i
			}
		}
	}
	return i
}

func (n node) equal(other node) bool {
	return bytes.Equal(n, other) && n.isAbsent() == other.isAbsent()
}

func (n node) isAbsent() bool { return n == nil }

func (n node) isObject() bool { return len(n) > 0 && n[0] == '{' }

// field is one field of an object. The quoted name is as it was written.
type field struct {
	name, quoted []byte
	value        node
}

// fields lists the fields of an object by name; of two of one name, the last. There are none in what is no object.
func (n node) fields() []field {
	if !n.isObject() {
		return nil
	}
	var all []field
	sorted := true
	for i := 1; i < len(n)-1; i++ {
		colon := endOfString(n, i)
		end := n.endOfValue(colon + 1)
		all = append(all, field{nameOf(n[i:colon]), n[i:colon], n[colon+1 : end]})
		sorted = sorted && (len(all) == 1 || bytes.Compare(all[len(all)-2].name, all[len(all)-1].name) < 0)
		i = end
	}
	if sorted {
		return all
	}
	slices.SortStableFunc(all, func(a, b field) int { return bytes.Compare(a.name, b.name) })
	unique := all[:0]
	for i, f := range all {
		if i+1 == len(all) || !bytes.Equal(all[i+1].name, f.name) {
			unique = append(unique, f)
		}
	}
	return unique
}

// nameOf is the text of a quoted name.
func nameOf(quoted []byte) []byte {
	var name string
	if bytes.IndexByte(quoted, '\\') < 0 || json.Unmarshal(quoted, &name) != nil {
		return quoted[1 : len(quoted)-1]
	}
	return []byte(name)
}
