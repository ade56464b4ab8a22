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
	EventHandlerDisabled EventKind = "handler disabled: restart intensity exceeded"
	EventRepaired        EventKind = "replica repaired"
	EventAlarm           EventKind = "alarm"
	EventNameTaken       EventKind = "name taken"
	EventClosed          EventKind = "incarnation closed"
	EventRetired         EventKind = "incarnation retired"
	EventRestored        EventKind = "mutations of a closed incarnation made again"
	EventError           EventKind = "error"
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
