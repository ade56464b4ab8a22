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
	"strconv"
	"time"

	"github.com/kvnode/kvnode/engine"
)

// maxSilence is how long a watch may say nothing: four heartbeats.
const maxSilence = time.Minute

// WriteOption changes one write of a Client.
type WriteOption func(*writeOptions)

type writeOptions struct {
	query  url.Values
	header http.Header
}

// WithContext makes the write replace only what the read that returned the token has seen. Only for writes of one key.
func WithContext(token string) WriteOption {
	return func(o *writeOptions) { o.header.Set(headerContext, token) }
}

// IfUnchanged makes the write conditional: engine.ErrConflict when the key has a version that the read which returned the token has not seen.
// Only for writes of one key.
func IfUnchanged(token string) WriteOption {
	return func(o *writeOptions) { o.header.Set("If-Match", strconv.Quote(token)) }
}

// IfAbsent makes the write conditional: engine.ErrConflict when the key is there. Only for writes of one key.
func IfAbsent() WriteOption {
	return func(o *writeOptions) { o.header.Set("If-None-Match", "*") }
}

// WithAck overrides the table's acknowledgement level.
func WithAck(level engine.AckLevel) WriteOption {
	return func(o *writeOptions) { o.query.Set("ack", string(level)) }
}

// WithPrevious asks for the entries that the write replaced; without it, Written.Previous holds only keys.
func WithPrevious() WriteOption {
	return func(o *writeOptions) { o.query.Set("previous", "true") }
}

// Put stores one entry or, atomically at the node, many.
func (c *Client) Put(ctx context.Context, table string, kvs []engine.KV, opts ...WriteOption) (engine.Written, error) {
	o := gather(opts)
	if len(kvs) == 1 {
		o.header.Set("Content-Type", "application/octet-stream")
		return c.write(ctx, request{method: http.MethodPut, path: KeyPath(table, kvs[0].Key), query: o.query, header: o.header, body: kvs[0].Value})
	}
	body := EntriesJSON{Entries: make([]EntryJSON, len(kvs))}
	for i, kv := range kvs {
		value := kv.Value
		if value == nil {
			value = []byte{}
		}
		body.Entries[i] = EntryJSON{KeyJSON: newKeyJSON(kv.Key), ValueJSON: newValueJSON(value)}
	}
	r, err := request{method: http.MethodPost, path: tablePath(table, "/entries"), query: o.query, header: o.header}.withJSON(body)
	if err != nil {
		return engine.Written{}, err
	}
	return c.write(ctx, r)
}

// Delete deletes one key or, atomically at the node, many. An absent key is no error.
func (c *Client) Delete(ctx context.Context, table string, keys []string, opts ...WriteOption) (engine.Written, error) {
	o := gather(opts)
	if len(keys) == 1 {
		return c.write(ctx, request{method: http.MethodDelete, path: KeyPath(table, keys[0]), query: o.query, header: o.header})
	}
	body := KeysJSON{Keys: make([]KeyJSON, len(keys))}
	for i, key := range keys {
		body.Keys[i] = newKeyJSON(key)
	}
	r, err := request{method: http.MethodPost, path: tablePath(table, "/entries/delete"), query: o.query, header: o.header}.withJSON(body)
	if err != nil {
		return engine.Written{}, err
	}
	return c.write(ctx, r)
}

