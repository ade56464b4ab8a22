// Package builtin names the handlers that every node brings along. They are modules like any other, from plugins/examples and the SDKs there: they
// run through the same contract, with the same metering, and are installed, replicated and replaced like any other.
package builtin

import (
	"slices"

	"github.com/kvnode/kvnode/plugins/examples"
)

// Handler is one of them.
type Handler struct {
	// Name is what tables call it.
	Name string
	// About says what it decides, and of what values, in one line.
	About string
	// Fuel is what a call may use, 0 for the default.
	Fuel uint64

	module func() []byte
}

// Module returns its WebAssembly module. The caller owns the bytes.
func (h Handler) Module() []byte { return h.module() }

// All lists the handlers in the order of their names.
func All() []Handler {
	return []Handler{
		{"counter", "a line `NAME PLUS MINUS` for each client that counts; the larger of each number stays", 0, examples.PNCounter},
		{"json-merge", "JSON documents, merged field by field against the version that all sides overwrote", 100_000_000, examples.Document},
		{"lww", "the newest version wins, also when it is a delete", 0, examples.Newest},
		{"max", "the greatest decimal number wins", 0, examples.Max},
		{"set-union", "the distinct lines of all versions, sorted", 0, examples.Union},
	}
}

// Find returns the handler of that name, if there is one.
func Find(name string) (Handler, bool) {
	all := All()
	i := slices.IndexFunc(all, func(h Handler) bool { return h.Name == name })
	if i < 0 {
		return Handler{}, false
	}
	return all[i], true
}
