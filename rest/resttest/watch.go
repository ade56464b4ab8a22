package resttest

import (
	"context"
	"iter"

	"github.com/kvnode/kvnode/engine"
)

// watcher is one subscription; its buffer is bounded, as a real one's is.
type watcher struct {
	table   string
	pattern engine.Pattern
	steps   chan step
}

type step struct {
	change engine.Change
	err    error
}

// Watch implements rest.Store.
func (s *Store) Watch(ctx context.Context, name string, p engine.Pattern) iter.Seq2[engine.Change, error] {
	w := &watcher{table: name, pattern: p, steps: make(chan step, 64)}
	s.mu.Lock()
	s.watchers[w] = struct{}{}
	close(s.watched)
	s.watched = make(chan struct{})
	s.mu.Unlock()
	context.AfterFunc(ctx, func() { s.forget(w) })
	return func(yield func(engine.Change, error) bool) {
		defer s.forget(w)
		for {
			select {
			case next := <-w.steps:
				if !yield(next.change, next.err) || next.err != nil {
					return
				}
			case <-ctx.Done():
				yield(engine.Change{}, ctx.Err())
				return
			}
		}
	}
}

func (s *Store) forget(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
	close(s.watched)
	s.watched = make(chan struct{})
}

// AwaitWatchers returns when exactly n watches are running, or with the error of ctx.
func (s *Store) AwaitWatchers(ctx context.Context, n int) error {
	for {
		s.mu.Lock()
		running, changed := len(s.watchers), s.watched
		s.mu.Unlock()
		if running == n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// publish hands a change to the watchers; the lock is held.
func (s *Store) publish(c engine.Change) {
	for w := range s.watchers {
		if w.table == c.Table && matches(w.pattern, engine.Entry{Key: c.Entry.Key, Value: c.Entry.Value}) {
			w.send(step{change: c})
		}
	}
}

// endWatches ends the watches of a table; the lock is held.
func (s *Store) endWatches(table string, err error) {
	for w := range s.watchers {
		if w.table == table {
			w.send(step{err: err})
		}
	}
}

// send never blocks: a reader that does not keep up loses its watch.
func (w *watcher) send(next step) {
	if len(w.steps) == cap(w.steps)-1 {
		next = step{err: engine.ErrOverloaded}
	}
	select {
	case w.steps <- next:
	default:
	}
}
