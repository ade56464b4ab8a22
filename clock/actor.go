package clock

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"unique"
)

// ActorSize is the number of bytes of an actor on the wire.
const ActorSize = 16

// Actor is one incarnation of one node: 128 random bits, minted at every start and never used again. It is interned, so that a copy costs
// one word and comparing two is comparing two pointers. Actors may be compared with == and may be keys of maps. The zero Actor is no actor.
type Actor struct {
	h unique.Handle[[ActorSize]byte]
}

// ActorFrom returns the actor with the given bytes. Sixteen zero bytes give the zero Actor.
func ActorFrom(b [ActorSize]byte) Actor {
	if b == ([ActorSize]byte{}) {
		return Actor{}
	}
	return Actor{h: unique.Make(b)}
}

// NewActor mints an actor from 16 bytes of rand, which must be a source of good randomness outside of tests.
func NewActor(rand io.Reader) (Actor, error) {
	var b [ActorSize]byte
	for b == ([ActorSize]byte{}) {
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return Actor{}, fmt.Errorf("mint actor: %w", err)
		}
	}
	return ActorFrom(b), nil
}

// ParseActor reads what String wrote: 32 hexadecimal digits. Anything else is ErrBadActor.
func ParseActor(s string) (Actor, error) {
	var b [ActorSize]byte
	if len(s) != hex.EncodedLen(ActorSize) {
		return Actor{}, fmt.Errorf("parse actor of %d characters: %w", len(s), ErrBadActor)
	}
	if _, err := hex.Decode(b[:], []byte(s)); err != nil {
		return Actor{}, fmt.Errorf("parse actor: %w", ErrBadActor)
	}
	return ActorFrom(b), nil
}

// Bytes returns the 16 bytes of the actor, all zero for the zero Actor.
func (a Actor) Bytes() [ActorSize]byte {
	if a.IsZero() {
		return [ActorSize]byte{}
	}
	return a.h.Value()
}

// IsZero reports whether a is no actor.
func (a Actor) IsZero() bool {
	return a == Actor{}
}

// Origin returns the first eight bytes as a big-endian number: a short name that is almost surely unique in a cluster.
func (a Actor) Origin() uint64 {
	b := a.Bytes()
	return binary.BigEndian.Uint64(b[:])
}

// String returns the actor as 32 hexadecimal digits.
func (a Actor) String() string {
	b := a.Bytes()
	return hex.EncodeToString(b[:])
}

// Short returns the first 8 hexadecimal digits, for people.
func (a Actor) Short() string {
	b := a.Bytes()
	return hex.EncodeToString(b[:4])
}

// Compare orders actors by their bytes: -1 when a is before b, 0 when they are the same, +1 otherwise.
func (a Actor) Compare(b Actor) int {
	if a == b {
		return 0
	}
	x, y := a.Bytes(), b.Bytes()
	return bytes.Compare(x[:], y[:])
}

// MarshalBinary returns the 16 bytes of the actor.
func (a Actor) MarshalBinary() ([]byte, error) {
	b := a.Bytes()
	return b[:], nil
}

// UnmarshalBinary reads the 16 bytes of an actor. Another length is ErrBadActor.
func (a *Actor) UnmarshalBinary(data []byte) error {
	if len(data) != ActorSize {
		return fmt.Errorf("read actor of %d bytes: %w", len(data), ErrBadActor)
	}
	*a = ActorFrom([ActorSize]byte(data))
	return nil
}

// MarshalText returns what String returns.
func (a Actor) MarshalText() ([]byte, error) {
	return []byte(a.String()), nil
}

// UnmarshalText reads what MarshalText wrote, or ErrBadActor.
func (a *Actor) UnmarshalText(text []byte) error {
	parsed, err := ParseActor(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}
