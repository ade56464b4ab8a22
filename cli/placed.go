package cli

import (
	"fmt"
	"strings"
)

// placed is a failure at a table, and at a key if it is given, which the hint at what to do names.
type placed struct {
	step, table, key string
	// next is what to do, unless the error's code says it.
	next string
	err  error
}

func (e *placed) Error() string { return fmt.Sprintf("%s: %s", e.step, e.err) }
func (e *placed) Unwrap() error { return e.err }

// fill puts the names where a hint speaks of TABLE and KEY, unless a shell would read them as something else.
func (e *placed) fill(hint string) string {
	for _, place := range [][2]string{{"TABLE", e.table}, {"KEY", e.key}} {
		if isWord(place[1]) {
			hint = strings.ReplaceAll(hint, place[0], place[1])
		}
	}
	return hint
}

// isWord says that a name is one plain word of a command line.
func isWord(s string) bool {
	const others = "_.:/@%+,="
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || strings.ContainsRune(others, r)
	}
	return s != "" && len(s) <= maxQuoted && s[0] != '-' && strings.TrimLeftFunc(s, plain) == ""
}
