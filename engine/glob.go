package engine

import (
	"fmt"
	"unicode/utf8"
)

// glob is a compiled pattern: '*' any text, '?' one character, '[a-z]' and '[^a-z]' classes, '\' quotes the next character. Text that is no
// UTF-8 is matched byte by byte.
type glob []globToken

type globToken struct {
	kind globKind
	char rune
	// ranges are pairs of a class.
	ranges []rune
}

type globKind byte

const (
	globChar globKind = iota
	globOne
	globStar
	globClass
	globNotClass
)

// parseGlob compiles a pattern; ErrBadPattern says where it is wrong.
func parseGlob(s string) (glob, error) {
	var g glob
	for rest := s; rest != ""; {
		t, n, err := nextToken(rest)
		if err != nil {
			return nil, fmt.Errorf("%w %q: %w", ErrBadPattern, s, err)
		}
		g = append(g, t)
		rest = rest[n:]
	}
	return g, nil
}

func nextToken(s string) (globToken, int, error) {
	switch s[0] {
	case '*':
		return globToken{kind: globStar}, 1, nil
	case '?':
		return globToken{kind: globOne}, 1, nil
	case '[':
		return classToken(s)
	case '\\':
		if len(s) == 1 {
			return globToken{}, 0, errGlobBackslash
		}
		r, n := decodeChar(s[1:])
		return globToken{char: r}, n + 1, nil
	}
	r, n := decodeChar(s)
	return globToken{char: r}, n, nil
}

// classToken compiles the bracket expression at the start of s.
func classToken(s string) (globToken, int, error) {
	t, i := globToken{kind: globClass}, 1
	if i < len(s) && (s[i] == '^' || s[i] == '!') {
		t.kind = globNotClass
		i++
	}
	for i < len(s) && (s[i] != ']' || len(t.ranges) == 0) {
		low, high, n, err := classRange(s[i:])
		if err != nil {
			return t, 0, err
		}
		t.ranges = append(t.ranges, low, high)
		i += n
	}
	if i >= len(s) {
		return t, 0, errGlobBracket
	}
	return t, i + 1, nil
}

// classRange reads one character or one range of a class.
func classRange(s string) (low, high rune, n int, err error) {
	low, n, err = classChar(s)
	if err != nil || n+1 >= len(s) || s[n] != '-' || s[n+1] == ']' {
		return low, low, n, err
	}
	high, m, err := classChar(s[n+1:])
	if err == nil && high < low {
		err = errGlobRange
	}
	return low, high, n + 1 + m, err
}

func classChar(s string) (rune, int, error) {
	if s[0] != '\\' {
		r, n := decodeChar(s)
		return r, n, nil
	}
	if len(s) == 1 {
		return 0, 0, errGlobBackslash
	}
	r, n := decodeChar(s[1:])
	return r, n + 1, nil
}

// invalidByte keeps bytes that are no UTF-8 apart from all characters.
const invalidByte = utf8.MaxRune + 1

func decodeChar(s string) (rune, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 {
		return invalidByte + rune(s[0]), 1
	}
	return r, n
}

// match says whether the whole text matches. Time is bounded by len(g) times len(text).
func (g glob) match(text string) bool {
	at, pos := 0, 0
	star, starPos := -1, 0
	for pos < len(text) {
		r, n := decodeChar(text[pos:])
		switch {
		case at < len(g) && g[at].kind == globStar:
			star, starPos = at, pos
			at++
		case at < len(g) && g[at].matches(r):
			at++
			pos += n
		case star >= 0:
			_, n = decodeChar(text[starPos:])
			starPos += n
			at, pos = star+1, starPos
		default:
			return false
		}
	}
	for at < len(g) && g[at].kind == globStar {
		at++
	}
	return at == len(g)
}

func (t globToken) matches(r rune) bool {
	switch t.kind {
	case globChar:
		return t.char == r
	case globOne:
		return true
	case globClass:
		return t.inClass(r)
	case globNotClass:
		return !t.inClass(r)
	case globStar:
		return false
	}
	return false
}

func (t globToken) inClass(r rune) bool {
	for i := 0; i < len(t.ranges); i += 2 {
		if t.ranges[i] <= r && r <= t.ranges[i+1] {
			return true
		}
	}
	return false
}

// prefix is the literal beginning: every match starts with it.
func (g glob) prefix() string {
	var b []byte
	for _, t := range g {
		if t.kind != globChar {
			break
		}
		if t.char > utf8.MaxRune {
			b = append(b, byte(t.char-invalidByte))
			continue
		}
		b = utf8.AppendRune(b, t.char)
	}
	return string(b)
}
