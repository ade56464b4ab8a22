package rest

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/kvnode/kvnode/engine"
)

const (
	typeNDJSON = "application/x-ndjson"
	typeSSE    = "text/event-stream"
)

// EntriesJSON is the body of a batch of puts, and the answer of a match.
type EntriesJSON struct {
	Entries []EntryJSON `json:"entries"`
}

// KeysJSON is the body of a batch of deletes.
type KeysJSON struct {
	Keys []KeyJSON `json:"keys"`
}

// brief drops the siblings of an entry that has only one: they repeat the value.
func brief(j EntryJSON) EntryJSON {
	if len(j.Siblings) < 2 && !j.Deleted {
		j.Siblings = nil
	}
	return j
}

func patternOf(r *http.Request) engine.Pattern {
	query := r.URL.Query()
	p := engine.Pattern{Key: "*", Value: query.Get("value")}
	if query.Has("key") {
		p.Key = query.Get("key")
	}
	return p
}

// match streams the matching entries: as lines when NDJSON is accepted, and otherwise as one JSON document.
func (s *Server) match(w *tracked, r *http.Request) error {
	lines := strings.Contains(r.Header.Get("Accept"), typeNDJSON)
	stream := newEntryStream(w, lines)
	for e, err := range s.store.Match(r.Context(), r.PathValue("table"), patternOf(r)) {
		if err == nil {
			err = r.Context().Err()
		}
		if err != nil {
			return stream.fail(err)
		}
		if err := s.writeEntry(r.Context(), stream, e); err != nil {
			return err
		}
	}
	return stream.end()
}

// writeEntry adds an entry, which takes room until the client has taken it.
func (s *Server) writeEntry(ctx context.Context, stream *entryStream, e engine.Entry) error {
	size := lineBytes(e)
	if err := s.room.take(ctx, size); err != nil {
		return stream.fail(err)
	}
	defer s.room.give(size)
	return stream.add(e)
}

// entryStream writes entries as they come. Nothing is sent before the first one, so that an early error is still an HTTP status.
type entryStream struct {
	w     *tracked
	buf   *bufio.Writer
	lines bool
	begun bool
}

func newEntryStream(w *tracked, lines bool) *entryStream {
	return &entryStream{w: w, buf: bufio.NewWriterSize(w, 32<<10), lines: lines}
}

func (s *entryStream) begin() string {
	if s.begun {
		return ","
	}
	s.begun = true
	s.w.Header().Set("X-Content-Type-Options", "nosniff")
	if s.lines {
		s.w.Header().Set("Content-Type", typeNDJSON)
	} else {
		s.w.Header().Set("Content-Type", "application/json")
	}
	return `{"entries":[`
}

func (s *entryStream) add(e engine.Entry) error {
	line, err := encodeJSON(brief(NewEntryJSON(e)))
	if err != nil {
		return err
	}
	separator := s.begin()
	if !s.lines {
		line = append([]byte(separator), line[:len(line)-1]...)
	}
	return s.write(line)
}

func (s *entryStream) write(p []byte) error {
	if _, err := s.buf.Write(p); err != nil {
		return fmt.Errorf("write entry: %w", err)
	}
	return nil
}

// fail ends the stream early. Lines say why in a last line; a document cannot and is cut.
func (s *entryStream) fail(err error) error {
	if !s.begun || !s.lines {
		return err
	}
	line, encodeErr := encodeJSON(ChangeJSON{Type: "end", Error: newErrorJSON(err)})
	if encodeErr != nil {
		return encodeErr
	}
	if err := s.write(line); err != nil {
		return err
	}
	return s.flush()
}

func (s *entryStream) end() error {
	if !s.lines {
		tail := "]}\n"
		if !s.begun {
			tail = s.begin() + tail
		}
		if err := s.write([]byte(tail)); err != nil {
			return err
		}
	}
	s.begin()
	return s.flush()
}

func (s *entryStream) flush() error {
	if err := s.buf.Flush(); err != nil {
		return fmt.Errorf("write entries: %w", err)
	}
	return nil
}

// putEntries stores many entries at once.
func (s *Server) putEntries(w *tracked, r *http.Request) error {
	var body EntriesJSON
	if err := readJSON(w, r, maxBatchBytes, false, &body); err != nil {
		return err
	}
	kvs := make([]engine.KV, len(body.Entries))
	keys := make([]string, len(body.Entries))
	for i, j := range body.Entries {
		kv, err := j.KV()
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		kvs[i], keys[i] = kv, kv.Key
	}
	return s.writeMany(w, r, keys, func(opts []engine.WriteOption) (engine.Written, error) {
		return s.store.Put(r.Context(), r.PathValue("table"), kvs, opts...)
	})
}

// deleteEntries deletes many keys at once.
func (s *Server) deleteEntries(w *tracked, r *http.Request) error {
	var body KeysJSON
	if err := readJSON(w, r, maxBatchBytes, false, &body); err != nil {
		return err
	}
	keys := make([]string, len(body.Keys))
	for i, j := range body.Keys {
		key, err := j.key()
		if err != nil {
			return fmt.Errorf("key %d: %w", i, err)
		}
		keys[i] = key
	}
	return s.writeMany(w, r, keys, func(opts []engine.WriteOption) (engine.Written, error) {
		return s.store.Delete(r.Context(), r.PathValue("table"), keys, opts...)
	})
}

// writeMany is what putting and deleting many keys have in common.
func (s *Server) writeMany(w *tracked, r *http.Request, keys []string, write func([]engine.WriteOption) (engine.Written, error)) error {
	if len(keys) > engine.MaxBatch {
		return fmt.Errorf("%w: %d entries, at most %d", ErrRequestTooLarge, len(keys), engine.MaxBatch)
	}
	for _, header := range []string{headerContext, "If-Match", "If-None-Match"} {
		if r.Header.Get(header) != "" {
			return fmt.Errorf("%w: %s is for writes of one key", ErrBadRequest, header)
		}
	}
	opts, err := ackOption(r)
	if err != nil {
		return err
	}
	previous, err := boolParam(r, "previous")
	if err != nil {
		return err
	}
	written, err := write(opts)
	if err != nil {
		return err
	}
	return writeJSON(w, NewWrittenJSON(keys, written, previous))
}
