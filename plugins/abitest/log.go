package abitest

import (
	"context"
	"log/slog"
	"strings"
)

// logLines collects what a probe logs. The host writes to it during a call, the suite reads it after.
type logLines struct{ text strings.Builder }

// take returns what was logged since the last time.
func (l *logLines) take() string {
	defer l.text.Reset()
	return l.text.String()
}

// Enabled takes every level.
func (l *logLines) Enabled(context.Context, slog.Level) bool { return true }

// Handle keeps the attributes of a record: the text that a handler logged is one.
func (l *logLines) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		l.text.WriteString(a.Value.String() + "\n")
		return true
	})
	return nil
}

// WithAttrs returns l: whose lines they are is known.
func (l *logLines) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup returns l.
func (l *logLines) WithGroup(string) slog.Handler { return l }
