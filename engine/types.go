package engine

import (
	"time"

	"github.com/kvnode/kvnode/clock"
)

// Limits of what a client may send.
const (
	MaxKeyBytes    = 1 << 10
	MaxValueBytes  = 8 << 20
	MaxModuleBytes = 16 << 20
	MaxBatch       = 10_000
	MaxBatchBytes  = 64 << 20
)

// TableType says how a table's keys are indexed.
type TableType string

// The table types.
const (
	// Set indexes keys by hash: fastest, no order.
	Set TableType = "set"
	// OrderedSet keeps keys in order: Match with a literal prefix is a range scan.
	OrderedSet TableType = "ordered_set"
)

// AckLevel says how many nodes have applied a write when it returns.
type AckLevel string

// The acknowledgement levels.
const (
	// AckLocal returns once this node has applied the write.
	AckLocal AckLevel = "local"
	// AckOne waits for one node besides this one.
	AckOne AckLevel = "one"
	// AckQuorum waits for a majority of the known members, this node included.
	AckQuorum AckLevel = "quorum"
	// AckAll waits for every connected member. A member that leaves meanwhile is not waited for.
	AckAll AckLevel = "all"
)

// Policy says what a reader sees of a conflict that no handler decides.
type Policy string

// The policies for tables without a handler.
const (
	// Keep shows the latest value and says that there are siblings.
	Keep Policy = "keep"
	// LWW shows the version with the latest stamp; where that is a delete, the key is absent.
	LWW Policy = "lww"
	// RestartNode is LWW, and the merging node restarts once for each conflict.
	RestartNode Policy = "restart"
)

// Deletes says what becomes of a delete that a concurrent put has not seen, nor it the put.
type Deletes string

// What becomes of deletes.
const (
	// HiddenDeletes lets the put win unseen.
	HiddenDeletes Deletes = "hidden"
	// VisibleDeletes keeps the delete as a version without a value beside the put, so that the handler decides.
	VisibleDeletes Deletes = "visible"
)

// TableOptions are fixed when a table is created. Zero fields mean the defaults: set, all, keep, hidden, the table's own name.
type TableOptions struct {
	Type       TableType `json:"type"`
	Ack        AckLevel  `json:"ack"`
	Unresolved Policy    `json:"unresolved"`
	Deletes    Deletes   `json:"deletes"`
	// Handler is the plugin that judges this table's conflicts: a built-in one, or one that is installed, now or later. A name that is misspelt is no error:
	// TableInfo.Active is nil until a module of that name is there, and meanwhile Unresolved decides.
	Handler string `json:"handler"`
	// Local tables are not replicated.
	Local bool `json:"local"`
}

// TableInfo describes one table at this node.
type TableInfo struct {
	Name      string       `json:"name"`
	Epoch     uint64       `json:"epoch"`
	Options   TableOptions `json:"options"`
	Keys      int          `json:"keys"`
	Bytes     int64        `json:"bytes"`
	Conflicts int          `json:"conflicts"`
	// Unstable counts the mutations that some known member has not confirmed yet.
	Unstable int `json:"unstable"`
	// Active is the handler record in force, nil when no handler is installed.
	Active *Handler `json:"active,omitempty"`
	// Earlier are the records before it whose modules are installed, the latest last; a bounded number of them. Rollback goes back to them.
	Earlier []Handler `json:"earlier,omitempty"`
	// Shadow is the handler that runs beside it without effect, nil when there is none.
	Shadow *Handler `json:"shadow,omitempty"`
	// RejectedOptions are what another node asked for when both sides of a split created the table.
	RejectedOptions []TableOptions `json:"rejected_options,omitempty"`
}

// Handler is one handler record: what exactly runs for a table's conflicts.
type Handler struct {
	Plugin string `json:"plugin"`
	// SHA256 identifies the module, in hex.
	SHA256 string `json:"sha256"`
	// Number counts the modules of the plugin's name, for people; 0 when the module is not installed any more.
	Number int `json:"number,omitempty"`
	// Epoch orders records: the highest is in force.
	Epoch    uint64    `json:"epoch"`
	Time     time.Time `json:"time"`
	Limits   Limits    `json:"limits"`
	Rewriter int       `json:"rewriter"`
	// Disabled says that the restart intensity of this module was exceeded, or that it was disabled by hand; siblings are shown instead.
	Disabled bool `json:"disabled,omitempty"`
	// Reason says why it is disabled.
	Reason string `json:"reason,omitempty"`
}

// Limits bound a handler. Zero fields mean the host's defaults.
type Limits struct {
	MemoryBytes uint64 `json:"memory_bytes,omitempty"`
	Fuel        uint64 `json:"fuel,omitempty"`
	OutputBytes uint64 `json:"output_bytes,omitempty"`
	// Reset says what a call may find of the calls before it; empty means ResetStrict.
	Reset Reset `json:"reset,omitempty"`
}

// Reset says what a handler's call may find of the calls before it.
type Reset string

const (
	// ResetStrict shows nothing of them: the handler is put back into the state after its initialisation when a call is over.
	ResetStrict Reset = "strict"
	// ResetNone shows what they left, which saves microseconds, for handlers that do not depend on it. One that is found to do so raises
	// EventImpure, and is reset at that node from then on.
	ResetNone Reset = "none"
)

// State says how an entry's value came about.
type State string

