package engine

import (
	"errors"
	"fmt"

	"github.com/kvnode/kvnode/engine/replica"
)

// Errors about what was asked. The caller must change the request.
var (
	ErrBadTableName  = errors.New("bad table name: use 1 to 128 letters, digits, '-', '_' or '.', starting with a letter or digit")
	ErrBadOption     = errors.New("bad table option")
	ErrBadKey        = errors.New("bad key: a key has 1 to 1024 bytes")
	ErrValueTooLarge = errors.New("value too large: a value has at most 8 MiB; store larger things in parts")
	ErrBadPattern    = errors.New("bad pattern")
	ErrBadContext    = errors.New("bad context: use the token of a read of this very key, unchanged, or none")
	ErrBadModule     = errors.New("bad module")
	// ErrModuleTooLarge is an ErrBadModule.
	ErrModuleTooLarge = fmt.Errorf("%w: a module has at most 16 MiB; strip it of debug information, or leave libraries out", ErrBadModule)
	ErrBadResolution  = errors.New("bad resolution")
	ErrBadLimits      = errors.New("bad limits of a handler")
	// ErrBadCheck is about the report that comes with a module.
	ErrBadCheck = errors.New("bad check report: give the one that 'kvnode plugin check' has written for this very module, at most 16 KiB of JSON")
	// ErrBuiltinName refuses a module under the name of a handler that every node brings along.
	ErrBuiltinName   = errors.New("this name belongs to a built-in handler: install the module under another name, and give that to 'kvnode plugin activate'")
	ErrBadPluginName = errors.New("bad plugin name: use 1 to 128 letters, digits, '-', '_' or '.', starting with a letter or digit")
)

// Errors about what is there.
var (
	ErrNotFound    = errors.New("key not found")
	ErrNoTable     = errors.New("no such table: create it with 'kvnode table create'")
	ErrTableExists = errors.New("table exists with other options")
	ErrNoPlugin    = errors.New("no such plugin: install it with 'kvnode plugin install'")
	ErrNoHandler   = errors.New("the table has no handler: activate one with 'kvnode plugin activate'")
	// ErrAmbiguous refuses a name or a beginning of a SHA-256 that stands for several modules, where one is wanted.
	ErrAmbiguous = errors.New("this names several modules: give NAME@NUMBER as 'kvnode plugin ls' shows it")
	// ErrPluginInUse refuses to remove a module that judges a table, or is a table's shadow.
	ErrPluginInUse = errors.New("the module is in use: activate another one first, or end the shadow with 'kvnode plugin activate TABLE --shadow --off'")
	ErrNoShadow    = errors.New("the table has no shadow: start one with 'kvnode plugin activate TABLE PLUGIN --shadow'")
	// ErrNoEarlier refuses a way back where nothing was activated before, or nothing of it is installed any more.
	ErrNoEarlier  = errors.New("no earlier handler to go back to: activate one by its SHA-256 with 'kvnode plugin activate'")
	ErrNoConflict = errors.New("no such conflict: 'kvnode conflict ls' lists them")
	ErrNoMember   = errors.New("no such member: 'kvnode cluster members' lists them")
	// ErrMemberConnected refuses to forget a live member.
	ErrMemberConnected = errors.New("this member is connected: stop it first")
)

// Errors about other versions. The caller reads again and decides anew.
var (
	// ErrConflict refuses a conditional write: the key has versions that the given context has not seen.
	ErrConflict = replica.ErrConflict
	// ErrNotOpen refuses to resolve a conflict that is over: the key has other versions by now.
	ErrNotOpen = errors.New("the key has other versions by now than this conflict: 'kvnode conflict ls --open' lists what is open")
	// ErrTooManySiblings refuses a write that would only add to a key that has too many siblings already.
	ErrTooManySiblings = replica.ErrTooManySiblings
)

// Errors about the cluster's state. Nothing was applied unless the comment says so; trying again may help.
var (
	ErrNotReady = errors.New("node not ready: it is still catching up with its peers, try again")
	// ErrClosed means that the node has ended, or goes down for a restart.
	ErrClosed   = errors.New("node closed: try again when it has restarted, or at another node")
	ErrNoQuorum = errors.New("no quorum: too few members are reachable for this level; nothing was written")
	// ErrNotAcknowledged means that the write is applied here and may spread, but the asked number of nodes has not confirmed it in time. With
	// ErrClosed or a context's error in its chain, that is why nobody waited longer.
	ErrNotAcknowledged = errors.New("not acknowledged in time: written here, it may still spread")
	// ErrOverloaded ends a watch whose reader does not keep up, and refuses work beyond a bound.
	ErrOverloaded = errors.New("overloaded: try again later, or ask for less at once")
	// ErrNameTaken stops a node that joined a cluster in which another live node has its name.
	ErrNameTaken = errors.New("another live node has this name: start this one with another --name")
)
