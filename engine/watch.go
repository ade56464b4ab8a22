package engine

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// maxWatchBacklog and maxWatchBytes bound the changed keys of a table that are kept for its watchers; a watcher that is further behind ends with
	// ErrOverloaded.
	maxWatchBacklog = 65_536
	maxWatchBytes   = 16 << 20
	// watchPage is how many keys a watcher takes at a time.
	watchPage = 256
	// minWatchTrim is the length of the log at which it is looked for what nobody needs any more.
	minWatchTrim = 1024
	// looseWatchLog is how many times larger than its content the room of the log may be before some of it is given back.
	looseWatchLog = 4
)

// hub tells a table's watchers which keys changed. All watchers share one log of the changed keys, each key at the place of its latest change; a
// watcher is no more than its place in the log. So a watcher that never reads costs nothing but the log, which is bounded. Safe for concurrent
// use; it never blocks a writer.
type hub struct {
	counts *watchCounts

	mu       sync.Mutex // guards what follows
	watchers map[*watcher]struct{}
	log      []changedKey      // by place, ascending; also what is outdated
	latest   map[string]uint64 // the places that count, by key
	bytes    int               // of the keys in latest
	next     uint64            // the next place
	trimAt   int               // the length of the log at which it is trimmed
	news     chan struct{}     // closed and replaced when something happens while a watcher waits for it
	awaited  bool
	closed   bool
	// era counts how often the table was taken over: watchers of an earlier one have ended.
	era int
}

// changedKey is one change in the log. It is outdated when the key has a later place.
type changedKey struct {
	place uint64
	key   string
}

// watcher is a place in the log: what changes there, and later, its reader has not seen. The hub's lock guards it.
type watcher struct {
	place uint64
	era   int
	over  bool // it was too far behind
}

// watchCounts counts a node's watchers.
type watchCounts struct {
	open       atomic.Int64
	overloaded atomic.Uint64
}

func newHub(counts *watchCounts) *hub {
	return &hub{
		counts: counts, watchers: map[*watcher]struct{}{}, latest: map[string]uint64{}, trimAt: minWatchTrim, news: make(chan struct{}),
	}
}

func (h *hub) add() *watcher {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := &watcher{place: h.next, era: h.era}
	h.watchers[w] = struct{}{}
	h.counts.open.Add(1)
	return w
}

// remove ends a watch; again does nothing.
func (h *hub) remove(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removeLocked(w)
}

func (h *hub) removeLocked(w *watcher) {
	if _, there := h.watchers[w]; !there {
		return
	}
	delete(h.watchers, w)
	h.counts.open.Add(-1)
	if len(h.watchers) == 0 {
		h.log, h.bytes, h.trimAt = nil, 0, minWatchTrim
		h.latest = map[string]uint64{}
	}
}

// close ends all watches once they have seen what is in the log: the table is dropped, or the node closes.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.wakeLocked()
}

// reopen lets watchers in again: a new incarnation has taken the table over.
func (h *hub) reopen() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = false
	h.era++
	h.wakeLocked()
}

// notify tells the watchers that keys changed.
func (h *hub) notify(keys ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watchers) == 0 || len(keys) == 0 {
		return
	}
	for _, key := range keys {
		h.appendLocked(key)
	}
	h.wakeLocked()
}

func (h *hub) appendLocked(key string) {
	if _, known := h.latest[key]; !known {
		h.bytes += len(key)
	}
	h.latest[key] = h.next
	h.log = append(h.log, changedKey{place: h.next, key: key})
	h.next++
	if len(h.latest) > maxWatchBacklog || h.bytes > maxWatchBytes {
		h.dropLocked()
	}
	if len(h.log) >= h.trimAt {
		h.trimLocked()
	}
}

// dropLocked makes room: the eighth of the log that changed longest ago goes, and with it the watchers that have not seen it.
func (h *hub) dropLocked() {
	h.compactLocked(0)
	cut := h.log[len(h.log)/8].place
	for w := range h.watchers {
		if w.place < cut {
			w.over = true
			h.removeLocked(w)
			h.counts.overloaded.Add(1)
		}
	}
	h.compactLocked(cut)
}

// trimLocked forgets what all watchers have seen. It is due when the log has doubled since, so that it costs a change next to nothing.
func (h *hub) trimLocked() {
	first := h.next
	for w := range h.watchers {
		first = min(first, w.place)
	}
	h.compactLocked(first)
	h.trimAt = max(minWatchTrim, 2*len(h.log))
}

// tidy gives back the room of what all watchers have seen, when nothing changes any more.
func (h *hub) tidy() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cap(h.log) == 0 {
		return
	}
	h.trimLocked()
	if len(h.log) > cap(h.log)/looseWatchLog {
		return
	}
	h.log = append([]changedKey(nil), h.log...)
	tight := make(map[string]uint64, len(h.latest))
	maps.Copy(tight, h.latest) // a clone would have the room of the old one
	h.latest = tight
}

// compactLocked forgets the changes before a place, and those that are outdated.
func (h *hub) compactLocked(first uint64) {
	h.log = slices.DeleteFunc(h.log, func(c changedKey) bool {
		switch {
		case h.latest[c.key] != c.place:
			return true
		case c.place < first:
			delete(h.latest, c.key)
			h.bytes -= len(c.key)
			return true
		}
		return false
	})
}

func (h *hub) wakeLocked() {
	if h.awaited {
		close(h.news)
		h.news, h.awaited = make(chan struct{}), false
	}
}

var errWatchOverloaded = fmt.Errorf("%w: this watch did not keep up with the changes; read the entries, and watch again", ErrOverloaded)

// read returns some of the keys that changed since the last call, or a channel that is closed when there is news. The error is ErrOverloaded or
// ErrNoTable when the watch is over.
func (h *hub) read(w *watcher) (keys []string, news <-chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.over {
		return nil, nil, errWatchOverloaded
	}
	for _, c := range h.log[h.indexLocked(w.place):] {
		w.place = c.place + 1
		if h.latest[c.key] == c.place {
			keys = append(keys, c.key)
		}
		if len(keys) == watchPage {
			break
		}
	}
	switch {
	case len(keys) > 0:
		return keys, nil, nil
	case h.closed || w.era != h.era:
		return nil, nil, ErrNoTable
	}
	h.awaited = true
	return nil, h.news, nil
}

// indexLocked finds the first change in the log that is not before a place.
func (h *hub) indexLocked(place uint64) int {
	i, _ := slices.BinarySearchFunc(h.log, place, func(c changedKey, p uint64) int {
		switch {
		case c.place < p:
			return -1
		case c.place > p:
			return 1
		}
		return 0
	})
	return i
}
