package engine

import "log/slog"

// EventKind names what happened.
type EventKind string

// The kinds of events.
const (
	EventMemberUp        EventKind = "member up"
	EventMemberDown      EventKind = "member down"
	EventForgotten       EventKind = "member forgotten"
	EventReady           EventKind = "node ready"
	EventOptionsDiffer   EventKind = "table created with different options on two sides"
	EventTableDropped    EventKind = "table dropped"
	EventConflict        EventKind = "conflict"
	EventJudged          EventKind = "conflict judged"
	EventTrap            EventKind = "handler trapped"
	EventRestart         EventKind = "node restarts"
	EventHandlerActive   EventKind = "handler active"
	EventImpure          EventKind = "handler depends on earlier calls: what it said is computed anew, and it is reset between calls from now on"
	EventHandlerDisabled EventKind = "handler disabled: restart intensity exceeded"
	EventShadowed        EventKind = "shadow compared"
	EventHandlerStopped  EventKind = "handler disabled by hand"
	EventBehind          EventKind = "member does not keep up with the mutations: it takes what it misses by repair"
	EventRepaired        EventKind = "replica repaired"
	EventAlarm           EventKind = "alarm"
	EventNameTaken       EventKind = "name taken"
	EventClosed          EventKind = "incarnation closed"
	EventRetired         EventKind = "incarnation retired"
	EventRestored        EventKind = "mutations of a closed incarnation made again"
	EventError           EventKind = "error"
)

// What the self-audit finds, and what became of it.
const (
	// EventCorrupt says that a key's data are not those that were stored.
	EventCorrupt EventKind = "audit: stored data broke"
	// EventDiverged says that a member with an equal clock holds other data.
	EventDiverged EventKind = "audit: members hold different data under equal clocks"
	// EventMended says that a key has the right data again; Peer has them too, and the attribute "how" says why they are right.
	EventMended EventKind = "audit: data mended"
	// EventDisputed says that no majority held the same, and that all values of the key are siblings now.
	EventDisputed EventKind = "audit: no majority, the values are kept as siblings"
	// EventUnmended says, once, that no connected member has what was stored. It is tried again with every pass.
	EventUnmended EventKind = "audit: broken data that no member can mend"
)

// Event is something that an operator or a test may want to know.
type Event struct {
	Kind  EventKind
	Table string
	Key   string
	Peer  string
	Err   error
	// Attrs are further facts.
	Attrs []slog.Attr
}
