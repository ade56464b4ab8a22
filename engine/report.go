package engine

import (
	"encoding/json"
	"fmt"
)

// CheckSummary counts the laws of a check report: those that a handler must hold and those that are merely good, and how many of each were held.
type CheckSummary struct {
	Needed     int `json:"needed"`
	NeededHeld int `json:"needed_held"`
	Good       int `json:"good"`
	GoodHeld   int `json:"good_held"`
	// OtherLimits says that the report names other limits than those that the module is installed with.
	OtherLimits bool `json:"other_limits,omitempty"`

	limits *Limits // that the report names
}

// String says it in a few words, such as "ok 14/14" or "2 good broken, with other limits".
func (s CheckSummary) String() string {
	if s.OtherLimits {
		return s.counts() + ", with other limits"
	}
	return s.counts()
}

func (s CheckSummary) counts() string {
	needed, good := s.Needed-s.NeededHeld, s.Good-s.GoodHeld
	switch {
	case needed > 0 && good > 0:
		return fmt.Sprintf("%d needed, %d good broken", needed, good)
	case needed > 0:
		return fmt.Sprintf("%d needed broken", needed)
	case good > 0:
		return fmt.Sprintf("%d good broken", good)
	}
	return fmt.Sprintf("ok %d/%d", s.NeededHeld+s.GoodHeld, s.Needed+s.Good)
}

// MaxCheckBytes bounds a check report.
const MaxCheckBytes = 16 << 10

// checkReport is what the engine reads of a report: the rest is for people.
type checkReport struct {
	SHA256 string     `json:"sha256"`
	Limits *Limits    `json:"limits"`
	Laws   []checkLaw `json:"laws"`
}

type checkLaw struct {
	Needed bool   `json:"needed"`
	State  string `json:"state"`
}

// ReadCheck reads the summary of a check report for the module with this SHA-256. A report is a JSON object of at most MaxCheckBytes with the fields
// "sha256" and "laws", a list of objects with the fields "needed" (true or false) and "state" ("held", "broken", or "not applicable", which is not
// counted), and "limits", those of a handler as PluginInfo shows them, without which they are taken for the right ones. The error is ErrBadCheck when
// it is anything else, or of another module.
func ReadCheck(report []byte, sha256 string) (CheckSummary, error) {
	var r checkReport
	if len(report) > MaxCheckBytes {
		return CheckSummary{}, fmt.Errorf("%w (it has %d bytes)", ErrBadCheck, len(report))
	}
	if err := json.Unmarshal(report, &r); err != nil {
		return CheckSummary{}, fmt.Errorf("%w (%w)", ErrBadCheck, err)
	}
	switch {
	case r.SHA256 != sha256:
		return CheckSummary{}, fmt.Errorf("%w (it is about the module %.12q, this one is %.12q)", ErrBadCheck, r.SHA256, sha256)
	case len(r.Laws) == 0:
		return CheckSummary{}, fmt.Errorf("%w (it lists no laws)", ErrBadCheck)
	}
	s, err := countLaws(r.Laws)
	s.limits = r.Limits
	return s, err
}

// filled are the limits that hold.
func (l Limits) filled(defaults Limits) Limits {
	return Limits{
		MemoryBytes: orDefault(l.MemoryBytes, defaults.MemoryBytes), Fuel: orDefault(l.Fuel, defaults.Fuel),
		OutputBytes: orDefault(l.OutputBytes, defaults.OutputBytes), Reset: orDefault(l.Reset, orDefault(defaults.Reset, ResetStrict)),
	}
}

func countLaws(laws []checkLaw) (CheckSummary, error) {
	var s CheckSummary
	for _, law := range laws {
		all, held := &s.Good, &s.GoodHeld
		if law.Needed {
			all, held = &s.Needed, &s.NeededHeld
		}
		switch law.State {
		case "held":
			*all++
			*held++
		case "broken":
			*all++
		case "not applicable":
		default:
			return CheckSummary{}, fmt.Errorf("%w (the state %.40q of a law is unknown)", ErrBadCheck, law.State)
		}
	}
	return s, nil
}
