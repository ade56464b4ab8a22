package replica

import "github.com/kvnode/kvnode/clock"

// Stage is how far a transfer is.
type Stage byte

// The stages of a transfer, in their order. One of what is missing ends after the first.
const (
	// StageLog brings the keys of the mutations in the sender's log that the receiver lacks.
	StageLog Stage = iota
	// StageWalk goes through all keys by place and brings those that have a version which the receiver has not seen.
	StageWalk
	// StageCompare finds, by spans of places whose sums differ, the versions of the receiver that the sender had and removed.
	StageCompare
	// StageDone says that there is nothing more to ask.
	StageDone
)

// Question is the receiver's next step of a transfer.
type Question struct {
	Stage Stage
	// Dot is where StageLog goes on: the first mutation that was not looked at; the zero Dot at the beginning.
	Dot clock.Dot
	// Place is where StageWalk goes on.
	Place uint64
	// Beyond is, in StageCompare, the mutations that the receiver has and Plan.Clock lacks.
	Beyond clock.Clock

	items []item
}

// item is one thing to compare: a span with the sums of its quarters, or the versions that the receiver has in it.
type item struct {
	span span
	sums [spanFan]uint64
	held []heldVersion // nil for sums
}

// Spans are compared by their quarters: fewer make more round trips, more make more bytes for a lone difference.
const (
	spanFan  = 4
	spanBits = 2
)

// heldVersion is a version by the place of its key and its dot.
type heldVersion struct {
	place uint64
	dot   clock.Dot
}

// numVerdicts returns how many answers the item wants.
func (i item) numVerdicts() int {
	if i.held != nil {
		return len(i.held)
	}
	return spanFan
}

// Answer is the sender's part of a step. The receiver takes it with Replica.Take.
type Answer struct {
	// Delta is the objects that travel.
	Delta Delta
	// Stage, Dot and Place are where the transfer goes on.
	Stage Stage
	Dot   clock.Dot
	Place uint64
	// Clock is Plan.Clock, given once with the step to StageCompare.
	Clock *clock.Clock

	// Verdicts says in StageCompare, for each quarter and each version of the question's items in order, whether it differs; nil while more
	// objects must travel before the question can be answered.
	Verdicts []bool

	out  *packer
	seen map[string]struct{} // keys of the log that this answer has dealt with
}
