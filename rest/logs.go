package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/kvnode/kvnode/engine"
)

// LogLineJSON is one line of the log of handlers: an engine.LogLine, or an error, after which more may come.
type LogLineJSON struct {
	Time   time.Time `json:"time"`
	SHA256 string    `json:"sha256,omitempty"`
	Level  string    `json:"level"`
	Text   string    `json:"text"`
	Table  string    `json:"table,omitempty"`
	KeyJSON

	Error *ErrorJSON `json:"error,omitempty"`
}

// NewLogLineJSON encodes a line.
func NewLogLineJSON(line engine.LogLine) LogLineJSON {
	j := LogLineJSON{Time: line.Time, SHA256: line.SHA256, Level: line.Level, Text: line.Text, Table: line.Table}
	if line.Key != "" {
		j.KeyJSON = newKeyJSON(line.Key)
	}
	return j
}

func (j LogLineJSON) line() (engine.LogLine, error) {
	if j.Error != nil {
		return engine.LogLine{}, &refusal{message: j.Error.Message, err: problemByCode(j.Error.Code).Err}
	}
	key, err := unpack("key", j.Key, j.KeyBase64)
	return engine.LogLine{Time: j.Time, SHA256: j.SHA256, Level: j.Level, Text: j.Text, Table: j.Table, Key: string(key)}, err
}

// logs streams the log of handlers as lines of JSON.
func (s *Server) logs(w *tracked, r *http.Request) error {
	follow, err := boolParam(r, "follow")
	if err != nil {
		return err
	}
	plugin := r.URL.Query().Get("plugin")
	if plugin != "" {
		if _, err := s.store.Plugin(r.Context(), plugin); err != nil {
			return err
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", typeNDJSON)
	w.WriteHeader(http.StatusOK)
	if err := w.controller.Flush(); err != nil { // who follows shall not wait for the first line
		return fmt.Errorf("flush log: %w", err)
	}
	for line, err := range s.store.HandlerLog(r.Context(), plugin, follow) {
		if err := s.writeLogLine(r.Context(), w, line, err); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) writeLogLine(ctx context.Context, w *tracked, line engine.LogLine, cause error) error {
	j := NewLogLineJSON(line)
	if cause != nil {
		j.Error = newErrorJSON(s.endOfWatch(ctx, cause, true))
	}
	body, err := encodeJSON(j)
	if err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write log line: %w", err)
	}
	if err := w.controller.Flush(); err != nil {
		return fmt.Errorf("flush log line: %w", err)
	}
	return nil
}

// HandlerLog reads what the asked node's handlers have printed and why they trapped; of one plugin, or of all for the empty name. With follow it goes on
// with what comes, and the last step is the error that ended it: the context's, engine.ErrClosed when the node ends or restarts, ErrUnreachable when it
// broke off. An error that is engine.ErrOverloaded says that lines were lost, and more may come. The node has answered when HandlerLog returns; the caller
// must begin the iteration or else end ctx.
func (c *Client) HandlerLog(ctx context.Context, plugin string, follow bool) (iter.Seq2[engine.LogLine, error], error) {
	query := url.Values{}
	if plugin != "" {
		query.Set("plugin", plugin)
	}
	if follow {
		query.Set("follow", "true")
	}
	resp, err := c.send(ctx, request{method: http.MethodGet, path: "/v1/logs", query: query}) //nolint:bodyclose // the iteration closes it
	if err != nil {
		return nil, err
	}
	lines := json.NewDecoder(resp.Body)
	return func(yield func(engine.LogLine, error) bool) {
		defer hangUp(resp)
		for {
			line, err := c.nextLogLine(ctx, lines)
			if errors.Is(err, io.EOF) && follow {
				err = c.unreachable(ctx, io.ErrUnexpectedEOF)
			}
			isLast := err != nil && !errors.Is(err, engine.ErrOverloaded)
			if errors.Is(err, io.EOF) || !yield(line, err) || isLast {
				return
			}
		}
	}, nil
}

// nextLogLine returns io.EOF, unwrapped, only at the end of a whole answer.
func (c *Client) nextLogLine(ctx context.Context, lines *json.Decoder) (engine.LogLine, error) {
	var j LogLineJSON
	switch err := lines.Decode(&j); {
	case errors.Is(err, io.EOF):
		return engine.LogLine{}, io.EOF
	case err != nil:
		return engine.LogLine{}, c.unreachable(ctx, err)
	}
	return j.line()
}
