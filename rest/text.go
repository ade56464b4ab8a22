package rest

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text is a JSON string that is the same bytes after decoding as before encoding. encoding/json would put U+FFFD where the text is not Unicode.
type text string

// UnmarshalJSON refuses strings that cannot be decoded without changing them.
func (t *text) UnmarshalJSON(raw []byte) error {
	if len(raw) == 0 || raw[0] != '"' {
		return fmt.Errorf("%w: %.20s is not a string", ErrBadRequest, raw)
	}
	if !utf8.Valid(raw) || hasLoneSurrogate(string(raw)) {
		return fmt.Errorf("%w: a string is not valid Unicode: send arbitrary bytes in the field that ends in _base64", ErrBadRequest)
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	*t = text(s)
	return nil
}

// hasLoneSurrogate finds a \u escape of half a character in the inside of a JSON string, which is known to be well-formed.
func hasLoneSurrogate(s string) bool {
	for {
		at := strings.IndexByte(s, '\\')
		if at < 0 || at+1 >= len(s) {
			return false
		}
		s = s[at:]
		unit, ok := escapedUnit(s)
		switch {
		case !ok:
			s = s[2:]
		case !utf16.IsSurrogate(unit):
			s = s[6:]
		default:
			low, _ := escapedUnit(s[6:])
			if utf16.DecodeRune(unit, low) == utf8.RuneError {
				return true
			}
			s = s[12:]
		}
	}
}

// escapedUnit reads the UTF-16 unit of an escape like \ud83d at the beginning of s.
func escapedUnit(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var unit rune
	for _, c := range []byte(s[2:6]) {
		unit = unit<<4 | rune(hexDigit(c))
	}
	return unit, true
}

func hexDigit(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}

// pack splits bytes into the two fields of the JSON rule; nil bytes are in neither.
func pack(b []byte) (*text, []byte) {
	if b == nil {
		return nil, nil
	}
	if !utf8.Valid(b) {
		return nil, b
	}
	t := text(b)
	return &t, nil
}

// unpack is the inverse of pack. The result is nil when both fields are absent.
func unpack(field string, t *text, b64 []byte) ([]byte, error) {
	switch {
	case t != nil && b64 != nil:
		return nil, fmt.Errorf("%w: give %s or %s_base64, not both", ErrBadRequest, field, field)
	case t != nil:
		return []byte(*t), nil
	default:
		return b64, nil
	}
}
