package sim

import (
	"fmt"
	"strings"
)

// Faults is a set of kinds of trouble. The zero value stands for all of them.
type Faults uint64

// The kinds of trouble.
const (
	// Loss loses frames.
	Loss Faults = 1 << iota
	// Duplicate lets frames arrive twice.
	Duplicate
	// Delay makes frames late, unevenly, so that those of different lanes and senders overtake one another.
	Delay
	// Cut splits the network in two.
	Cut
	// Asymmetric cuts one direction of one connection.
	Asymmetric
	// Pause makes nodes stand still.
	Pause
	// Crash ends nodes with all their memory.
	Crash
	// Join adds nodes.
	Join
	// Skew makes clocks wrong, by up to hours, and sets them anew.
	Skew
	// Drop drops tables, and creates them again.
	Drop
	// Handler installs and activates handlers.
	Handler
	// Trap lets handlers trap: nodes restart in place, or end their process.
	Trap
	// Bulk makes some values so long that transfers take several chunks.
	Bulk
	// Restart ends nodes in order; they come back with their memory.
	Restart
	// Slow makes nodes listen late, and lose what their inbox has no room for.
	Slow
	// Forget takes nodes away, forgets them, and lets most of them return.
	Forget
	// Garbage sends nodes what is no frame of this cluster.
	Garbage
	// Twin starts second nodes under names that are taken.
	Twin
	// None is no trouble at all; it adds nothing to others.
	None
)

// faultNames are the names, in the order of the bits.
func faultNames() []string {
	return []string{
		"loss", "duplicate", "delay", "cut", "asymmetric", "pause", "crash", "join", "skew", "drop", "handler", "trap", "bulk",
		"restart", "slow", "forget", "garbage", "twin", "none",
	}
}

// AllFaults is every kind of trouble.
func AllFaults() Faults { return None - 1 }

// Has reports whether the set has a kind.
func (f Faults) Has(kind Faults) bool { return f == 0 || f&kind != 0 }

// String lists the names, separated by commas; "all" for the zero value.
func (f Faults) String() string {
	if f == 0 {
		return "all"
	}
	var out []string
	for i, name := range faultNames() {
		if f&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, ",")
}

// ParseFaults reads what String writes. The error names what is unknown, and what there is.
func ParseFaults(text string) (Faults, error) {
	if text == "all" || text == "" {
		return 0, nil
	}
	var out Faults
	for name := range strings.SplitSeq(text, ",") {
		f, err := parseFault(strings.TrimSpace(name))
		if err != nil {
			return 0, err
		}
		out |= f
	}
	return out, nil
}

func parseFault(name string) (Faults, error) {
	for i, known := range faultNames() {
		if name == known {
			return 1 << i, nil
		}
	}
	return 0, fmt.Errorf("fault %.40q is unknown; use all, or some of %s", name, strings.Join(faultNames(), ","))
}
