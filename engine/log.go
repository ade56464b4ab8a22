package engine

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"
)

// LogLine is something that a handler has printed, or why it trapped.
type LogLine struct {
	Time time.Time
	// SHA256 is the module's.
	SHA256 string
	// Level is debug, info, warn, error, or trap.
	Level string
	Text  string
	// Table and Key say on what it trapped; they are empty for what was printed.
	Table string
	Key   string
}

// LevelTrap is the level of a line that says why a handler trapped.
const LevelTrap = "trap"

// maxLogLines bounds the lines that are kept; a text has some KiB at most.
const maxLogLines = 2000

// Log keeps the latest lines of a node's handlers; the oldest go first. Safe for concurrent use. The zero Log is not usable; see NewLog.
type Log struct {
	mu    sync.Mutex
	lines []LogLine
	first uint64        // the number of lines[0]: so many have gone
	news  chan struct{} // closed and replaced when a line comes
}

// NewLog returns an empty log.
func NewLog() *Log { return &Log{news: make(chan struct{})} }

// Add adds a line.
func (l *Log) Add(line LogLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == maxLogLines {
		l.lines = slices.Delete(l.lines, 0, maxLogLines/10)
		l.first += maxLogLines / 10
	}
	l.lines = append(l.lines, line)
	close(l.news)
	l.news = make(chan struct{})
}

// Lines yields the lines that are kept and chosen, oldest first. With follow it goes on with those that come, and ends with the context's error; a reader
// that does not keep up misses some, and ErrOverloaded, which does not end it, tells it so.
func (l *Log) Lines(ctx context.Context, follow bool, choose func(LogLine) bool) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		next, news, more := l.yield(0, choose, yield)
		for more && follow {
			select {
			case <-news:
			case <-ctx.Done():
				yield(LogLine{}, fmt.Errorf("follow the log: %w", ctx.Err()))
				return
			}
			next, news, more = l.yield(next, choose, yield)
		}
	}
}

// yield hands the chosen lines from a number on to a reader, after an error when some have gone. It returns the number to go on with and what is closed
// when another line comes; more says that the reader wants more.
func (l *Log) yield(from uint64, choose func(LogLine) bool, hand func(LogLine, error) bool) (next uint64, news <-chan struct{}, more bool) {
	lines, first, news := l.from(from)
	if lost := first - from; from > 0 && lost > 0 && !hand(LogLine{}, fmt.Errorf("%w: %d lines lost", ErrOverloaded, lost)) {
		return 0, nil, false
	}
	for _, line := range lines {
		if choose(line) && !hand(line, nil) {
			return 0, nil, false
		}
	}
	return first + uint64(len(lines)), news, true
}

// from returns copies of the lines from a number on, the number of the first of them, and what is closed when another comes.
func (l *Log) from(next uint64) (lines []LogLine, first uint64, news <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first = max(next, l.first)
	return slices.Clone(l.lines[first-l.first:]), first, l.news
}
