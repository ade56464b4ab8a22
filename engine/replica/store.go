package replica

import (
	"iter"
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
	return &hashStore{}
}

// hashStore keeps the entries in a map.
type hashStore struct {
	keyed[entry]
}

func (s *hashStore) ascend(from string) iter.Seq2[string, entry] {
	return func(yield func(string, entry) bool) {
		var keys []string
		for key := range s.all() {
			if key >= from {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		for _, key := range keys {
			if e, _ := s.get(key); !yield(key, e) {
				return
			}
		}
	}
}

// treeStore keeps the entries in a B-tree.
type treeStore struct {
	tree btree.Map[string, entry]
	peak int // the most entries since the tree was made
}

const (
	// looseTree and tightTree are the sizes between which a tree must have shrunk to be made anew: its last node keeps the room of a full one.
	looseTree = 64
	tightTree = 16
)

func (s *treeStore) get(key string) (entry, bool)  { return s.tree.Get(key) }
func (s *treeStore) len() int                      { return s.tree.Len() }
func (s *treeStore) all() iter.Seq2[string, entry] { return s.tree.Scan }

func (s *treeStore) set(key string, e entry) {
	s.tree.Set(key, e)
	s.peak = max(s.peak, s.tree.Len())
}

func (s *treeStore) remove(key string) {
	s.tree.Delete(key)
	if s.peak < looseTree || s.tree.Len() > tightTree {
		return
	}
	loose := s.tree
	s.tree, s.peak = btree.Map[string, entry]{}, 0
	loose.Scan(func(key string, e entry) bool {
		s.set(key, e)
		return true
	})
}

func (s *treeStore) ascend(from string) iter.Seq2[string, entry] {
	return func(yield func(string, entry) bool) { s.tree.Ascend(from, yield) }
}
