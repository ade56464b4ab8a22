package torture

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// loss is the loss of one node's memory; it ends when the process is gone.
type loss struct{ ended int }

// history is all writes, as far as clients can know of them, and the oracle over them. Safe for concurrent use.
type history struct {
	mu      sync.Mutex
	nodes   int
	now     int // counts what happens, for its order
	values  map[string]*event
	stories map[place][]*event // writes since the last checkpoint, and those that it found
	losses  []*loss
	found   []string
	counts  Counts
	reasons map[string]int // of refusals
}

// Counts is how much has happened.
type Counts struct {
	// Writes counts those that were applied, Refused those of which nothing was, Unknown those without an answer that tells.
	Writes, Refused, Unknown int
	// Acknowledged counts writes that more than one node confirmed, Reads those that clients made between checkpoints.
	Acknowledged, Reads int
	// Conflicts counts the reads and checkpoints that saw siblings.
	Conflicts int
	// Checkpoints counts the times that all nodes were compared, Keys the keys that were compared there.
	Checkpoints, Keys int
}

func newHistory(nodes int) *history {
	return &history{nodes: nodes, values: map[string]*event{}, stories: map[place][]*event{}, reasons: map[string]int{}}
}

func (h *history) tickLocked() int {
	h.now++
	return h.now
}

// failLocked records that a promise is broken, with the story of the key.
func (h *history) failLocked(p place, format string, args ...any) {
	lines := []string{p.String() + ": " + fmt.Sprintf(format, args...)}
	for _, e := range h.stories[p] {
		lines = append(lines, e.String())
	}
	h.found = append(h.found, strings.Join(lines, "\n    "))
}

// fail records that a promise is broken that is not about one key.
func (h *history) fail(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.found = append(h.found, fmt.Sprintf(format, args...))
}

// violations returns what was found so far.
func (h *history) violations() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.found)
}

// refusals counts the refused writes by their reasons.
func (h *history) refusals() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.reasons)
}

func (h *history) count() Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts
}

// begin records that a client sends a write. With a token the write replaces what the token has seen; without one, what its node knows.
func (h *history) begin(e *event, t *token) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.begun = h.tickLocked()
	e.blind = t == nil
	if t != nil {
		e.seen = t.seen
	}
	h.values[e.id] = e
	h.stories[e.place] = append(h.stories[e.place], e)
}

// answer is what a client was told of a write.
type answer struct {
	outcome  outcome
	acked    int
	previous []string // what the node held before; nil unless told
	told     bool     // previous is told
	why      error
}

// end records the answer to a write.
func (h *history) end(e *event, t *token, unchanged bool, a answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.ended, e.outcome, e.acked = h.tickLocked(), a.outcome, a.acked
	if a.outcome == refused {
		reason, _, _ := strings.Cut(a.why.Error(), ":")
		h.reasons[reason]++
	}
	if a.why != nil {
		e.what += " (" + a.why.Error() + ")"
	}
	switch a.outcome {
	case written:
		h.counts.Writes++
	case refused:
		h.counts.Refused++
	case unknown, pending:
		h.counts.Unknown++
	}
	if a.acked > 1 {
		h.counts.Acknowledged++
	}
	if a.outcome == refused && e.shown {
		h.failLocked(e.place, "%s was refused, and somebody has seen it", e.id)
	}
	if !a.told {
		return
	}
	held := h.lookLocked(e.place, "the write of "+e.id, a.previous)
	switch {
	case t == nil:
		e.seen, e.blind = held, false
	case unchanged:
		h.checkUnchangedLocked(e, t, held)
	}
}

// checkUnchangedLocked checks that a conditional write replaced nothing that its client cannot have seen.
func (h *history) checkUnchangedLocked(e *event, t *token, held []*event) {
	for _, v := range held {
		if v.begun > t.at && !slices.Contains(t.seen, v) {
			h.failLocked(e.place, "the conditional write %s was taken, although the node held %s, which began after the client had read", e.id, v.id)
		}
	}
}

// read records what a client was shown, checks it, and returns what it has seen.
func (h *history) read(p place, at string, values []string) []*event {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts.Reads++
	return h.lookLocked(p, at, values)
}

// moment is the present, as a token remembers it.
func (h *history) moment() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// lookLocked checks siblings that somebody was shown, and returns their writes.
func (h *history) lookLocked(p place, where string, values []string) []*event {
	if len(values) > 1 {
		h.counts.Conflicts++
	}
	var events []*event
	for _, value := range values {
		e := h.values[idOf(value)]
		switch {
		case e == nil || e.place != p || e.deleted:
			h.failLocked(p, "%s shows %.40q, which nobody wrote there", where, value)
			continue
		case e.outcome == refused:
			h.failLocked(p, "%s shows %s, which was refused: %s", where, e.id, e)
		case e.buried:
			h.failLocked(p, "%s shows %s again, which all nodes had replaced or deleted before", where, e.id)
		}
		e.shown = true
		events = append(events, e)
	}
	covered := covers(events, false)
	for _, e := range events {
		if _, ok := covered[e]; ok {
			h.failLocked(p, "%s shows %s beside a version that has replaced it: %v", where, e.id, values)
		}
	}
	return events
}

