package replica

import "github.com/kvnode/kvnode/clock"

// Witness records that the member has every mutation of c. Member is an incarnation: nothing that one was known to have says anything of the
// next of the same node. It must be the whole clock that the member had at some moment.
func (r *Replica) Witness(member clock.Actor, c clock.Clock) {
	if member != r.self {
		r.mark(member).Join(c)
		r.see(member, c)
	}
}

// WitnessDots records that the member has the mutations.
func (r *Replica) WitnessDots(member clock.Actor, dots []clock.Dot) {
	if member == r.self {
		return
	}
	mark := r.mark(member)
	for _, d := range dots {
		mark.Add(d)
	}
}

// Knows reports whether the member is known to have the mutation d. Every member has the zero Dot; this replica has what its clock says.
func (r *Replica) Knows(member clock.Actor, d clock.Dot) bool {
	switch mark := r.marks[member]; {
	case d.IsZero():
		return true
	case member == r.self:
		return r.clock.Has(d)
	default:
		return mark != nil && mark.Has(d)
	}
}

// Covers reports whether the member is known to have every mutation of c.
func (r *Replica) Covers(member clock.Actor, c clock.Clock) bool {
	if member == r.self {
		return r.clock.Covers(c)
	}
	mark := r.marks[member]
	if mark == nil {
		mark = &clock.Clock{}
	}
	return mark.Covers(c)
}

// ForgetMember forgets what the member is known to have.
func (r *Replica) ForgetMember(member clock.Actor) {
	delete(r.marks, member)
	delete(r.sights, member)
}

// Collect drops from the log the mutations that all known members have, this one included whether it is named or not, and returns their number.
// While nothing is known of one member, nothing is dropped. It costs the number of actors and of what is dropped.
func (r *Replica) Collect(known []clock.Actor) int {
	r.know(known)
	marks := make([]*clock.Clock, 0, len(known))
	for _, member := range known {
		if member == r.self {
			continue
		}
		mark := r.marks[member]
		if mark == nil {
			return 0
		}
		marks = append(marks, mark)
	}
	dropped := 0
	for a := range r.dots.actors {
		for _, iv := range r.everywhere(a, marks).Intervals() {
			dropped += r.dots.drop(a, iv)
		}
	}
	return dropped
}

// everywhere returns the mutations of a that this replica and all marks have.
func (r *Replica) everywhere(a clock.Actor, marks []*clock.Clock) clock.Entry {
	e := r.clock.Entry(a)
	for _, mark := range marks {
		e = e.Intersect(mark.Entry(a))
	}
	return e
}

func (r *Replica) mark(member clock.Actor) *clock.Clock {
	if r.marks[member] == nil {
		r.marks[member] = &clock.Clock{}
	}
	return r.marks[member]
}
