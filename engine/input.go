package engine

import (
	"time"

	"github.com/kvnode/kvnode/engine/replica"
)

// Input is an event for the state machine.
type Input interface{ apply(c *Core) }

// Tick lets time pass. The shell sends one about every TickInterval.
type Tick struct{}

// TickInterval is the pause between ticks.
const TickInterval = 50 * time.Millisecond

// Arrived is a payload from the network.
type Arrived struct {
	From    string
	Payload []byte
}

// Flush says that local writes wait to be sent.
type Flush struct{}

// Lost says that the network may have lost something: repair at once.
type Lost struct{}

// Leave announces an orderly end.
type Leave struct{}

// await registers a writer that waits for acknowledgements.
type await struct{ w *waiter }

// noticed says that a local write made siblings.
type noticed struct {
	t   *table
	key string
}

// judged is the outcome of a Judge effect, or of a reader's run that trapped.
type judged struct {
	job    Job
	view   view
	err    error
	reader bool
}

// shadowed is the outcome of a ShadowConflict effect; live is what readers saw when it began.
type shadowed struct {
	job  Job
	live view
	view view
	err  error
}

// ended says how conflicts have ended here.
type ended struct{ told endedFrame }

func (Tick) apply(c *Core)      { c.tick() }
func (Flush) apply(*Core)       {}
func (Lost) apply(c *Core)      { c.syncSoon() }
func (Leave) apply(c *Core)     { c.sayBye() }
func (e Arrived) apply(c *Core) { c.receive(e) }
func (e await) apply(c *Core)   { c.await(e.w) }
func (e noticed) apply(c *Core) { c.noticeConflict(e.t, e.key) }
func (e judged) apply(c *Core)  { c.onJudged(e) }

func (e shadowed) apply(c *Core) { c.onShadowed(e) }
func (e ended) apply(c *Core)    { c.broadcast(c.codec.frame(frameEnded, e.told)) }

// Effect is something that the shell has to do.
type Effect interface{ effect() }

// Transmit sends a payload, to one node, or to all when To is empty.
type Transmit struct {
	To      string
	Lane    int
	Payload []byte
}

// JudgeConflict runs a handler; the outcome comes back as an input.
type JudgeConflict struct{ Job Job }

// ShadowConflict runs a shadow on a conflict; the outcome comes back as an input.
type ShadowConflict struct {
	Job  Job
	live view
}

// PrepareHandlers loads the modules that are in force and closes others.
type PrepareHandlers struct{}

// SetRoutes passes the known members' addresses to the network.
type SetRoutes struct{ Addrs []string }

// Restart ends this incarnation. Exit asks for the end of the process instead.
type Restart struct {
	Reason string
	Exit   bool
}

// Stop ends the node for good.
type Stop struct{ Err error }

func (Transmit) effect()        {}
func (JudgeConflict) effect()   {}
func (ShadowConflict) effect()  {}
func (PrepareHandlers) effect() {}
func (SetRoutes) effect()       {}
func (Restart) effect()         {}
func (Stop) effect()            {}

// Job is one run of a handler: exactly this record on exactly these siblings.
type Job struct {
	t        *table
	key      string
	versions []replica.Version // canonical order
	siblings string
	base     *replica.Ancestor // that all siblings overwrote, or nil
	handler  handlerRecord
	record   string
	isShadow bool
}
