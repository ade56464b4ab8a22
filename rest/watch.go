package rest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/kvnode/kvnode/engine"
)

// step is a change, or the error that ends the watch.
type step struct {
	change engine.Change
	err    error
}

// watch streams changes until the client leaves, the store ends the watch, or the server closes: as server-sent events when these are accepted,
// and otherwise as lines of JSON.
func (s *Server) watch(w *tracked, r *http.Request) error {
	ctx, cancel := context.WithCancel(r.Context())
	table := r.PathValue("table")
	if _, err := s.store.Table(ctx, table); err != nil {
		cancel()
		return err
	}
	steps := make(chan step)
	changes := s.store.Watch(ctx, table, patternOf(r))
	var pump sync.WaitGroup
	pump.Go(func() {
		defer close(steps)
		forward(ctx, changes, steps)
	})
	defer pump.Wait()
	defer cancel()
	return s.writeChanges(ctx, newChangeWriter(w, r), steps)
}

// forward owns the iteration and ends with it or with ctx.
func forward(ctx context.Context, changes iter.Seq2[engine.Change, error], steps chan<- step) {
	for change, err := range changes {
		select {
		case steps <- step{change, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (s *Server) writeChanges(ctx context.Context, w changeWriter, steps <-chan step) error {
	if err := w.write(ChangeJSON{Type: "ready"}); err != nil {
		return err
	}
	heartbeat := time.NewTicker(s.config.Heartbeat)
	defer heartbeat.Stop()
	for {
		line, size := ChangeJSON{Type: "heartbeat"}, int64(0)
		select {
		case next, ok := <-steps:
			if err := s.endOfWatch(ctx, next.err, ok); err != nil {
				return w.write(ChangeJSON{Type: "end", Error: newErrorJSON(err)})
			}
			line, size = NewChangeJSON(next.change), lineBytes(next.change.Entry)
			heartbeat.Reset(s.config.Heartbeat)
		case <-ctx.Done():
			return w.write(ChangeJSON{Type: "end", Error: newErrorJSON(s.endOfWatch(ctx, ctx.Err(), true))})
		case <-heartbeat.C:
		}
		if err := s.writeChange(ctx, w, line, size); err != nil {
			return err
		}
	}
}

// writeChange writes a line that holds so many bytes until the client has taken it.
func (s *Server) writeChange(ctx context.Context, w changeWriter, line ChangeJSON, size int64) error {
	if err := s.room.take(ctx, size); err != nil {
		return w.write(ChangeJSON{Type: "end", Error: newErrorJSON(s.endOfWatch(ctx, err, true))})
	}
	defer s.room.give(size)
	return w.write(line)
}

// endOfWatch names the reason for which a watch ends; nil means that it goes on.
func (s *Server) endOfWatch(ctx context.Context, err error, more bool) error {
	select {
	case <-s.closing:
		return engine.ErrClosed
	default:
	}
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case !more:
		return fmt.Errorf("%w: the watch ended", engine.ErrClosed)
	default:
		return err
	}
}

// changeWriter sends every line at once.
type changeWriter struct {
	w      *tracked
	events bool
}

func newChangeWriter(w *tracked, r *http.Request) changeWriter {
	c := changeWriter{w: w, events: strings.Contains(r.Header.Get("Accept"), typeSSE)}
	contentType := typeNDJSON
	if c.events {
		contentType = typeSSE
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	return c
}

func (c changeWriter) write(line ChangeJSON) error {
	body, err := encodeJSON(line)
	if err != nil {
		return err
	}
	if c.events {
		body = fmt.Appendf(nil, "event: %s\ndata: %s\n", line.Type, body)
	}
	if _, err := c.w.Write(body); err != nil {
		return fmt.Errorf("write change: %w", err)
	}
	if err := c.w.controller.Flush(); err != nil {
		return fmt.Errorf("flush change: %w", err)
	}
	return nil
}
