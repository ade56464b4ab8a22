package fire

import (
	"fmt"
	"slices"
	"time"
)

// Keys lists the keys that were written, in order.
func (l *Ledger) Keys() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]string, 0, len(l.keys))
	for key := range l.keys {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

// Verify compares what the nodes hold in the end, the siblings of each key, with the ledger, and says what is wrong. With kept, every write that was
// applied anywhere must be accounted for, also one that was not acknowledged: no node has lost its memory.
func (l *Ledger) Verify(held map[string][]string, kept bool) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var wrong []string
	for key, h := range l.keys {
		wrong = append(wrong, h.verify(key, held[key], kept)...)
	}
	for key, siblings := range held {
		if l.keys[key] == nil {
			wrong = append(wrong, fmt.Sprintf("key %s: nobody wrote %q", key, siblings))
		}
	}
	for _, r := range l.reads {
		wrong = append(wrong, l.verifyRead(r)...)
	}
	slices.Sort(wrong)
	return wrong
}

func (h *history) verify(key string, held []string, kept bool) []string {
	var wrong []string
	written := map[string]struct{}{}
	for _, w := range h.writes {
		written[w.value] = struct{}{}
		if (w.acked || kept) && !h.accounted(w.value, held, time.Time{}) {
			wrong = append(wrong, fmt.Sprintf("key %s: %s is lost (acknowledged: %t); held are %q", key, w.value, w.acked, held))
		}
	}
	for _, v := range held {
		if _, ok := written[v]; !ok {
			wrong = append(wrong, fmt.Sprintf("key %s: %s was refused, or never written", key, v))
		}
		if slices.ContainsFunc(h.covering[v], func(w *write) bool { return w.acked || kept }) {
			wrong = append(wrong, fmt.Sprintf("key %s: %s came back after it was replaced", key, v))
		}
	}
	return wrong
}

// accounted says whether a value is among the siblings, or was replaced by writes that are accounted for. Writes that began after the time do not
// count, unless it is zero.
func (h *history) accounted(value string, siblings []string, until time.Time) bool {
	seen := map[string]struct{}{}
	next := []string{value}
	for len(next) > 0 {
		v := next[0]
		next = next[1:]
		if slices.Contains(siblings, v) {
			return true
		}
		for _, w := range h.covering[v] {
			if !until.IsZero() && w.began.After(until) {
				continue
			}
			if w.value == "" {
				return true
			}
			if _, twice := seen[w.value]; !twice {
				seen[w.value] = struct{}{}
				next = append(next, w.value)
			}
		}
	}
	return false
}

func (l *Ledger) verifyRead(r read) []string {
	var wrong []string
	for _, v := range r.must {
		if !l.keys[r.key].accounted(v, r.siblings, r.ended) {
			wrong = append(wrong, fmt.Sprintf("key %s: a reader at %s saw %q, not %s which was acknowledged there", r.key, r.node, r.siblings, v))
		}
	}
	return wrong
}
