package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// stage prints a demonstration, coloured on a terminal, and counts its claims.
type stage struct {
	out    io.Writer
	colour bool
	claims int
	began  time.Time
}

func newStage(out io.Writer) *stage {
	f, ok := out.(*os.File)
	_, plain := os.LookupEnv("NO_COLOR")
	return &stage{out: out, began: time.Now(), colour: ok && !plain && term.IsTerminal(int(f.Fd()))}
}

func (s *stage) title(text string) { s.say("\n%s", s.bold(text)) }

// act begins a part and says how long the demonstration has run.
func (s *stage) act(number, text string) {
	s.say("\n%s %s %s", s.paint("36;1", number+"."), s.bold(text), s.dim(fmt.Sprintf("(%.1f s)", s.elapsed().Seconds())))
}

func (s *stage) elapsed() time.Duration { return time.Since(s.began) }

func (s *stage) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, format+"\n", args...) // a closed pipe shows at the end, as an exit code
}

// claim prints what was checked; the error says that it did not hold.
func (s *stage) claim(holds bool, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if !holds {
		s.say("  %s %s", s.red("✗"), text)
		return fmt.Errorf("this claim does not hold: %s", text)
	}
	s.claims++
	s.say("  %s %s", s.green("✓"), text)
	return nil
}

func (s *stage) bold(text string) string  { return s.paint("1", text) }
func (s *stage) dim(text string) string   { return s.paint("2", text) }
func (s *stage) green(text string) string { return s.paint("32", text) }
func (s *stage) red(text string) string   { return s.paint("31", text) }

func (s *stage) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
