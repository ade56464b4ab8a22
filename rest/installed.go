package rest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kvnode/kvnode/engine"
)

// InstalledJSON is an engine.PluginInfo in JSON, right after its installation.
type InstalledJSON struct {
	engine.PluginInfo

	// Warning names the laws that nodes rely on and that the module breaks, as the check report says which came along.
	Warning string `json:"warning,omitempty"`
}

// NewInstalledJSON encodes what an installation with this check report came to. It shares the bytes of the info.
func NewInstalledJSON(info engine.PluginInfo, report []byte) InstalledJSON {
	return InstalledJSON{PluginInfo: info, Warning: lawWarning(info, report)}
}

// lawWarning is the warning of a module that breaks needed laws, or nothing. Without the report itself it can only say how many.
func lawWarning(info engine.PluginInfo, report []byte) string {
	c := info.Checked
	if c == nil || c.Needed == c.NeededHeld {
		return ""
	}
	laws := brokenNeeds(report)
	if len(laws) == 0 {
		laws = []string{fmt.Sprintf("%d of %d", c.Needed-c.NeededHeld, c.Needed)}
	}
	return fmt.Sprintf("the module breaks laws that nodes rely on: %s; mend it as 'Check it' in docs/HANDLERS.md says, and install it again; see 'kvnode plugin show %s@%d'",
		strings.Join(laws, ", "), info.Name, info.Number)
}

// maxLawText bounds how much of a law's name or problem a warning repeats.
const maxLawText = 160

// brokenNeeds lists the broken needed laws of a check report that the engine has taken, each with how it is broken.
func brokenNeeds(report []byte) []string {
	var r struct {
		Laws []struct {
			Needed               bool
			State, Name, Problem string
		}
	}
	if json.Unmarshal(report, &r) != nil {
		return nil // there is none
	}
	var laws []string
	for _, l := range r.Laws {
		if !l.Needed || l.State != "broken" {
			continue
		}
		law := fmt.Sprintf("%.*s", maxLawText, cmp.Or(l.Name, "(unnamed)"))
		if problem, _, _ := strings.Cut(l.Problem, "\n"); problem != "" {
			law += fmt.Sprintf(" (%.*s)", maxLawText, problem)
		}
		laws = append(laws, law)
	}
	return laws
}
