package rest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/kvnode/kvnode/engine"
)

//go:embed openapi.yaml
var openAPIDocument string

// OpenAPI returns the description of the paths, as every node serves it at /v1/openapi.yaml.
func OpenAPI() string { return openAPIDocument }

func openAPI(w *tracked, _ *http.Request) error {
	return writeBytes(w, "application/yaml", []byte(openAPIDocument))
}

// fail answers with the error. An answer that has begun already is cut, so that the client does not take it for a whole one.
func (s *Server) fail(t *tracked, err error) {
	if t.wrote {
		panic(http.ErrAbortHandler)
	}
	p := ProblemOf(err)
	if p.Status == http.StatusInternalServerError {
		s.log.Error("request failed", "error", err)
	}
	if p.Status == http.StatusServiceUnavailable {
		t.Header().Set("Retry-After", "1")
	}
	body, encodeErr := encodeJSON(newErrorJSON(err))
	if encodeErr != nil {
		panic(http.ErrAbortHandler)
	}
	t.Header().Set("Content-Type", "application/json")
	t.Header().Set("Content-Length", strconv.Itoa(len(body)))
	t.WriteHeader(p.Status)
	if _, writeErr := t.Write(body); writeErr != nil {
		s.log.Debug("error not delivered", "error", writeErr)
	}
}

func newErrorJSON(err error) *ErrorJSON {
	return &ErrorJSON{Code: ProblemOf(err).Code, Message: err.Error()}
}

// encodeJSON encodes on one line and leaves '<', '>' and '&' as they are.
func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encode json: %w", err)
	}
	return buf.Bytes(), nil
}

func writeJSON(w *tracked, v any) error {
	body, err := encodeJSON(v)
	if err != nil {
		return err
	}
	return writeBytes(w, "application/json", body)
}

func writeBytes(w *tracked, contentType string, body []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// readBody reads at most limit bytes and returns tooLarge when there are more.
func readBody(w *tracked, r *http.Request, limit int, tooLarge error) ([]byte, error) {
	if r.ContentLength > int64(limit) {
		return nil, fmt.Errorf("%w: got %d bytes", tooLarge, r.ContentLength)
	}
	body, err := w.readAll(http.MaxBytesReader(w, r.Body, int64(limit)), r.ContentLength)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fmt.Errorf("%w: got more than %d bytes", tooLarge, limit)
	}
	if errors.Is(err, engine.ErrOverloaded) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: read body: %w", ErrBadRequest, err)
	}
	return body, nil
}

// readJSON decodes the body, strictly: unknown fields and trailing data are refused. An empty body leaves v as it is where that is optional.
func readJSON(w *tracked, r *http.Request, limit int, optional bool, v any) error {
	body, err := readBody(w, r, limit, ErrRequestTooLarge)
	if err != nil {
		return err
	}
	if optional && len(body) == 0 {
		return nil
	}
	if contentType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || contentType != "application/json" {
		return fmt.Errorf("%w, not %q", ErrBadMediaType, r.Header.Get("Content-Type"))
	}
	if err := w.hold(len(body)); err != nil { // what is decoded from it
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return asBadRequest(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: data after the JSON value", ErrBadRequest)
	}
	return nil
}

func asBadRequest(err error) error {
	if errors.Is(err, ErrBadRequest) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrBadRequest, err)
}

// boolParam reads a parameter that is true or false; absent is false.
func boolParam(r *http.Request, name string) (bool, error) {
	switch value := r.URL.Query().Get(name); value {
	case "":
		return false, nil
	case "true", "false":
		return value == "true", nil
	default:
		return false, fmt.Errorf("%w: %s is true or false, not %q", ErrBadRequest, name, value)
	}
}

// uintParam reads a parameter that is a whole number from 0; absent is 0.
func uintParam(r *http.Request, name string) (uint64, error) {
	value := r.URL.Query().Get(name)
	if value == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s is a whole number from 0, not %q", ErrBadRequest, name, value)
	}
	return n, nil
}
