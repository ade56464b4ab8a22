package engine

import (
	"context"

	"github.com/kvnode/kvnode/engine/replica"
)

// Lanes of the network. A sender's payloads arrive in order within a lane; lanes do not wait for each other.
const (
	// LaneFast carries mutations and everything small.
	LaneFast = 0
	// LaneBulk carries repair transfers.
	LaneBulk = 1
)

// Peers is the network as the engine needs it: at most once, in order per sender and lane. Node IDs are the actors' hexadecimal form.
type Peers interface {
	// Broadcast sends to all other nodes. The payload belongs to the callee.
	Broadcast(lane int, payload []byte) error
	// Send sends to one node. The payload belongs to the callee.
	Send(to string, lane int, payload []byte) error
	// Listen sets the receiver, once, before anything arrives. The payload belongs to the receiver.
	Listen(receive func(from string, lane int, payload []byte))
	// SetRoutes tells the addresses of all known members.
	SetRoutes(addrs []string) error
}

// Resolver turns a module's bytes into something that judges conflicts. It must be safe for concurrent use.
type Resolver interface {
	// Check says what a module is, or refuses one that cannot be a handler; the error wraps ErrBadModule.
	Check(ctx context.Context, module []byte, l Limits) (ModuleInfo, error)
	// Load compiles a module.
	Load(ctx context.Context, module []byte, l Limits) (Judge, error)
	// Defaults are the limits that hold where a field is zero.
	Defaults() Limits
	// Rewriter is the version of the metering rewriter, part of a handler's identity.
	Rewriter() int
}

// ModuleInfo is what a resolver knows of a module's bytes.
type ModuleInfo struct {
	// Imports are the functions of the host that it uses, as "module.name".
	Imports []string
}

// Judge is one loaded module. It must be safe for concurrent use, and a pure function of its input.
type Judge interface {
	// Judge decides a conflict of two or more versions in canonical order. Base is the version that all of them have overwritten, nil when there is none
	// or it is not known: equal versions come with equal bases. A trap is a *Trap; any other error means that this host could not run the handler now,
	// which is neither verdict nor trap.
	Judge(ctx context.Context, key string, versions []replica.Version, base *replica.Version) (Verdict, error)
	// Close frees it. Calls under way end first.
	Close() error
}

// Doubter is a Judge that may find out that its module is no pure function of the input.
type Doubter interface {
	// Doubt returns why, and nil while there is no reason. Verdicts of calls that began while it was nil may be wrong; later ones are right.
	Doubt() error
}

// VerdictKind is what a handler decided.
type VerdictKind string

// The kinds of verdicts.
const (
	VerdictValue  VerdictKind = "value"
	VerdictDelete VerdictKind = "delete"
	VerdictKeep   VerdictKind = "keep"
	VerdictError  VerdictKind = "error"
)

// Verdict is a handler's decision.
type Verdict struct {
	Kind   VerdictKind
	Value  []byte
	Reason string
	Fuel   uint64
}

// Trap says that a handler broke the rules: out of bounds, unreachable, stack or fuel exhausted, malformed verdict.
type Trap struct {
	Reason string
	Fuel   uint64
}

// Error implements error.
func (t *Trap) Error() string { return "handler trapped: " + t.Reason }
