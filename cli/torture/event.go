package torture

import "fmt"

// place is one key of one table.
type place struct{ table, key string }

func (p place) String() string { return p.table + "/" + p.key }

// outcome is what a client was told of its write.
type outcome int

const (
	// pending: no answer yet.
	pending outcome = iota
	// refused: the answer promises that nothing was written.
	refused
	// written: it is applied at the node that answered; perhaps it was not acknowledged at its level.
	written
	// unknown: no answer came, or one that promises nothing.
	unknown
)

func (o outcome) String() string {
	return [...]string{"pending", "refused", "written", "unknown"}[o]
}

// event is one write of a client. Its fields belong to the history.
type event struct {
	id      string // the value that it put, or the name of a delete
	place   place
	deleted bool
	what    string // for people
	// seen are the writes of the key that the author knew of, and replaced. When it is not known what a write replaced, blind says so: it may be
	// every write that began before the answer.
	seen  []*event
	blind bool

	begun, ended int
	outcome      outcome
	acked        int // nodes that had it when it was acknowledged
	// shown says that somebody has seen it, buried that a checkpoint did not find it any more, doubted that its outcome is unknown and one checkpoint
	// has not found it.
	shown, buried, doubted bool
}

func (e *event) String() string {
	replaced := make([]string, len(e.seen))
	for i, s := range e.seen {
		replaced[i] = s.id
	}
	text := fmt.Sprintf("[%d-%d] %s: %s, at %d nodes, replaces %v", e.begun, e.ended, e.what, e.outcome, e.acked, replaced)
	if e.blind {
		text += " and perhaps others"
	}
	return text
}

// token is what a client read of a key.
type token struct {
	context string
	seen    []*event
	at      int
}
