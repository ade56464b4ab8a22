package torture

import (
	"context"
	"slices"
	"sync"

	"github.com/kvnode/kvnode/engine"
)

// watchedKeys are all keys but the one on which the handler traps: a reader whose run traps first costs no restart.
const watchedKeys = "k*"

// watcher follows the changes of one table at one node.
type watcher struct {
	run   *run
	node  *node
	table string

	mu sync.Mutex // guards what follows
	// last is what it was shown last of each key; whole says that it has been told of every key, since the checkpoint before.
	last  map[string][]string
	alive bool
	whole bool
}

// work watches, again and again, until ctx ends.
func (w *watcher) work(ctx context.Context) {
	for ctx.Err() == nil {
		w.watch(ctx)
		w.forget()
		breathe(ctx)
	}
}

func (w *watcher) watch(ctx context.Context) {
	api, err := w.node.ask(ctx)
	if err != nil {
		return
	}
	changes, err := api.Watch(ctx, w.table, engine.Pattern{Key: watchedKeys})
	if err != nil {
		return
	}
	w.begin()
	for change, err := range changes {
		if err != nil {
			return
		}
		w.take(change.Entry)
	}
}

func (w *watcher) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.alive, w.whole = map[string][]string{}, true, false
}

func (w *watcher) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.alive, w.whole = nil, false, false
}

func (w *watcher) take(e engine.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[e.Key] = ids(e)
}

// differs names a key of which the watcher was last shown something else than what is there; none when the watch broke meanwhile.
func (w *watcher) differs(agreed map[place][]string) (key string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, seen := range w.last {
		if !slices.Equal(seen, agreed[place{w.table, key}]) {
			return key, true
		}
	}
	for p, held := range agreed {
		if w.whole && w.follows(p) && !slices.Equal(w.last[p.key], held) {
			return p.key, true
		}
	}
	return "", false
}

func (w *watcher) follows(p place) bool { return p.table == w.table && p.key != poisonKey }

// base makes what is there at a checkpoint the watcher's beginning. It reports whether the watch has lived since the one before.
func (w *watcher) base(agreed map[place][]string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.alive {
		return false
	}
	before := w.whole
	w.whole = true
	for p, held := range agreed {
		if w.follows(p) {
			w.last[p.key] = held
		}
	}
	return before
}
