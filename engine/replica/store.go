package replica

import (
	"iter"
	"maps"
	"slices"

	"github.com/tidwall/btree"
)

// entry is what is stored of one key. Invariant: it has versions or a context, and the context is stripped.
type entry struct {
	Object
	sum sum128 // the key's share of the audit sum
}

// isEmpty reports whether nothing is known of the key but what the clock says.
func (e entry) isEmpty() bool {
	return len(e.Versions) == 0 && len(e.Context) == 0
}

// store is the index of the entries by key.
type store interface {
	get(key string) (entry, bool)
	set(key string, e entry)
	remove(key string)
	len() int
	all() iter.Seq2[string, entry]
	ascend(from string) iter.Seq2[string, entry]
}

func newStore(ordered bool) store {
	if ordered {
		return &treeStore{}
	}
	return hashStore{}
}

// hashStore keeps the entries in a map.
type hashStore map[string]entry

func (s hashStore) get(key string) (entry, bool) {
	e, ok := s[key]
	return e, ok
}

func (s hashStore) set(key string, e entry)       { s[key] = e }
func (s hashStore) remove(key string)             { delete(s, key) }
func (s hashStore) len() int                      { return len(s) }
func (s hashStore) all() iter.Seq2[string, entry] { return maps.All(s) }

func (s hashStore) ascend(from string) iter.Seq2[string, entry] {
	return func(yield func(string, entry) bool) {
		var keys []string
		for key := range s {
			if key >= from {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		for _, key := range keys {
			if !yield(key, s[key]) {
				return
			}
		}
	}
}

// treeStore keeps the entries in a B-tree.
type treeStore struct {
	tree btree.Map[string, entry]
}

func (s *treeStore) get(key string) (entry, bool)  { return s.tree.Get(key) }
func (s *treeStore) set(key string, e entry)       { s.tree.Set(key, e) }
func (s *treeStore) remove(key string)             { s.tree.Delete(key) }
func (s *treeStore) len() int                      { return s.tree.Len() }
func (s *treeStore) all() iter.Seq2[string, entry] { return s.tree.Scan }

func (s *treeStore) ascend(from string) iter.Seq2[string, entry] {
	return func(yield func(string, entry) bool) { s.tree.Ascend(from, yield) }
}
