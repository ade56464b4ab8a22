package torture

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kvnode/kvnode/engine"
)

// The tables that clients write to.
const (
	// plainTable keeps siblings, latestTable shows the latest of them, judgedTable has a handler: the union of all lines, which traps on poisonKey.
	plainTable  = "plain"
	latestTable = "latest"
	judgedTable = "judged"

	poisonKey = "poison"
	// numKeys is how many keys of each table clients write to: few enough that their writes meet.
	numKeys = 24
	// bulk is the length of a long value in bytes: some hundred of them do not fit into one frame.
	bulk = 20_000
)

func tableNames() []string { return []string{plainTable, latestTable, judgedTable} }

func optionsOf(table string) engine.TableOptions {
	switch table {
	case latestTable:
		return engine.TableOptions{Type: engine.OrderedSet, Ack: engine.AckOne, Unresolved: engine.LWW}
	case judgedTable:
		return engine.TableOptions{Ack: engine.AckQuorum, Handler: judgedTable}
	default:
		return engine.TableOptions{}
	}
}

// idSeparator ends the identity of a value; what follows is ballast.
const idSeparator = ":"

// idOf is the identity of a value: each is written once.
func idOf(value string) string {
	id, _, _ := strings.Cut(value, idSeparator)
	return id
}

// valueOf is a value with this identity, long or short.
func valueOf(id string, long bool) string {
	if long {
		return id + idSeparator + strings.Repeat("-", bulk)
	}
	return id
}

// ids names the versions of an entry, sorted.
func ids(e engine.Entry) []string {
	out := make([]string, 0, len(e.Siblings))
	for _, v := range e.Siblings {
		out = append(out, idOf(string(v.Value)))
	}
	if len(out) == 0 && e.Value != nil {
		out = append(out, idOf(string(e.Value))) // left out where they would only repeat the value
	}
	slices.Sort(out)
	return out
}

func keyOf(i int) string { return "k" + strconv.Itoa(i) }
