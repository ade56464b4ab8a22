package engine

import (
	"sync"
)

// maxWatchBacklog bounds the changed keys that a watcher has not read yet; past it the watch ends with ErrOverloaded.
const maxWatchBacklog = 65_536

// hub tells a table's watchers which keys changed. Safe for concurrent use; it never blocks a writer.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
	closed   bool
}

// watcher collects changed keys, each once, until its reader takes them.
type watcher struct {
	mu    sync.Mutex
	keys  []string
	seen  map[string]struct{}
	over  bool
	gone  bool
	ready chan struct{} // capacity 1: something happened
}

func newHub() *hub {
	return &hub{watchers: map[*watcher]struct{}{}}
}

func (h *hub) add() *watcher {
	w := &watcher{seen: map[string]struct{}{}, ready: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		w.end()
		return w
	}
	h.watchers[w] = struct{}{}
	return w
}

func (h *hub) remove(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
}

// close ends all watches: the table is dropped, or the node closes.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for w := range h.watchers {
		w.end()
	}
	clear(h.watchers)
}

// reopen lets watchers in again: a new incarnation has taken the table over.
func (h *hub) reopen() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = false
}

// notify tells the watchers that keys changed.
func (h *hub) notify(keys ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		w.add(keys)
	}
}

func (w *watcher) add(keys []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range keys {
		if _, ok := w.seen[k]; ok {
			continue
		}
		if len(w.keys) >= maxWatchBacklog {
			w.over = true
			break
		}
		w.seen[k] = struct{}{}
		w.keys = append(w.keys, k)
	}
	w.signal()
}

func (w *watcher) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
	w.signal()
}

func (w *watcher) signal() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// take returns the keys that changed since the last call. The error is ErrOverloaded or ErrNoTable when the watch is over.
func (w *watcher) take() ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys := w.keys
	w.keys = nil
	clear(w.seen)
	if w.gone {
		w.signal() // the next call says so
	}
	switch {
	case w.over:
		return nil, ErrOverloaded
	case w.gone && len(keys) == 0:
		return nil, ErrNoTable
	}
	return keys, nil
}
