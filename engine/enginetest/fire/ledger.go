package fire

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Ledger remembers what was written and read. A value is written once, so that it names its write. All methods are safe for concurrent use.
type Ledger struct {
	nodes []string

	mu      sync.Mutex
	keys    map[string]*history
	reads   []read
	acked   map[string]int
	refused map[string]int
	lastID  int
}

// history is what is known of one key.
type history struct {
	writes []*write
	// covering lists, by value, the writes that replaced it.
	covering map[string][]*write
	// visible is what a reader at a node must see or see replaced: acknowledged there, and not replaced by a later write there.
	visible map[string][]string
}

// write is one mutation that was applied at a node.
type write struct {
	value string // empty for a delete
	began time.Time
	acked bool
}

// read is one answer to a reader, with what it had to account for.
type read struct {
	node, key string
	must      []string
	ended     time.Time
	siblings  []string
}

// newLedger returns the ledger of a cluster of these nodes.
func newLedger(nodes []string) *Ledger {
	return &Ledger{nodes: nodes, keys: map[string]*history{}, acked: map[string]int{}, refused: map[string]int{}}
}

// Acked counts the acknowledged writes of a level.
func (l *Ledger) Acked(level string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked[level]
}

// Refused counts the calls that ended with an error, by its text.
func (l *Ledger) Refused() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.refused)
}

// NumReads counts the reads that were answered.
func (l *Ledger) NumReads() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.reads)
}

func (l *Ledger) key(key string) *history {
	h := l.keys[key]
	if h == nil {
		h = &history{covering: map[string][]*write{}, visible: map[string][]string{}}
		l.keys[key] = h
	}
	return h
}

// outcome is how one key of a call came out.
type outcome struct {
	node, key, value, level string
	covers                  []string
	began                   time.Time
	// acked counts the nodes that confirmed it; 0 when the call ended with an error after it was applied.
	acked int
}

// applied notes a write that is applied at its node.
func (l *Ledger) applied(o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.key(o.key)
	w := &write{value: o.value, began: o.began, acked: o.acked > 0}
	if o.value != "" {
		h.writes = append(h.writes, w)
	}
	for _, v := range o.covers {
		h.covering[v] = append(h.covering[v], w)
	}
	if !w.acked {
		return
	}
	l.acked[o.level]++
	if o.acked < len(l.nodes) {
		h.see(o.node, o)
		return
	}
	for _, node := range l.nodes {
		h.see(node, o)
	}
}

// see makes the write visible to the readers of a node, in place of everything that led to it.
func (h *history) see(node string, o outcome) {
	must := append(slices.Clone(h.visible[node]), o.value)
	shown := append(slices.Clone(o.covers), o.value)
	h.visible[node] = slices.DeleteFunc(must, func(v string) bool {
		return v == "" || v != o.value && h.accounted(v, shown, time.Time{})
	})
}

func (l *Ledger) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused[err.Error()]++
}

// must is what a read that begins now has to account for.
func (l *Ledger) must(node, key string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.key(key).visible[node]
}

func (l *Ledger) answered(r read) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads = append(l.reads, r)
}
