// Package builtin names the handlers that every node brings along. They are modules like any other, from plugins/examples and the SDKs there: they
// run through the same contract, with the same metering, and are installed, replicated and replaced like any other.
package builtin

import (
	"embed"
	"slices"

	"github.com/kvnode/kvnode/plugins/examples"
)

// reports has a check report for each of them, which the test of this package makes: go test ./plugins/builtin -rewrite.
//
//go:embed reports/*.check.json
var reports embed.FS

// Handler is one of them.
type Handler struct {
	// Name is what tables call it.
	Name string
	// About says what it decides, and of what values, in one line.
	About string
	// Example is the folder of plugins/examples that has its source.
	Example string
	// Fuel is what a call may use, 0 for the default.
	Fuel uint64

	module func() []byte
}

// Module returns its WebAssembly module. The caller owns the bytes.
func (h Handler) Module() []byte { return h.module() }

// Report returns what `kvnode plugin check` has found of the module with its Fuel and the fixtures of its example: a check.Report in JSON. The
// caller owns the bytes.
func (h Handler) Report() []byte {
	report, err := reports.ReadFile("reports/" + h.Name + ".check.json")
	if err != nil {
		panic("builtin: a handler without a check report: " + err.Error())
	}
	return report
}

// All lists the handlers in the order of their names.
func All() []Handler {
	return []Handler{
		{"counter", "a line `NAME PLUS MINUS` for each client that counts; the larger of each number stays", "pncounter", 0, examples.PNCounter},
		{"json-merge", "JSON documents, merged field by field against the version that all sides overwrote", "document", 100_000_000, examples.Document},
		{"lww", "the newest version wins, also when it is a delete", "newest", 0, examples.Newest},
		{"max", "the greatest decimal number wins", "max", 0, examples.Max},
		{"set-union", "the distinct lines of all versions, sorted", "union", 0, examples.Union},
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
