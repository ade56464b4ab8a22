package kvnode

import "github.com/kvnode/kvnode/engine"

// The engine's types, named here so that programs which embed a node need one import.
type (
	// Entry is what a reader sees of a key.
	Entry = engine.Entry
	// Version is one sibling of a key.
	Version = engine.Version
	// State says how an entry's value came about.
	State = engine.State
	// KV is a key with its new value.
	KV = engine.KV
	// Pattern selects entries.
	Pattern = engine.Pattern
	// Change is one step of a watched key.
	Change = engine.Change
	// Written is the outcome of a write.
	Written = engine.Written
	// WriteOption changes one write.
	WriteOption = engine.WriteOption
	// TableOptions are fixed when a table is created.
	TableOptions = engine.TableOptions
	// Deletes says what becomes of a delete that a concurrent put has not seen, nor it the put.
	Deletes = engine.Deletes
	// TableInfo describes one table at this node.
	TableInfo = engine.TableInfo
	// Handler is what runs for a table's conflicts.
	Handler = engine.Handler
	// Limits bound a handler.
	Limits = engine.Limits
	// Reset says what a handler's call may find of the calls before it.
	Reset = engine.Reset
	// PluginInfo describes one installed module.
	PluginInfo = engine.PluginInfo
	// Conflict is one entry of the journal.
	Conflict = engine.Conflict
	// ReplayQuery chooses recorded conflicts, and what is to judge them.
	ReplayQuery = engine.ReplayQuery
	// Replayed is what a module makes of a recorded conflict.
	Replayed = engine.Replayed
	// LogLine is something that a handler has printed, or why it trapped.
	LogLine = engine.LogLine
	// Resolution is how somebody ends a conflict by hand.
	Resolution = engine.Resolution
	// Settlement counts what became of keys that were to be settled.
	Settlement = engine.Settlement
	// Member is one known node of the cluster.
	Member = engine.Member
	// Status describes one node.
	Status = engine.Status
	// Event is something that an operator may want to know.
	Event = engine.Event
	// EventKind names what happened.
	EventKind = engine.EventKind
)

// The states of an entry.
const (
	Single      = engine.Single
	Resolved    = engine.Resolved
	Kept        = engine.Kept
	Failed      = engine.Failed
	Quarantined = engine.Quarantined
	Disabled    = engine.Disabled
	Unavailable = engine.Unavailable
	Pending     = engine.Pending
	ByHand      = engine.ByHand
	Settled     = engine.Settled
	Overwritten = engine.Overwritten
)

// What becomes of deletes.
const (
	HiddenDeletes  = engine.HiddenDeletes
	VisibleDeletes = engine.VisibleDeletes
)

// What a handler's call may find of the calls before it.
const (
	ResetStrict = engine.ResetStrict
	ResetNone   = engine.ResetNone
)

// The events that say what became of a conflict.
const (
	EventConflict = engine.EventConflict
	EventJudged   = engine.EventJudged
	EventTrap     = engine.EventTrap
	EventRestart  = engine.EventRestart
)

// WithContext makes a write replace only what the read that returned the token has seen; see [engine.WithContext].
func WithContext(token string) WriteOption { return engine.WithContext(token) }

// IfUnchanged makes a write conditional; see [engine.IfUnchanged].
func IfUnchanged(token string) WriteOption { return engine.IfUnchanged(token) }

// OfTable chooses the conflicts of one table; see [engine.OfTable].
func OfTable(name string) engine.JournalOption { return engine.OfTable(name) }

// OnlyOpen chooses the conflicts that are not over; see [engine.OnlyOpen].
func OnlyOpen() engine.JournalOption { return engine.OnlyOpen() }

// AtMost chooses the newest n conflicts; see [engine.AtMost].
func AtMost(n int) engine.JournalOption { return engine.AtMost(n) }

// WithCheck lets a check report come along with a module; see [engine.WithCheck].
func WithCheck(report []byte) engine.InstallOption { return engine.WithCheck(report) }

// ReadCheck reads the summary of a check report, or says what is wrong with it; see [engine.ReadCheck].
func ReadCheck(report []byte, sha256 string) (engine.CheckSummary, error) {
	return engine.ReadCheck(report, sha256)
}

// WithAck overrides the table's acknowledgement level; see [engine.WithAck].
func WithAck(level engine.AckLevel) WriteOption { return engine.WithAck(level) }