func gather(opts []WriteOption) writeOptions {
	o := writeOptions{query: url.Values{}, header: http.Header{}}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

func (c *Client) write(ctx context.Context, r request) (engine.Written, error) {
	var body WrittenJSON
	if _, err := c.call(ctx, r, &body); err != nil {
		return engine.Written{}, err
	}
	return body.Written()
}

// Get reads one key with its siblings. engine.ErrNotFound comes with an entry whose Context says what the node has seen of the key.
func (c *Client) Get(ctx context.Context, table, key string) (engine.Entry, error) {
	var body EntryJSON
	header, err := c.call(ctx, request{method: http.MethodGet, path: KeyPath(table, key), query: url.Values{"siblings": {"true"}}}, &body)
	if errors.Is(err, engine.ErrNotFound) {
		return engine.Entry{Key: key, Context: header.Get(headerContext)}, err
	}
	if err != nil {
		return engine.Entry{}, err
	}
	e, err := body.Entry()
	if err == nil && e.Deleted {
		err = fmt.Errorf("%w: the handler decided to delete it", engine.ErrNotFound)
	}
	return e, err
}

// Match reads the matching entries one after the other. An entry without a conflict has no Siblings here. An empty key pattern matches every
// key, as "*" does.
func (c *Client) Match(ctx context.Context, table string, p engine.Pattern) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		resp, err := c.send(ctx, streamRequest(tablePath(table, "/entries"), p))
		if err != nil {
			yield(engine.Entry{}, err)
			return
		}
		defer hangUp(resp)
		lines := json.NewDecoder(resp.Body)
		for {
			e, err := c.nextEntry(ctx, lines)
			if errors.Is(err, io.EOF) || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// nextEntry returns io.EOF, unwrapped, only at the end of a whole answer.
func (c *Client) nextEntry(ctx context.Context, lines *json.Decoder) (engine.Entry, error) {
	var line struct {
		EntryJSON

		Error *ErrorJSON `json:"error"`
	}
	switch err := lines.Decode(&line); {
	case errors.Is(err, io.EOF):
		return engine.Entry{}, io.EOF
	case err != nil:
		return engine.Entry{}, c.unreachable(ctx, err)
	case line.Error != nil:
		return engine.Entry{}, &refusal{message: line.Error.Message, err: problemByCode(line.Error.Code).Err}
	default:
		return line.Entry()
	}
}

// Watch subscribes to the changes of the matching keys. It has subscribed when it returns: a write that begins afterwards is seen. The
// subscription ends with ctx or with the iteration, which the caller must begin or else end ctx; the last step is the error that ended it.
func (c *Client) Watch(ctx context.Context, table string, p engine.Pattern) (iter.Seq2[engine.Change, error], error) {
	ctx, cancel := context.WithCancelCause(ctx)
	resp, err := c.send(ctx, streamRequest(tablePath(table, "/watch"), p)) //nolint:bodyclose // the iteration closes it
	if err != nil {
		cancel(nil)
		return nil, err
	}
	lines := json.NewDecoder(resp.Body)
	if _, _, err := c.nextChange(ctx, table, lines); err != nil {
		hangUp(resp)
		cancel(nil)
		return nil, err
	}
	return func(yield func(engine.Change, error) bool) {
		defer cancel(nil)
		defer hangUp(resp)
		silence := time.AfterFunc(maxSilence, func() { cancel(fmt.Errorf("%w: nothing heard for %s", ErrUnreachable, maxSilence)) })
		defer silence.Stop()
		for {
			change, alive, err := c.nextChange(ctx, table, lines)
			silence.Reset(maxSilence)
			if !alive && (!yield(change, err) || err != nil) {
				return
			}
		}
	}, nil
}

// nextChange reads one line; alive says that it is only a sign of life.
func (c *Client) nextChange(ctx context.Context, table string, lines *json.Decoder) (change engine.Change, alive bool, err error) {
	var line ChangeJSON
	if err := lines.Decode(&line); err != nil {
		err = c.unreachable(ctx, err)
		if ctx.Err() == nil {
			err = fmt.Errorf("the watch broke off, because the node ended or this reader did not keep up; read the entries, and watch again: %w", err)
		}
		return change, false, err
	}
	switch {
	case line.Error != nil:
		return change, false, &refusal{message: line.Error.Message, err: problemByCode(line.Error.Code).Err}
	case line.Entry == nil:
		return change, true, nil
	default:
		e, err := line.Entry.Entry()
		return engine.Change{Table: table, Entry: e, Deleted: line.Type == "delete"}, false, err
	}
}

func streamRequest(path string, p engine.Pattern) request {
	query := url.Values{"key": {p.Key}}
	if p.Value != "" {
		query.Set("value", p.Value)
	}
	return request{method: http.MethodGet, path: path, query: query, header: http.Header{"Accept": {typeNDJSON}}}
}
