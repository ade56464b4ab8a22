package clock

import "errors"

var (
	// ErrBadActor says that a text or a byte string does not name an actor.
	ErrBadActor = errors.New("bad actor: an actor is 16 bytes or 32 hexadecimal digits")
	// ErrBadClock says that bytes are not the canonical encoding of a clock.
	ErrBadClock = errors.New("bad clock encoding")
)
