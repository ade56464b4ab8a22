package abi

import (
	"errors"
	"strconv"
)

// ErrFrame refuses bytes that are no frame: too short, or with a pointer to somewhere outside.
var ErrFrame = errors.New("malformed frame")

// Errors about what a handler answered. Each is a violation of the contract.
var (
	// ErrStatus refuses a status that the contract does not have.
	ErrStatus = errors.New("unknown status")
	// ErrPointer refuses an output that does not lie within the guest's memory.
	ErrPointer = errors.New("output outside memory")
	// ErrIndex refuses a picked version that does not exist.
	ErrIndex = errors.New("picked version does not exist")
)

// detailed is a named error with a number that explains it. Package fmt would do the same, and add 700 KiB to a guest.
type detailed struct {
	err    error
	what   string
	number uint64
}

func (d *detailed) Error() string {
	return d.err.Error() + ": " + d.what + " " + strconv.FormatUint(d.number, 10)
}

func (d *detailed) Unwrap() error { return d.err }

func explain(err error, what string, number uint64) error {
	return &detailed{err: err, what: what, number: number}
}
