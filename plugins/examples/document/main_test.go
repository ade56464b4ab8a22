package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kvnode/kvnode/plugins/sdk"
)

func TestEachSideKeepsWhatItAloneHasChanged(t *testing.T) {
	c := sdk.NewConflict("doc", `{"title":"new","tags":["a"],"size":1.0}`, `{"title":"old","tags":["a","b"],"size":1.0}`).
		WithBase(`{"title":"old","tags":["a"],"size":1.0}`)
	require.Equal(t, `set "{\"size\":1.0,\"tags\":[\"a\",\"b\"],\"title\":\"new\"}"`, mergeDocuments(c).String())
}

func TestTheMergeIsTheSameInAnyOrderWhereTheSidesChangedDifferentFields(t *testing.T) {
	const base, left, right = `{"a":1,"b":{"c":1,"d":1}}`, `{"a":2,"b":{"c":1,"d":1}}`, `{"a":1,"b":{"c":2}}`
	want := `set "{\"a\":2,\"b\":{\"c\":2}}"`
	require.Equal(t, want, mergeDocuments(sdk.NewConflict("doc", left, right).WithBase(base)).String())
	require.Equal(t, want, mergeDocuments(sdk.NewConflict("doc", right, left).WithBase(base)).String())
}

func TestADeletedDocumentStaysDeletedUnlessItWasChangedElsewhere(t *testing.T) {
	c := sdk.NewConflict("doc", `{"a":1}`, ``).WithBase(`{"a":1}`)
	c.Versions[1].Deleted = true
	require.Equal(t, "delete", mergeDocuments(c).String())
	c.Versions[0].Value = []byte(`{"a":2}`)
	require.Equal(t, `set "{\"a\":2}"`, mergeDocuments(c).String())
}

func TestVersionsThatAreNoJSONAreNotMerged(t *testing.T) {
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", `{}`, `{`)).String(), `fail "version 1 is no JSON: `)
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", `{} {}`, `{}`)).String(), `fail "version 0 is no JSON: it is not well formed`)
}

func TestWhatIsReadIsWhatPackageJSONReads(t *testing.T) {
	token := rapid.SampledFrom([]string{
		"{", "}", "[", "]", ":", ",", `"a"`, `"b\n\u00e9\""`, `"\x"`, "\"\x01\"", `"\u12g4"`, "0", "-1", "01", "1.50", "1.", "2e+9", "E1", "-", "true", "null", "nul", " ", "\n", "é",
		`"k":1`, `{"k":[1,{}]}`, `"`,
	})
	seen := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(token, 0, 6).Draw(t, "tokens"), "")
		var want bytes.Buffer
		wantErr := json.Compact(&want, []byte(text))
		got, err := parse([]byte(text))
		require.Equal(t, wantErr == nil, err == nil, text)
		if err == nil {
			require.Equal(t, want.String(), string(got))
		}
		seen[err == nil]++
	})
	require.Positive(t, seen[true])
	require.Positive(t, seen[false])
}

func TestLargeDocumentsAreRefused(t *testing.T) {
	half := `"` + strings.Repeat("x", maxBytes/2-2) + `"`
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", half, half)).String(), "set ")
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", half, half+" ")).String(), "too much to merge")
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", half, "1").WithBase(half)).String(), "too much to merge")
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", make([]string, maxVersions+1)...)).String(), "too much to merge")
}

func TestDeepDocumentsAreRefused(t *testing.T) {
	nested := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", `{}`, nested(100))).String(), "set ")
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", `{}`, nested(101))).String(), `fail "version 1 is no JSON: it is nested deeper`)
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", `{}`, strings.Repeat(`{"a":`, 2000))).String(), `fail "version 1 is no JSON: it is nested deeper`)
	text := `{"a":"` + strings.Repeat(`[\"`, 200) + `"}`
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", text, text)).String(), "set ", "brackets in a string do not nest")
}