// beginLoss records that a node is about to lose its memory.
func (h *history) beginLoss() *loss {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := &loss{}
	h.losses = append(h.losses, l)
	return l
}

// endLoss records that its process is gone.
func (h *history) endLoss(l *loss) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.ended = h.tickLocked()
}

// survivesLocked reports whether a write must be known to some node: fewer memories were lost since it began than nodes had it.
func (h *history) survivesLocked(e *event) bool {
	lost := 0
	for _, l := range h.losses {
		if l.ended == 0 || l.ended > e.begun {
			lost++
		}
	}
	return e.outcome == written && lost < e.acked
}

// checkpoint checks what all nodes hold in the end, forgets what is over, and counts losses anew. The values are those of every key that is there.
func (h *history) checkpoint(agreed map[place][]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts.Checkpoints++
	h.counts.Keys += len(agreed)
	for p := range agreed {
		if _, ok := h.stories[p]; !ok {
			h.failLocked(p, "all nodes hold %.40q, which nobody wrote there", agreed[p])
		}
	}
	for p, story := range h.stories {
		held := h.lookLocked(p, "every node", agreed[p])
		h.checkLostLocked(p, story, held)
		h.checkReplacedLocked(p, story, held)
	}
	for p, story := range h.stories {
		h.buryLocked(p, story, agreed[p])
	}
	h.losses = slices.DeleteFunc(h.losses, func(l *loss) bool { return l.ended > 0 })
}

// checkLostLocked checks that each write that had to survive is there, or may be replaced by one that is, or by a delete.
func (h *history) checkLostLocked(p place, story, held []*event) {
	roots := slices.Clone(held)
	for _, e := range story {
		if e.deleted && e.outcome != refused {
			roots = append(roots, e)
		}
	}
	excused := excusedBy(roots, story)
	for _, e := range story {
		_, ok := excused[e]
		if !ok && !e.deleted && !slices.Contains(held, e) && h.survivesLocked(e) {
			h.failLocked(p, "%s is lost: %d nodes had it, nothing that is there replaces it, and no delete did", e.id, e.acked)
		}
	}
}

// excusedBy returns all writes that the roots may have replaced. A blind write may have replaced all that began before it ended.
func excusedBy(roots, story []*event) map[*event]struct{} {
	excused := covers(roots, true)
	horizon := 0
	widen := func(e *event) {
		if e.blind {
			horizon = max(horizon, e.ended)
		}
	}
	for _, e := range roots {
		widen(e)
	}
	for grows := true; grows; {
		before := len(excused)
		for e := range excused {
			widen(e)
		}
		for _, e := range story {
			if e.begun < horizon {
				excused[e] = struct{}{}
			}
		}
		grows = len(excused) > before
	}
	return excused
}

// checkReplacedLocked checks that nothing is there that was replaced by a write which had to survive.
func (h *history) checkReplacedLocked(p place, story, held []*event) {
	for _, e := range story {
		if !h.survivesLocked(e) {
			continue
		}
		replaced := covers([]*event{e}, false)
		for _, v := range held {
			if _, ok := replaced[v]; ok {
				h.failLocked(p, "every node shows %s, which %s has replaced or deleted: that was acknowledged by %d nodes", v.id, e.id, e.acked)
			}
		}
	}
}

// covers returns all writes that the given ones have replaced, directly or through others. The blind ones are followed only where asked for, as it
// is not known what they replaced.
func covers(events []*event, blind bool) map[*event]struct{} {
	covered := map[*event]struct{}{}
	var visit func(e *event)
	visit = func(e *event) {
		if e.blind && !blind {
			return
		}
		for _, s := range e.seen {
			if _, ok := covered[s]; !ok {
				covered[s] = struct{}{}
				visit(s)
			}
		}
	}
	for _, e := range events {
		visit(e)
	}
	return covered
}

// buryLocked ends the story of a key at a checkpoint: what is not there is gone for ever, what is there is everywhere. Writes of unknown outcome stay
// for one more checkpoint: a node that took the request may still be about to carry it out.
func (h *history) buryLocked(p place, story []*event, values []string) {
	var next []*event
	for _, e := range story {
		held := slices.ContainsFunc(values, func(v string) bool { return idOf(v) == e.id })
		switch {
		case held:
			e.outcome, e.acked, e.begun, e.blind = written, h.nodes, h.tickLocked(), false
			next = append(next, e)
		case e.outcome == unknown && !e.doubted:
			e.doubted = true
			next = append(next, e)
		case e.outcome != refused:
			e.buried = true
		}
		e.seen = nil // all of it is over
	}
	h.stories[p] = next
}
