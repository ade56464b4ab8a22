package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/kvnode/kvnode/engine"
)

// Headers of this API.
const (
	headerContext  = "Kvnode-Context"
	headerState    = "Kvnode-State"
	headerSiblings = "Kvnode-Siblings"
	headerProxied  = "Kvnode-Proxied"
)

// keyOf is the key in the path, or in the query where the path has none.
func keyOf(r *http.Request) string {
	if query := r.URL.Query(); query.Has("key") {
		return query.Get("key")
	}
	return r.PathValue("key")
}

// getKey answers with the value, or with the whole entry in JSON when siblings are asked for.
func (s *Server) getKey(w *tracked, r *http.Request) error {
	siblings, err := boolParam(r, "siblings")
	if err != nil {
		return err
	}
	e, err := s.store.Get(r.Context(), r.PathValue("table"), keyOf(r))
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	tag := etag(e)
	setEntryHeaders(w.Header(), e, tag)
	switch {
	case err != nil && (!siblings || len(e.Siblings) == 0):
		return err
	case isTagged(r.Header.Get("If-None-Match"), tag):
		w.WriteHeader(http.StatusNotModified)
		return nil
	case siblings:
		return writeJSON(w, NewEntryJSON(e))
	default:
		return writeBytes(w, "application/octet-stream", e.Value)
	}
}

func setEntryHeaders(h http.Header, e engine.Entry, tag string) {
	if e.Context != "" {
		h.Set(headerContext, e.Context)
		h.Set("ETag", tag)
	}
	if e.State != "" {
		h.Set(headerState, string(e.State))
	}
	h.Set(headerSiblings, strconv.Itoa(len(e.Siblings)))
}

// etag is the context of the read and, where a verdict stands between the versions and the value, a hash of what it shows.
func etag(e engine.Entry) string {
	if len(e.Siblings) < 2 {
		return strconv.Quote(e.Context)
	}
	view := sha256.Sum256(fmt.Appendf(nil, "%s %t %q %q", e.State, e.Deleted, e.Reason, e.Value))
	return `"` + e.Context + "~" + hex.EncodeToString(view[:8]) + `"`
}

// isTagged compares weakly (RFC 9110, section 13.1.2): a proxy that compresses turns tags into weak ones.
func isTagged(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

// contextOfTag is the inverse of etag.
func contextOfTag(header string) (string, error) {
	inner, opened := strings.CutPrefix(header, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	if !opened || !closed || strings.ContainsAny(inner, `", `) {
		return "", fmt.Errorf("%w: If-Match takes one ETag as it was received, in double quotes, not %q", ErrBadRequest, header)
	}
	token, _, _ := strings.Cut(inner, "~")
	return token, nil
}

// putKey stores the body as the key's value.
func (s *Server) putKey(w *tracked, r *http.Request) error {
	value, err := readBody(w, r, engine.MaxValueBytes, engine.ErrValueTooLarge)
	if err != nil {
		return err
	}
	table, key := r.PathValue("table"), keyOf(r)
	return s.writeKey(w, r, key, func(ctx context.Context, opts []engine.WriteOption) (engine.Written, error) {
		return s.store.Put(ctx, table, []engine.KV{{Key: key, Value: value}}, opts...)
	})
}

func (s *Server) deleteKey(w *tracked, r *http.Request) error {
	table, key := r.PathValue("table"), keyOf(r)
	return s.writeKey(w, r, key, func(ctx context.Context, opts []engine.WriteOption) (engine.Written, error) {
		return s.store.Delete(ctx, table, []string{key}, opts...)
	})
}

type writeFunc func(ctx context.Context, opts []engine.WriteOption) (engine.Written, error)

// writeKey is what putting and deleting one key have in common.
func (s *Server) writeKey(w *tracked, r *http.Request, key string, write writeFunc) error {
	opts, err := ackOption(r)
	if err != nil {
		return err
	}
	condition, err := s.condition(r, key)
	if err != nil {
		return err
	}
	previous, err := boolParam(r, "previous")
	if err != nil {
		return err
	}
	written, err := write(r.Context(), append(opts, condition...))
	if err != nil {
		return err
	}
	if len(written.Contexts) == 1 && written.Contexts[0] != "" {
		w.Header().Set(headerContext, written.Contexts[0])
		w.Header().Set("ETag", strconv.Quote(written.Contexts[0]))
	}
	return writeJSON(w, NewWrittenJSON([]string{key}, written, previous))
}

func ackOption(r *http.Request) ([]engine.WriteOption, error) {
	switch level := engine.AckLevel(r.URL.Query().Get("ack")); level {
	case "":
		return nil, nil
	case engine.AckLocal, engine.AckOne, engine.AckQuorum, engine.AckAll:
		return []engine.WriteOption{engine.WithAck(level)}, nil
	default:
		return nil, fmt.Errorf("%w: ack is local, one, quorum or all, not %q", ErrBadRequest, level)
	}
}

// condition turns the headers of a write into an option.
func (s *Server) condition(r *http.Request, key string) ([]engine.WriteOption, error) {
	token, match, noneMatch := r.Header.Get(headerContext), r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	if moreThanOne(token, match, noneMatch) {
		return nil, fmt.Errorf("%w: give one of %s, If-Match and If-None-Match", ErrBadRequest, headerContext)
	}
	switch {
	case token != "":
		return []engine.WriteOption{engine.WithContext(token)}, nil
	case noneMatch != "" && noneMatch != "*":
		return nil, fmt.Errorf("%w: If-None-Match of a write is *, meaning that the key must be absent, not %q", ErrBadRequest, noneMatch)
	case noneMatch == "*" || match == "*":
		return s.existence(r, key, match == "*")
	case match != "":
		token, err := contextOfTag(match)
		return []engine.WriteOption{engine.IfUnchanged(token)}, err
	default:
		return nil, nil
	}
}

func moreThanOne(headers ...string) bool {
	n := 0
	for _, h := range headers {
		if h != "" {
			n++
		}
	}
	return n > 1
}

// existence makes a write conditional on the key being there or not: it reads, and the write holds only if nothing changed since.
func (s *Server) existence(r *http.Request, key string, wanted bool) ([]engine.WriteOption, error) {
	e, err := s.store.Get(r.Context(), r.PathValue("table"), key)
	exists := err == nil
	switch {
	case !exists && !errors.Is(err, engine.ErrNotFound):
		return nil, err
	case exists && !wanted:
		return nil, fmt.Errorf("%w: the key exists", engine.ErrConflict)
	case !exists && wanted:
		return nil, fmt.Errorf("%w: the key does not exist", engine.ErrConflict)
	default:
		return []engine.WriteOption{engine.IfUnchanged(e.Context)}, nil
	}
}