// The states of an entry.
const (
	// Single: one value, no conflict.
	Single State = "single"
	// Resolved: siblings exist, and the handler or the policy decided.
	Resolved State = "resolved"
	// Kept: siblings exist, nobody decided; Value is the latest.
	Kept State = "kept"
	// Failed: the handler answered with an error; Value is the latest.
	Failed State = "failed"
	// Quarantined: the handler trapped on exactly these siblings; Value is the latest.
	Quarantined State = "quarantined"
	// Disabled: the handler is out of service, by hand or because it trapped too often; Value is the latest.
	Disabled State = "disabled"
	// Unavailable: the handler cannot run here now, it is tried again; Value is the latest.
	Unavailable State = "unavailable"
	// Pending: siblings exist, and this node has not judged them yet. Only in the journal, as are those that follow.
	Pending State = "pending"
	// ByHand: the conflict is over, somebody has resolved it.
	ByHand State = "by_hand"
	// Settled: the conflict is over, somebody has made what readers saw the only version.
	Settled State = "settled"
	// Overwritten: the conflict is over, because of another write or the end of its table. So are, for a node, resolutions that it was not told of.
	Overwritten State = "overwritten"
)

// Version is one sibling of a key.
type Version struct {
	Value []byte          `json:"value"`
	Stamp clock.Timestamp `json:"stamp"`
	Time  time.Time       `json:"time"`
	Actor clock.Actor     `json:"actor"`
	Dot   string          `json:"dot"`
	// Deleted says that this version is a delete; it has no value then.
	Deleted bool `json:"deleted,omitempty"`
}

// Entry is what a reader sees of a key. The byte slices belong to the store and must not be changed.
type Entry struct {
	Key   string
	Value []byte
	// Deleted says that siblings exist and the handler, or the policy, decided that the key goes: readers see it as absent.
	Deleted bool
	State   State
	// Siblings are the concurrent versions in canonical order; one when there is no conflict.
	Siblings []Version
	// Context is the opaque token of what this read has seen, for WithContext and IfUnchanged.
	Context string
	// Reason says why the handler's verdict is missing: its own error text, or the trap.
	Reason string
}

// KV is a key with its new value.
type KV struct {
	Key   string
	Value []byte
}

// Written is the outcome of a write.
type Written struct {
	// Previous are the entries that the write replaced, in the order of the keys; a key that was absent has an entry without siblings.
	Previous []Entry
	// Contexts are the keys' contexts after the write, in the order of the keys.
	Contexts []string
	// Acked counts the nodes, this one included, that had applied the write when it returned.
	Acked int
}

// Change is one step of a watched key: its newest state, not every state in between.
type Change struct {
	Table string
	Entry Entry
	// Deleted says that the key is absent now.
	Deleted bool
}

// Pattern selects entries. Key is a glob, all keys when empty ('*', '?', '[a-z]', '\' quotes). Value, when not empty, is a glob too, or a partial JSON value when
// it begins with '{' or '[': the string "_" in it matches anything.
type Pattern struct {
	Key   string
	Value string
}

// Conflict is one entry of the journal.
type Conflict struct {
	// ID is the same on every node: it names table, key and siblings.
	ID       string    `json:"id"`
	Table    string    `json:"table"`
	Key      string    `json:"key"`
	Versions []Version `json:"versions"`
	// Base is the version that all of these have overwritten; nil when there is none or it is not known.
	Base *Version `json:"base,omitempty"`
	// State says what readers see of it while it is open, and then how it ended.
	State State `json:"state"`
	// Verdict is value, delete, keep, error, trap, policy, or empty when this node knows of none, or of none by the handler in force.
	Verdict string `json:"verdict"`
	Value   []byte `json:"value,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Recorded is the verdict that this node has on record, where State, Verdict, Value and Reason tell of an open conflict that the handler which gave it is
	// disabled, is not in force any more, or cannot run now; else nil.
	Recorded *Outcome `json:"recorded,omitempty"`
	// Plugin and SHA256 name the module that judged it.
	Plugin string `json:"plugin,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	Fuel   uint64 `json:"fuel,omitempty"`
	// Took is how long the handler ran at the node that this one knows the verdict of.
	Took time.Duration `json:"took_ns,omitempty"`
	// Merger is the node that had to run the handler for it, as far as this node knows.
	Merger string `json:"merger,omitempty"`
	// Restarted is the node that restarted because of it.
	Restarted string    `json:"restarted,omitempty"`
	Time      time.Time `json:"time"`
	// Open says whether the key still has exactly these siblings.
	Open bool `json:"open"`
	// end is how it ended, where this node knows of it.
	end State
}

// Member is one known node of the cluster.
type Member struct {
	Name        string      `json:"name"`
	Incarnation clock.Actor `json:"incarnation"`
	HTTP        string      `json:"http"`
	Route       string      `json:"route"`
	Self        bool        `json:"self"`
	Connected   bool        `json:"connected"`
	Ready       bool        `json:"ready"`
	Restarts    int         `json:"restarts"`
	Uptime      string      `json:"uptime,omitempty"`
}

// Status describes this node.
type Status struct {
	Name     string        `json:"name"`
	Cluster  string        `json:"cluster"`
	Actor    clock.Actor   `json:"actor"`
	Ready    bool          `json:"ready"`
	Uptime   time.Duration `json:"uptime_ns"`
	Restarts int           `json:"restarts"`
	Members  []Member      `json:"members"`
	Tables   int           `json:"tables"`
	Keys     int           `json:"keys"`
	// Conflicts counts keys with siblings.
	Conflicts int `json:"conflicts"`
	// Incarnations is the number of incarnations, dead ones included, that the longest of the replicas' clocks names, and ClockBytes its size.
	Incarnations int `json:"incarnations"`
	ClockBytes   int `json:"clock_bytes"`
	// Findings counts what the self-audit has found at this incarnation: keys whose data broke, and partitions that differ from a peer's.
	Findings int64 `json:"findings"`
	// Digest is equal on two nodes when they know the same mutations of all tables.
	Digest string `json:"digest"`
}
