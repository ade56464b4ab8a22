package engine

import (
	"slices"
	"sync"
)

// maxJournal and maxJournalBytes bound the journal and the values that it keeps alive; the oldest entries go first.
const (
	maxJournal      = 4096
	maxJournalBytes = 64 << 20
)

// journal is the bounded record of the conflicts that this node has seen. Safe for concurrent use.
type journal struct {
	mu    sync.Mutex
	m     map[string]*Conflict
	order []string
	bytes int
}

func newJournal() *journal {
	return &journal{m: map[string]*Conflict{}}
}

// note records a conflict, or adds to the entry that it has: what is set in c replaces what was known. first says that it is new, or that its merger is
// known for the first time.
func (j *journal) note(c Conflict) (first bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	held, ok := j.m[c.ID]
	if !ok {
		j.addLocked(c)
		return true
	}
	j.bytes -= held.size()
	held.add(c)
	first = held.Merger == "" && c.Merger != ""
	held.Merger = orDefault(c.Merger, held.Merger)
	held.Restarted = orDefault(c.Restarted, held.Restarted)
	j.bytes += held.size()
	j.trimLocked()
	return first
}

// end records how a conflict has ended, if it is known here.
func (j *journal) end(id string, how State) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if held, ok := j.m[id]; ok {
		held.end = how
	}
}

// trimLocked drops the oldest entries beyond the bounds, but never the newest.
func (j *journal) trimLocked() {
	for len(j.order) > 1 && (len(j.order) > maxJournal || j.bytes > maxJournalBytes) {
		j.bytes -= j.m[j.order[0]].size()
		delete(j.m, j.order[0])
		j.order = slices.Delete(j.order, 0, 1)
	}
}

// add takes over the verdict that c has.
func (entry *Conflict) add(c Conflict) {
	if len(entry.Versions) == 0 {
		entry.Versions = c.Versions
	}
	if entry.Base == nil {
		entry.Base = c.Base
	}
	if c.State != "" {
		entry.State, entry.Verdict, entry.Value, entry.Reason, entry.Fuel, entry.Took = c.State, c.Verdict, c.Value, c.Reason, c.Fuel, c.Took
		entry.Plugin, entry.SHA256 = c.Plugin, c.SHA256
	}
}

func (j *journal) addLocked(c Conflict) {
	j.m[c.ID] = &c
	j.order = append(j.order, c.ID)
	j.bytes += c.size()
	j.trimLocked()
}

// list returns copies of all entries, newest first.
func (j *journal) list() []Conflict {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]Conflict, 0, len(j.order))
	for _, id := range slices.Backward(j.order) {
		out = append(out, *j.m[id])
	}
	return out
}

// size counts the bytes of the values that an entry keeps alive.
func (entry *Conflict) size() int {
	n := len(entry.Value)
	for _, v := range entry.Versions {
		n += len(v.Value)
	}
	if entry.Base != nil {
		n += len(entry.Base.Value)
	}
	return n
}
