package sim_test

import (
	"github.com/kvnode/kvnode/clock"
)

// set is a set of events of one story, as a bit set. It is never changed once made.
type set []uint64

func (s set) has(event int) bool {
	return event/64 < len(s) && s[event/64]&(1<<(event%64)) != 0
}

// and returns the events of both sets.
func (s set) and(other set) set {
	out := make(set, max(len(s), len(other)))
	copy(out, s)
	for i, word := range other {
		out[i] |= word
	}
	return out
}

// with returns the set and one more event.
func (s set) with(event int) set {
	one := make(set, event/64+1)
	one[event/64] = 1 << (event % 64)
	return s.and(one)
}

// covers reports whether all events of other are in s.
func (s set) covers(other set) bool {
	for i, word := range other {
		if i < len(s) {
			word &^= s[i]
		}
		if word != 0 {
			return false
		}
	}
	return true
}

// storyID names the one history that a key has from the creation of its table to the drop.
type storyID struct {
	table string
	epoch uint64
	key   string
}

// story is all writes of one key.
type story struct {
	id     storyID
	events []*event
}

// event is one write as the oracle sees it.
type event struct {
	story   *story
	index   int
	dot     clock.Dot
	past    set // the writes of the same key that its author had seen
	deleted bool
	value   string
	holders []holder // who had it when it was acknowledged; nil when it was not
}

// holder is a node with the memory that it had.
type holder struct {
	name   string
	memory int
}

// ghost is the true history of all writes.
type ghost map[storyID]*story

func (g ghost) story(id storyID) *story {
	if g[id] == nil {
		g[id] = &story{id: id}
	}
	return g[id]
}

// add records a write.
func (s *story) add(e event) *event {
	e.story, e.index = s, len(s.events)
	s.events = append(s.events, &e)
	return &e
}

// maximal returns the dots of the puts of known that no event of known succeeds: what a node that knows just these must show.
func (s *story) maximal(known set) map[clock.Dot]struct{} {
	var succeeded set
	for i, e := range s.events {
		if known.has(i) {
			succeeded = succeeded.and(e.past)
		}
	}
	out := map[clock.Dot]struct{}{}
	for i, e := range s.events {
		if known.has(i) && !succeeded.has(i) && !e.deleted {
			out[e.dot] = struct{}{}
		}
	}
	return out
}
