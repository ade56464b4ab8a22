package replica

import "errors"

// Errors of writes. Nothing was changed.
var (
	// ErrConflict refuses a conditional write: the key has versions that the given context does not cover.
	ErrConflict = errors.New("conflict: the key has versions that the given context has not seen")
	// ErrTooManySiblings refuses a write that would only add to a key that has too many siblings already.
	ErrTooManySiblings = errors.New("too many siblings: read the key and write with the context of that read")
	// ErrContextAhead refuses a context that names mutations of this very replica which it never made.
	ErrContextAhead = errors.New("context is ahead of the replica that it names")
)

// Errors of what arrives. Nothing was changed.
var (
	// ErrOwnActor says that a peer knows mutations of this replica's actor that this replica never made. That cannot be while actors are
	// unique: the caller must mint a new actor and raise an alarm.
	ErrOwnActor = errors.New("peer knows mutations of this actor that were never made here")
	// ErrStale says that a transfer cannot go on: the sender no longer knows which keys changed since it began, or the receiver has begun another.
	// What it brought stays; a new one continues from there.
	ErrStale = errors.New("transfer is out of date: begin again")
	// ErrMalformed says that bytes are not the encoding of a message, or that a message contradicts itself.
	ErrMalformed = errors.New("malformed replica message")
)
