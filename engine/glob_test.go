package engine

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// quote makes a pattern that matches exactly this text.
func quote(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if strings.IndexByte(`*?[]\`, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func TestQuotedTextMatchesItselfOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		other := string(rapid.SliceOf(rapid.Byte()).Draw(t, "other"))
		g, err := parseGlob(quote(text))
		require.NoError(t, err)
		require.True(t, g.match(text))
		require.Equal(t, text == other, g.match(other))
		require.Equal(t, text, g.prefix())
	})
}

func TestStarMatchesAnyTextBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringMatching(`[ab*]{0,3}`), 1, 5).Draw(t, "parts")
		fill := rapid.SliceOfN(rapid.StringMatching(`[abc]{0,4}`), len(parts), len(parts)).Draw(t, "fill")
		var pattern, text strings.Builder
		for i, part := range parts {
			pattern.WriteString(quote(part) + "*")
			text.WriteString(part + fill[i])
		}
		g, err := parseGlob(pattern.String())
		require.NoError(t, err)
		require.True(t, g.match(text.String()), "%q %q", &pattern, &text)
	})
}

func FuzzGlobIsRefusedOrMatchesTextThatHasItsPrefix(f *testing.F) {
	f.Add("user/*", "user/1")
	f.Add("[^a-z]?", "1x")
	f.Add(`\`, "")
	f.Add("[]", "]")
	f.Add("[\xff-\xfe]", "\xff")
	f.Add("*a*a*a*a*a*a*a*a*b", strings.Repeat("a", 100))
	f.Fuzz(func(t *testing.T, pattern, text string) {
		g, err := parseGlob(pattern)
		if err != nil {
			require.ErrorIs(t, err, ErrBadPattern)
			return
		}
		if g.match(text) {
			require.True(t, strings.HasPrefix(text, g.prefix()))
		}
	})
}

func FuzzValuePatternIsRefusedOrMatchesItself(f *testing.F) {
	f.Add(`{"a":[1,"_"]}`, `{"a":[1,{}]}`)
	f.Add(`[1e400]`, `[1e400]`)
	f.Add(`{"a":1e999999999}`, `{"a":1e999999998}`)
	f.Add(`{"a":-0}`, `{"a":0.0}`)
	f.Add(strings.Repeat("[", 10_001), strings.Repeat("[", 10_001))
	f.Fuzz(func(t *testing.T, pattern, value string) {
		m, err := Pattern{Value: pattern}.compile()
		if err != nil {
			require.ErrorIs(t, err, ErrBadPattern)
			return
		}
		if json.Valid([]byte(pattern)) && pattern[0] == '{' {
			require.True(t, m.value([]byte(pattern)))
		}
		if m.value([]byte(value)) && strings.HasPrefix(pattern, "{") {
			require.Equal(t, byte('{'), bytes.TrimLeft([]byte(value), " \t\r\n")[0])
		}
	})
}
