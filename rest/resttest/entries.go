package resttest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
)

// Put implements rest.Store.
func (s *Store) Put(ctx context.Context, name string, kvs []engine.KV, opts ...engine.WriteOption) (engine.Written, error) {
	for _, kv := range kvs {
		if len(kv.Value) > engine.MaxValueBytes {
			return engine.Written{}, engine.ErrValueTooLarge
		}
	}
	return s.writeAll(ctx, name, kvs, engine.GatherOptions(opts...))
}

// Delete implements rest.Store.
func (s *Store) Delete(ctx context.Context, name string, keys []string, opts ...engine.WriteOption) (engine.Written, error) {
	kvs := make([]engine.KV, len(keys))
	for i, key := range keys {
		kvs[i].Key = key
	}
	return s.writeAll(ctx, name, kvs, engine.GatherOptions(opts...))
}

// writeAll puts the values, and deletes where the value is nil.
func (s *Store) writeAll(ctx context.Context, name string, kvs []engine.KV, o engine.WriteOptions) (engine.Written, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.Written{}, err
	}
	defer leave()
	t, ok := s.tables[name]
	if !ok {
		return engine.Written{}, engine.ErrNoTable
	}
	if o.Ack == engine.AckQuorum && len(s.members) > 1 {
		return engine.Written{}, engine.ErrNoQuorum
	}
	for _, kv := range kvs {
		if err := check(t, kv.Key, o); err != nil {
			return engine.Written{}, err
		}
	}
	w := engine.Written{Acked: 1}
	for _, kv := range kvs {
		w.Previous = append(w.Previous, t.entry(kv.Key))
		w.Contexts = append(w.Contexts, s.write(t, kv.Key, kv.Value, o))
	}
	return w, nil
}

func check(t *table, key string, o engine.WriteOptions) error {
	if key == "" || len(key) > engine.MaxKeyBytes {
		return engine.ErrBadKey
	}
	if o.Context == "" && !o.Unchanged {
		return nil
	}
	seen, err := covered(t, key, o.Context)
	if err != nil {
		return err
	}
	if obj := t.keys[key]; o.Unchanged && obj != nil && obj.last > seen {
		return engine.ErrConflict
	}
	return nil
}

// write is the one door to an object; a nil value deletes.
func (s *Store) write(t *table, key string, value []byte, o engine.WriteOptions) string {
	seen := uint64(math.MaxUint64)
	if o.Context != "" {
		seen, _ = covered(t, key, o.Context)
	}
	obj := t.keys[key]
	if obj == nil {
		obj = &object{}
		t.keys[key] = obj
	}
	s.seq++
	obj.last = s.seq
	obj.siblings = slices.DeleteFunc(obj.siblings, func(v sibling) bool { return v.seq <= seen })
	if value != nil {
		obj.siblings = append(obj.siblings, sibling{seq: s.seq, value: slices.Clone(value)})
	}
	e := t.entry(key)
	s.publish(engine.Change{Table: t.info.Name, Entry: e, Deleted: len(e.Siblings) == 0})
	return e.Context
}

func (t *table) entry(key string) engine.Entry {
	obj := t.keys[key]
	if obj == nil {
		return engine.Entry{Key: key, Context: token(t, key, 0)}
	}
	e := engine.Entry{Key: key, Context: token(t, key, obj.last)}
	for _, v := range obj.siblings {
		e.Value = v.value
		e.Siblings = append(e.Siblings, engine.Version{
			Value: v.value, Stamp: clock.Timestamp(v.seq), Time: epoch(), Actor: self(), Dot: fmt.Sprintf("a:%d", v.seq),
		})
	}
	switch len(e.Siblings) {
	case 0:
	case 1:
		e.State = engine.Single
	default:
		e.State = engine.Kept
	}
	return e
}

// Get implements rest.Store.
func (s *Store) Get(ctx context.Context, name, key string) (engine.Entry, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.Entry{}, err
	}
	defer leave()
	t, ok := s.tables[name]
	if !ok {
		return engine.Entry{}, engine.ErrNoTable
	}
	if key == "" || len(key) > engine.MaxKeyBytes {
		return engine.Entry{}, engine.ErrBadKey
	}
	e := t.entry(key)
	if len(e.Siblings) == 0 {
		return e, engine.ErrNotFound
	}
	return e, nil
}

// Match implements rest.Store.
func (s *Store) Match(ctx context.Context, name string, p engine.Pattern) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		entries, err := s.match(ctx, name, p)
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(engine.Entry{}, err)
		}
	}
}

func (s *Store) match(ctx context.Context, name string, p engine.Pattern) ([]engine.Entry, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	t, ok := s.tables[name]
	if !ok {
		return nil, engine.ErrNoTable
	}
	if strings.HasSuffix(p.Key, `\`) {
		return nil, fmt.Errorf("%w: %q ends in a backslash", engine.ErrBadPattern, p.Key)
	}
	var entries []engine.Entry
	for _, key := range slices.Sorted(maps.Keys(t.keys)) {
		if e := t.entry(key); len(e.Siblings) > 0 && matches(p, e) {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

func matches(p engine.Pattern, e engine.Entry) bool {
	return (p.Key == "" || glob(p.Key, e.Key)) && (p.Value == "" || glob(p.Value, string(e.Value)))
}

// glob knows '*' and '?'.
func glob(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return glob(pattern[1:], s) || s != "" && glob(pattern, s[1:])
	default:
		return s != "" && (pattern[0] == '?' || pattern[0] == s[0]) && glob(pattern[1:], s[1:])
	}
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
