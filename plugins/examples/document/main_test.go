package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

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
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", `{} {}`, `{}`)).String(), `fail "version 0 is no JSON: something follows`)
}

func TestDeepDocumentsAreRefused(t *testing.T) {
	nested := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", `{}`, nested(100))).String(), "set ")
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", `{}`, nested(101))).String(), `fail "version 1 is no JSON: it is nested deeper`)
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", `{}`, strings.Repeat(`{"a":`, 2000))).String(), `fail "version 1 is no JSON: it is nested deeper`)
	text := `{"a":"` + strings.Repeat(`[\"`, 200) + `"}`
	require.Contains(t, mergeDocuments(sdk.NewConflict("doc", text, text)).String(), "set ", "brackets in a string do not nest")
}
