// Package ghost is the oracle of the simulations: it keeps the true causal history of every key, that is for every write which other writes its author
// had seen, and knows from it what a node must show that has heard of a given set of writes. It follows the definition of causality itself and has
// nothing in common with the clocks that it checks.
package ghost

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// Event is one write as the oracle sees it.
type Event struct {
	// Index is the event's place in its story; Story.Add sets it.
	Index int
	Dot   clock.Dot
	// Past are the writes of the same key that the author had seen.
	Past Set
	// Had are those that the author's node had: a node may have writes that the author has not seen.
	Had     Set
	Deleted bool
	// Visible says of a delete that it stands beside what it has not seen.
	Visible bool
	Value   string
	// Lost says that the write does not count any more: those who had it have made it again, if anybody had.
	Lost bool
	// Over says that every node knows a write that succeeds it, so that a node need not know it any more.
	Over bool
}

// Story is all writes of one key, in the order in which they happened. ID names the key. Not safe for concurrent use.
type Story[K comparable] struct {
	ID     K
	Events []*Event

	byDot map[clock.Dot]*Event
}

// Histories are the stories of all keys. Not safe for concurrent use.
type Histories[K comparable] map[K]*Story[K]

// Story returns the story of a key, which begins with the first call.
func (h Histories[K]) Story(id K) *Story[K] {
	s, ok := h[id]
	if !ok {
		s = &Story[K]{ID: id, byDot: map[clock.Dot]*Event{}}
		h[id] = s
	}
	return s
}

// Add records a write, and returns it with its index.
func (s *Story[K]) Add(e Event) *Event {
	e.Index = len(s.Events)
	s.Events = append(s.Events, &e)
	s.byDot[e.Dot] = &e
	return &e
}

// stands reports whether the event is a version until another one succeeds it.
func (e *Event) stands() bool { return !e.Deleted || e.Visible }

// IsAbsent reports whether there is no put among the events: then readers see nothing.
func IsAbsent(events []*Event) bool {
	return !slices.ContainsFunc(events, func(e *Event) bool { return !e.Deleted })
}

// Shown returns the puts and visible deletes of known that no event of known succeeds, in order: what a node that knows just these must show.
func (s *Story[K]) Shown(known Set) []*Event {
	var succeeded Set
	all := known.Events()
	for _, i := range all {
		succeeded = succeeded.And(s.Events[i].Past)
	}
	var out []*Event
	for _, i := range all {
		if e := s.Events[i]; !succeeded.Has(i) && e.stands() {
			out = append(out, e)
		}
	}
	return out
}

// Bases returns the versions that siblings come from: those that a node shows which knows what all their authors had seen, and nothing else.
func (s *Story[K]) Bases(siblings []replica.Version) []*Event {
	common, _ := s.pasts(siblings)
	return s.Shown(common)
}

// CheckBase checks a base of siblings, if there is one: all their authors had seen it, and nothing that succeeds it. Of a delete that some of them have
// seen since nothing is left, so that they may have seen what it removed.
func (s *Story[K]) CheckBase(siblings []replica.Version, base *replica.Ancestor) error {
	if base == nil || base.Dot.IsZero() && base.Lacks {
		return nil
	}
	common, all := s.pasts(siblings)
	e, ok := s.byDot[base.Dot]
	switch {
	case !ok || e.Deleted != base.Deleted || !common.Has(e.Index):
		return fmt.Errorf("%v: not all of %d siblings come from %v", s.ID, len(siblings), base.Dot)
	case !base.Lacks && !base.Deleted && e.Value != string(base.Value):
		return fmt.Errorf("%v: base %v has value %.12q, written was %.12q", s.ID, base.Dot, base.Value, e.Value)
	case slices.Contains(s.Shown(common), e):
		return nil
	}
	for _, i := range all.Without(e.Past).Events() {
		if !s.Events[i].stands() {
			return nil
		}
	}
	return fmt.Errorf("%v: siblings come from %s, not from %v", s.ID, Dots(s.Shown(common)), base.Dot)
}

// pasts returns the writes that all authors of siblings had seen, and those that any had.
func (s *Story[K]) pasts(siblings []replica.Version) (common, all Set) {
	for i, v := range siblings {
		e, ok := s.byDot[v.Dot]
		if !ok {
			return nil, nil
		}
		if all = all.And(e.Past); i == 0 {
			common = e.Past
		}
		common = common.Without(common.Without(e.Past))
	}
	return common, all
}

// Settled returns the writes that are lost or over: a node that knows what came after them need not know these.
func (s *Story[K]) Settled() Set {
	var out Set
	for i, e := range s.Events {
		if e.Lost || e.Over {
			out = out.With(i)
		}
	}
	return out
}

// ShowsUnseen reports whether a node that knows these writes shows one that is not in seen.
func (s *Story[K]) ShowsUnseen(known, seen Set) bool {
	return slices.ContainsFunc(s.Shown(known), func(e *Event) bool { return !seen.Has(e.Index) })
}

// Check compares the versions that a node shows with what it must show if it knows these writes, and nothing else.
func (s *Story[K]) Check(known Set, versions []replica.Version) error {
	return s.CheckExcusing(known, versions, func(*Event) bool { return false })
}

// CheckExcusing is Check where the writes that are excused may be missing.
func (s *Story[K]) CheckExcusing(known Set, versions []replica.Version, excused func(*Event) bool) error {
	want := s.Shown(known)
	missing := slices.Clone(want)
	for _, v := range versions {
		e, ok := s.byDot[v.Dot]
		at := slices.Index(missing, e)
		switch {
		case !ok:
			return fmt.Errorf("%v: version %v=%.12q was never written", s.ID, v.Dot, v.Value)
		case e.Value != string(v.Value), e.Deleted != v.Deleted:
			return fmt.Errorf("%v: version %v has value %.12q, deleted %v, written was %.12q, %v", s.ID, v.Dot, v.Value, v.Deleted, e.Value, e.Deleted)
		case at < 0:
			return fmt.Errorf("%v: version %v=%.12q is replaced, or not known here; expected %s", s.ID, v.Dot, v.Value, Dots(want))
		}
		missing = slices.Delete(missing, at, at+1)
	}
	if missing = slices.DeleteFunc(missing, excused); len(missing) > 0 {
		return fmt.Errorf("%v: %s are missing, there are %d versions", s.ID, Dots(missing), len(versions))
	}
	return nil
}

// Name names siblings of a key by their dots.
func Name(siblings []replica.Version) string {
	out := make([]string, len(siblings))
	for i, v := range siblings {
		out[i] = v.Dot.String()
	}
	return strings.Join(out, " ")
}

// Dots lists the dots of events, for messages.
func Dots(events []*Event) string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.Dot.String()
	}
	return "[" + strings.Join(out, " ") + "]"
}
