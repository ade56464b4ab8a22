package resttest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kvnode/kvnode/engine"
)

// AddConflict puts a conflict into the journal.
func (s *Store) AddConflict(c engine.Conflict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conflicts = append(s.conflicts, c)
}

// Conflicts implements rest.Store.
func (s *Store) Conflicts(ctx context.Context, opts ...engine.JournalOption) ([]engine.Conflict, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	o := engine.GatherJournalOptions(opts...)
	if _, ok := s.tables[o.Table]; !ok && o.Table != "" {
		return nil, engine.ErrNoTable
	}
	chosen := slices.DeleteFunc(slices.Clone(s.conflicts), func(c engine.Conflict) bool {
		return o.Table != "" && c.Table != o.Table || o.Open && !c.Open
	})
	if o.Limit > 0 {
		chosen = chosen[:min(o.Limit, len(chosen))]
	}
	return chosen, nil
}

// Conflict implements rest.Store.
func (s *Store) Conflict(ctx context.Context, id string) (engine.Conflict, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.Conflict{}, err
	}
	defer leave()
	i, err := s.findConflict(id)
	if err != nil {
		return engine.Conflict{}, err
	}
	return s.conflicts[i], nil
}

func (s *Store) findConflict(id string) (int, error) {
	i := slices.IndexFunc(s.conflicts, func(c engine.Conflict) bool { return id != "" && strings.HasPrefix(c.ID, id) })
	if i < 0 {
		return 0, engine.ErrNoConflict
	}
	return i, nil
}

// Resolve implements rest.Store: it writes to the conflict's table if there is one, and the conflict is over.
func (s *Store) Resolve(ctx context.Context, id string, r engine.Resolution) (engine.Written, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.Written{}, err
	}
	defer leave()
	i, err := s.findConflict(id)
	if err != nil {
		return engine.Written{}, err
	}
	c := &s.conflicts[i]
	value := r.Value
	switch {
	case !c.Open:
		return engine.Written{}, engine.ErrNotOpen
	case r.Pick > len(c.Versions):
		return engine.Written{}, fmt.Errorf("%w: there is no version %d, they are 1 to %d", engine.ErrBadResolution, r.Pick, len(c.Versions))
	case r.Delete == (r.Pick > 0 || r.Value != nil):
		return engine.Written{}, engine.ErrBadResolution
	case r.Pick > 0:
		value = c.Versions[r.Pick-1].Value
	}
	c.Open = false
	if t, ok := s.tables[c.Table]; ok {
		s.write(t, c.Key, value, engine.WriteOptions{})
	}
	return engine.Written{Previous: []engine.Entry{{Key: c.Key, Siblings: c.Versions}}, Contexts: []string{""}, Acked: 1}, nil
}

// Settle implements rest.Store. Keys of which the latest version is empty count as kept.
func (s *Store) Settle(ctx context.Context, name string, keys ...string) (engine.Settlement, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.Settlement{}, err
	}
	defer leave()
	t, ok := s.tables[name]
	if !ok {
		return engine.Settlement{}, engine.ErrNoTable
	}
	var out engine.Settlement
	for _, key := range keys {
		if _, ok := t.keys[key]; !ok {
			out.Single++
		}
	}
	for key, o := range t.keys {
		if len(keys) > 0 && !slices.Contains(keys, key) || len(keys) == 0 && len(o.siblings) < 2 {
			continue
		}
		switch {
		case len(o.siblings) < 2:
			out.Single++
		case len(o.siblings[len(o.siblings)-1].value) == 0:
			out.Kept++
		default:
			out.Settled++
			s.write(t, key, o.siblings[len(o.siblings)-1].value, engine.WriteOptions{})
		}
	}
	return out, nil
}
