package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
)

var (
	errGlobBackslash = errors.New("it ends in a backslash; write \\\\ for one")
	errGlobBracket   = errors.New("'[' without ']'; write \\[ for the bracket itself")
	errGlobRange     = errors.New("a range in brackets goes from low to high")
)

// matcher is a compiled Pattern.
type matcher struct {
	key   glob
	value func([]byte) bool
}

// compile refuses a bad pattern with ErrBadPattern. An empty key pattern matches every key.
func (p Pattern) compile() (matcher, error) {
	if p.Key == "" {
		p.Key = "*"
	}
	key, err := parseGlob(p.Key)
	if err != nil {
		return matcher{}, err
	}
	value, err := compileValue(p.Value)
	return matcher{key: key, value: value}, err
}

func compileValue(pattern string) (func([]byte) bool, error) {
	switch {
	case pattern == "":
		return func([]byte) bool { return true }, nil
	case pattern[0] == '{', pattern[0] == '[' && json.Valid([]byte(pattern)):
		want, err := parseJSON([]byte(pattern))
		if err != nil {
			return nil, fmt.Errorf("%w %q: no JSON: %w", ErrBadPattern, pattern, err)
		}
		return func(value []byte) bool {
			have, err := parseJSON(value)
			return err == nil && jsonMatches(want, have)
		}, nil
	}
	g, err := parseGlob(pattern)
	if err != nil {
		return nil, err
	}
	return func(value []byte) bool { return g.match(string(value)) }, nil
}

func parseJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

// jsonMatches says whether have is what the pattern asks for: "_" is anything, an object needs the named members only, a list all its elements.
func jsonMatches(want, have any) bool {
	switch w := want.(type) {
	case string:
		return w == "_" || w == have
	case map[string]any:
		h, ok := have.(map[string]any)
		return ok && objectMatches(w, h)
	case []any:
		h, ok := have.([]any)
		return ok && listMatches(w, h)
	case json.Number:
		h, ok := have.(json.Number)
		return ok && sameNumber(w, h)
	}
	return want == have
}

func objectMatches(want, have map[string]any) bool {
	for name, w := range want {
		h, ok := have[name]
		if !ok || !jsonMatches(w, h) {
			return false
		}
	}
	return true
}

func listMatches(want, have []any) bool {
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if !jsonMatches(want[i], have[i]) {
			return false
		}
	}
	return true
}

// maxExponentText bounds what is expanded to compare numbers exactly; longer ones are compared as text.
const maxExponentText = 40

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	if len(a) > maxExponentText || len(b) > maxExponentText {
		return false
	}
	x, _, errX := big.ParseFloat(string(a), 10, 256, big.ToNearestEven)
	y, _, errY := big.ParseFloat(string(b), 10, 256, big.ToNearestEven)
	return errX == nil && errY == nil && x.Cmp(y) == 0
}
