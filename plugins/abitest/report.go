package abitest

import (
	"fmt"
	"strings"
)

// Check is what came of one check.
type Check struct {
	// Name is the check's, for people: "echo: 256 versions".
	Name string
	// Failure says what the probe did instead; empty: the check holds.
	Failure string
	// Unsupported says that the probe has no way to do it, and that the contract does not ask for one.
	Unsupported bool
}

// Report is the outcome of all checks, in the order in which they were made.
type Report struct {
	// SHA256 identifies the module, in hex.
	SHA256 string
	Checks []Check
}

// Failed returns the checks that do not hold.
func (r Report) Failed() []Check {
	var failed []Check
	for _, c := range r.Checks {
		if c.Failure != "" {
			failed = append(failed, c)
		}
	}
	return failed
}

// String writes a line for each check and a line that counts them, each ended by a newline.
func (r Report) String() string {
	var b strings.Builder
	failed, unsupported := 0, 0
	for _, c := range r.Checks {
		switch {
		case c.Failure != "":
			failed++
			fmt.Fprintf(&b, "FAILED       %s: %s\n", c.Name, c.Failure)
		case c.Unsupported:
			unsupported++
			fmt.Fprintf(&b, "unsupported  %s\n", c.Name)
		default:
			fmt.Fprintf(&b, "ok           %s\n", c.Name)
		}
	}
	fmt.Fprintf(&b, "%d ok, %d unsupported, %d failed\n", len(r.Checks)-failed-unsupported, unsupported, failed)
	return b.String()
}
