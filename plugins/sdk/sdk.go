// Package sdk is what a conflict handler written in Go links. A whole handler:
//
//	package main
//
//	import "github.com/kvnode/kvnode/plugins/sdk"
//
//	func init() { sdk.Handle(newest) }
//
//	func newest(c sdk.Conflict) sdk.Verdict { return sdk.Pick(len(c.Versions) - 1) }
//
//	func main() {}
//
// It is built into a module with the plain Go toolchain:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o newest.wasm .
//
// A handler is a pure function of the Conflict: it reaches no file, network, environment, clock or randomness, and
// nothing that it stores survives the call. What it prints appears in the node's log. A panic is a trap: it restarts
// the node that merges, so a handler that merely cannot decide answers with Fail.
//
// The package compiles on every platform, so that a handler is tested with plain "go test": call it with NewConflict,
// or through Run.
package sdk

import (
	"bytes"
	"strconv"

	"github.com/kvnode/kvnode/plugins/abi"
)

// Version is one of the concurrent versions of a key. Its Value is valid during the call and must not be written to.
type Version = abi.Sibling

// Conflict is what a handler decides about.
type Conflict struct {
	// Key is the key of all versions; valid during the call.
	Key []byte
	// Versions are two or more, ascending by (Time, Origin) on every node: the last is the newest.
	Versions []Version
	// Base is the version that all of Versions overwrote, for three-way merges; nil when the node does not know it or the
	// key was new on all sides. Expect both.
	Base *Version
	// Now is the time of the newest version. There is no other clock.
	Now uint64
	// Seed is the same on every node for the same conflict: seed random decisions with it.
	Seed uint64
}

// Size is how many bytes the values of the versions and of the base have together. What a handler needs of its fuel grows with them: refuse what
// is too much with Fail, since running out of fuel is a trap.
func (c Conflict) Size() int {
	size := 0
	for _, v := range c.Versions {
		size += len(v.Value)
	}
	if c.Base != nil {
		size += len(c.Base.Value)
	}
	return size
}

// Handler decides one conflict. The same input must give the same verdict.
type Handler func(Conflict) Verdict

// Verdict is a handler's decision. Make one with Keep, Set, Delete, Pick or Fail; the zero Verdict is Keep.
type Verdict struct{ output abi.Output }

// Keep decides nothing: all versions stay, and readers see the newest and that there are others.
func Keep() Verdict { return Verdict{} }

// Set makes value what readers see. The node copies it when the handler returns.
func Set(value []byte) Verdict {
	return Verdict{abi.Output{Status: abi.StatusSet, Value: value}}
}

// Delete makes the key absent for readers.
func Delete() Verdict { return Verdict{abi.Output{Status: abi.StatusDelete}} }

// Pick makes Versions[index] what readers see. An index that does not exist is a trap.
func Pick(index int) Verdict {
	return Verdict{abi.Output{Status: abi.StatusPick, Index: index}}
}

// Fail says that the handler cannot decide, and why: all versions stay, people see the text. It is no trap. Texts
// are cut at 4 KiB.
func Fail(reason string) Verdict {
	return Verdict{abi.Output{Status: abi.StatusError, Value: []byte(reason)}}
}

// String says the verdict the way tests and people read it: "keep", "set "...", "delete", "pick 1", "fail "...".
func (v Verdict) String() string {
	switch v.output.Status {
	case abi.StatusKeep:
		return "keep"
	case abi.StatusSet:
		return "set " + strconv.Quote(string(v.output.Value))
	case abi.StatusDelete:
		return "delete"
	case abi.StatusPick:
		return "pick " + strconv.Itoa(v.output.Index)
	case abi.StatusError:
		return "fail " + strconv.Quote(string(v.output.Value))
	}
	return "status " + strconv.Itoa(int(v.output.Status))
}

// NewConflict makes a conflict for a test: the values, oldest first, each from another origin.
func NewConflict(key string, values ...string) Conflict {
	c := Conflict{Key: []byte(key), Now: uint64(len(values)), Seed: 1, Versions: make([]Version, len(values))}
	for i, v := range values {
		c.Versions[i] = Version{Value: []byte(v), Time: uint64(i + 1), Origin: uint64(i + 1)}
	}
	return c
}

// WithBase is c with the value that all versions overwrote, older than all of them, for a test.
func (c Conflict) WithBase(value string) Conflict {
	c.Base = &Version{Value: []byte(value)}
	return c
}

// Run calls h the way a node does, for a test: c travels through the frame that a module receives, and the verdict
// comes back through it. It returns an error for a verdict that a node would treat as a trap.
func Run(h Handler, c Conflict) (Verdict, error) {
	frame := abi.Frame{Key: c.Key, Versions: c.Versions, Base: c.Base, Now: c.Now, Seed: c.Seed}
	memory := make([]byte, frame.Size())
	frame.Encode(memory, 0)
	v, err := serve(h, memory, 0)
	if err != nil {
		return Verdict{}, err
	}
	at := uint32(len(memory))
	memory = append(memory, v.output.Value...)
	abi.EncodeOutput(memory, v.output, at)
	var out abi.Output
	if err := out.Decode(memory, 0, int32(v.output.Status), len(c.Versions)); err != nil {
		return Verdict{}, err
	}
	out.Value = bytes.Clone(out.Value)
	return Verdict{out}, nil
}

// serve decodes the frame in buf, which lies at addr, and asks h.
func serve(h Handler, buf []byte, addr uint32) (Verdict, error) {
	f, err := abi.Decode(buf, addr)
	if err != nil {
		return Verdict{}, err
	}
	if h == nil {
		return Fail("the module has no handler: call sdk.Handle in an init function"), nil
	}
	return h(Conflict{Key: f.Key, Versions: f.Versions, Base: f.Base, Now: f.Now, Seed: f.Seed}), nil
}
