package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// What commands that list things print for programs, for their help.
const (
	jsonArray = "With --output json it prints one array."
	jsonLines = "With --output json it prints one object a line."
)

// maxCell is how many characters of a key or value a table shows; JSON shows all.
const maxCell = 100

// show prints a value: in JSON, or as the table that fill writes, cells separated by tabs.
func (sh *shell) show(c *cli.Context, value any, fill func(w *grid)) error {
	if c.String("output") == "json" {
		encoder := json.NewEncoder(sh.stdout)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return asOutput(encoder.Encode(value))
	}
	w := newGrid(sh.stdout)
	fill(w)
	return w.flush()
}

// showDone says that something is done to the thing of this kind and name: to people on stderr, in JSON as an object.
func (sh *shell) showDone(c *cli.Context, kind, name, done string) error {
	if c.String("output") == "json" {
		return sh.show(c, map[string]any{kind: name, done: true}, func(*grid) {})
	}
	sh.say("%s %s %s", kind, printable(name), done)
	return nil
}

// sayNone says what it means that a list is empty, to people.
func (sh *shell) sayNone(c *cli.Context, length int, format string, args ...any) {
	if length == 0 && c.String("output") != "json" {
		sh.say(format, args...)
	}
}

// showLine prints one of many values in JSON, on one line.
func (sh *shell) showLine(value any) error {
	encoder := json.NewEncoder(sh.stdout)
	encoder.SetEscapeHTML(false)
	return asOutput(encoder.Encode(value))
}

func asOutput(err error) error {
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// grid is a table that aligns its columns. It keeps its first error for flush.
type grid struct {
	w   *tabwriter.Writer
	err error
}

func newGrid(w io.Writer) *grid {
	return &grid{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

// row writes the cells of one line.
func (g *grid) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = fmt.Sprint(cell)
	}
	if _, err := fmt.Fprintln(g.w, strings.Join(texts, "	")); g.err == nil {
		g.err = err
	}
}

// fact writes a row with one cell, unless there is nothing to say.
func (g *grid) fact(name, value string) {
	if value != "" {
		g.row(name, value)
	}
}

// flush aligns what was written and prints it.
func (g *grid) flush() error {
	return asOutput(errors.Join(g.err, g.w.Flush()))
}

// maxQuoted is how many bytes of a name or key a message shows.
const maxQuoted = 64

// quoted is a name or key within a message: in quotes, and cut when it is long.
func quoted(s string) string {
	if len(s) <= maxQuoted {
		return strconv.Quote(s)
	}
	return strconv.Quote(beginning(s)) + "…"
}

// cut is quoted without the quotes.
func cut(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return beginning(s) + "…"
}

// beginning is at most maxQuoted bytes of a longer text; it does not end within a character.
func beginning(s string) string {
	for end := maxQuoted; end > maxQuoted-utf8.UTFMax; end-- {
		if utf8.RuneStart(s[end]) {
			return s[:end]
		}
	}
	return s[:maxQuoted]
}

// cell is a key or a value as a table shows it: quoted when it would disturb the table or the terminal, cut when it is long.
func cell[T ~string | ~[]byte](raw T) string {
	s := string(raw)
	cut := ""
	if utf8.RuneCountInString(s) > maxCell {
		s, cut = string([]rune(s)[:maxCell]), "…"
		if !utf8.ValidString(string(raw)) {
			s = string(raw)[:maxCell]
		}
	}
	if s == "" || s[0] == '"' || !isPlain(s) {
		s = strconv.Quote(s)
	}
	return s + cut
}

func isPlain(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// printable makes text that came from elsewhere harmless for a terminal; lines and tabs stay.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// orDash fills an empty cell.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
