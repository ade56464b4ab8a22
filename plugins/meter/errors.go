package meter

import (
	"errors"
	"fmt"
)

// Errors of [Inspect] and [Rewrite] that say what kind of file this is.
var (
	// ErrNotWasm means that the bytes are no WebAssembly binary at all.
	ErrNotWasm = errors.New("not a WebAssembly module")
	// ErrComponent means a WebAssembly component (layer 1) where a core module is needed.
	ErrComponent = errors.New("a WebAssembly component, not a core module; build a core module (wasm32, reactor)")
	// ErrMalformed means a core module that breaks the binary format; the message names the offset.
	ErrMalformed = errors.New("malformed WebAssembly module")
)

// Errors of [Inspect] and [Rewrite] about a well-formed module that is refused.
var (
	// ErrFeature means that the module uses a feature that is not supported; the message names it.
	ErrFeature = errors.New("unsupported WebAssembly feature")
	// ErrReserved means that the module exports a name that is reserved for the meter.
	ErrReserved = errors.New("reserved export name")
	// ErrLimit means that the module declares more than a runtime can be asked to prepare; the message names what.
	ErrLimit = errors.New("over the limit")
	// ErrConfig means a [Config] field out of range; the message names it.
	ErrConfig = errors.New("invalid meter configuration")
)

func malformed(offset int, what string) error {
	return fmt.Errorf("%w: %s at offset %d", ErrMalformed, what, offset)
}

func unsupported(offset int, feature string) error {
	return fmt.Errorf("%w: %s at offset %d", ErrFeature, feature, offset)
}

func overLimit(what string, n, limit uint64) error {
	return fmt.Errorf("%w: %d %s, at most %d", ErrLimit, n, what, limit)
}

func reserved(name string) error { return fmt.Errorf("%w: %q", ErrReserved, name) }

func configError(what string) error { return fmt.Errorf("%w: %s", ErrConfig, what) }
