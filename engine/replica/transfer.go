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

	spans []span     // whose parts are to be compared
	held  []heldDots // what the receiver has of some keys
}

// heldDots is the versions of a key that the receiver has, sorted.
type heldDots struct {
	key  string
	dots []clock.Dot
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

	// Sums are, in StageCompare, those of the parts of the question's spans in order; with Clock it is the one of everything, or none.
	Sums []uint64
	// Gone says for each version that the question names, in order, whether the sender has removed it.
	Gone []bool
	// Owes is true when the sums or Gone tell of mutations that the receiver must still ask for.
	Owes bool

	out  *packer
	seen map[string]struct{} // keys of the log that this answer has dealt with
}
