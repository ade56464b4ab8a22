package plugins

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/kvnode/kvnode/plugins/abi"
)

// defaultLines is the default of Config.LinesPerSecond.
const defaultLines = 20

// Line is a line that a handler has printed.
type Line struct {
	// SHA256 is the module's, in hex.
	SHA256 string
	Level  slog.Level
	Text   string
}

// throttle passes the log lines of one module on, so many in a second. It is safe for concurrent use.
type throttle struct {
	logger *slog.Logger
	listen func(level slog.Level, text string)
	now    func() time.Time
	most   int // in a second; below zero, all

	mu      sync.Mutex
	second  time.Time // when the running second began
	lines   int       // in this second
	dropped int       // not yet reported
}

// muted returns a throttle that passes nothing on.
func muted() *throttle {
	return &throttle{logger: slog.New(slog.DiscardHandler), listen: func(slog.Level, string) {}, now: time.Now}
}

// say logs one line of a handler, or counts it: a line that is not logged is not looked at, so that a million of them make
// no garbage.
func (t *throttle) say(level slog.Level, line []byte) {
	pass, dropped := t.admit()
	if dropped > 0 {
		t.logger.Warn("handler log lines dropped", "lines", dropped)
		t.listen(slog.LevelWarn, fmt.Sprintf("%d lines dropped", dropped))
	}
	if !pass {
		return
	}
	if text := printable(line); text != "" {
		t.listen(level, text)
		t.logger.Log(context.Background(), level, "handler says", "text", text)
	}
}

// admit counts one line. It returns whether to log it, and how many were dropped before it and are to be reported now.
func (t *throttle) admit() (pass bool, dropped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.now(); now.Sub(t.second) >= time.Second {
		t.second, t.lines = now, 0
		dropped, t.dropped = t.dropped, 0
	}
	t.lines++
	if t.most >= 0 && t.lines > t.most {
		t.dropped++
		return false, dropped
	}
	return true, dropped
}

// console is where the text of one instance goes: whole lines to the log, and one complaint of each call, a line of
// standard error or a message of level error, to the reason of a trap: that by which a runtime says why it ends, or the last.
type console struct {
	out *throttle
	// lines is what went to standard output and error since the last end of line, at most maxLogBytes each.
	lines [2][]byte
	// last is the last complaint in this call that was not blank, cause the first that says why the runtime ends: what
	// follows on it comes of it.
	last, cause []byte
	// more says that the next complaint goes on with the cause.
	more bool
}

// The files of a console.
const (
	stdout = iota
	stderr
)

// print takes text as it comes, and logs whole lines.
func (c *console) print(file int, text []byte) {
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		room := maxLogBytes - len(c.lines[file])
		c.lines[file] = append(c.lines[file], line[:min(len(line), room)]...)
		if whole {
			c.flush(file)
		}
		text = rest
	}
}

// flush ends the line.
func (c *console) flush(file int) {
	if len(c.lines[file]) == 0 {
		return
	}
	if file == stderr {
		c.complain(c.lines[file])
	}
	c.out.say(slog.LevelInfo, c.lines[file])
	c.lines[file] = c.lines[file][:0]
}

// complain keeps a complaint, if it counts. Only what a trap quotes becomes text, so that a million of them make no garbage.
func (c *console) complain(line []byte) {
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	c.last = append(c.last[:0], line...)
	switch thread := bytes.HasPrefix(line, []byte("thread '")) && bytes.Contains(line, []byte("' panicked at ")); {
	case c.more:
		c.cause, c.more = append(append(c.cause, ' '), line...), false
	case len(c.cause) > 0:
	case thread, endsRuntime(line):
		c.cause = append(c.cause[:0], line...)
		c.more = thread && bytes.HasSuffix(line, []byte(":"))
	}
}

// endsRuntime says whether a runtime writes such a line when it gives up: that of Go and its kin.
func endsRuntime(line []byte) bool {
	return bytes.HasPrefix(line, []byte("panic:")) || bytes.HasPrefix(line, []byte("fatal error:")) || bytes.HasPrefix(line, []byte("runtime error"))
}

// complaint returns the call's complaint after ": ", or nothing.
func (c *console) complaint() string {
	c.flush(stderr)
	text := printable(c.last)
	if len(c.cause) > 0 {
		text = printable(c.cause)
	}
	if text == "" {
		return ""
	}
	return ": " + text
}

// reset forgets the call.
func (c *console) reset() {
	c.flush(stdout)
	c.flush(stderr)
	c.last, c.cause, c.more = c.last[:0], c.cause[:0], false
}

// log takes one message with a level of the contract.
func (c *console) log(level int32, text []byte) {
	if level >= abi.LogError {
		c.complain(text)
	}
	c.out.say(logLevel(level), text)
}

// logLevel translates a level; what is beyond the known ones is an error.
func logLevel(level int32) slog.Level {
	switch {
	case level <= abi.LogDebug:
		return slog.LevelDebug
	case level == abi.LogInfo:
		return slog.LevelInfo
	case level == abi.LogWarn:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}
