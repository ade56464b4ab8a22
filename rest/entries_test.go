package rest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
)

func TestJSONCarriesAnyBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }))
		want := engine.Entry{Key: string(bytes.Draw(t, "key")), Value: bytes.Draw(t, "value"), Context: "c", State: engine.Kept}
		for _, value := range rapid.SliceOfN(bytes, 0, 3).Draw(t, "siblings") {
			want.Siblings = append(want.Siblings, engine.Version{Value: value, Stamp: 1 << 63, Dot: "d"})
		}
		if rapid.Bool().Draw(t, "deleted") {
			want.Siblings = append(want.Siblings, engine.Version{Deleted: true, Dot: "e"})
		}
		raw, err := json.Marshal(rest.NewEntryJSON(want))
		require.NoError(t, err)
		var body rest.EntryJSON
		require.NoError(t, json.Unmarshal(raw, &body))
		got, err := body.Entry()
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestTextThatJSONWouldRepairIsRefused(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	for _, c := range []struct {
		key  string
		code string
	}{
		{`"\ud800"`, "bad_request"},
		{`"\udc00x"`, "bad_request"},
		{`"\ud800\u0041"`, "bad_request"},
		{`"a\\\ud83d"`, "bad_request"},
		{"\"\xff\"", "bad_request"},
		{`1`, "bad_request"},
		{`null`, "bad_request"},
		{`"a", "key_base64": "YQ=="`, "bad_request"},
		{`"a", "kye": "b"`, "bad_request"},
	} {
		body := fmt.Sprintf(`{"entries":[{"value":"v","key":%s}]}`, c.key)
		got := do(t, addr, http.MethodPost, "/v1/tables/t/entries", body, "Content-Type", "application/json")
		require.Equal(t, http.StatusBadRequest, got.status, c.key)
		require.Equal(t, c.code, got.code(t), c.key)
	}
	for escaped, key := range map[string]string{`\ud83d\ude00`: "😀", `\ufffd`: "\ufffd", `\\ud800`: `\ud800`, `\u0000`: "\x00"} {
		body := fmt.Sprintf(`{"entries":[{"key":"%s","value":""}]}`, escaped)
		got := do(t, addr, http.MethodPost, "/v1/tables/t/entries", body, "Content-Type", "application/json; charset=utf-8")
		require.Equal(t, http.StatusOK, got.status, got.body)
		require.Equal(t, http.StatusOK, do(t, addr, http.MethodGet, rest.KeyPath("t", key), "").status, escaped)
	}
}

func TestABatchIsWhollyRightOrRefused(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	for _, c := range []struct{ target, body, contentType, code string }{
		{"entries", `{"entries":[{"key":"a","value":"1"},{"key":"b"}]}`, "application/json", "bad_request"},
		{"entries", `{"entries":[{"value":"1"}]}`, "application/json", "bad_request"},
		{"entries", `{"entries":[{"key":"a","value":"1"},{"key":"","value":"1"}]}`, "application/json", "bad_key"},
		{"entries", `{"entries":[]} {}`, "application/json", "bad_request"},
		{"entries", ``, "application/json", "bad_request"},
		{"entries", `{"entries":[]}`, "text/plain", "bad_media_type"},
		{"entries", `{"entries":[` + strings.Repeat(`{"key":"a","value":""},`, engine.MaxBatch) + `{"key":"a","value":""}]}`, "application/json", "request_too_large"},
		{"entries/delete", `{"keys":[{}]}`, "application/json", "bad_request"},
		{"entries/delete", `{"keys":"a"}`, "application/json", "bad_request"},
	} {
		got := do(t, addr, http.MethodPost, "/v1/tables/t/"+c.target, c.body, "Content-Type", c.contentType)
		require.Equal(t, c.code, got.code(t), "%.100s", c.body)
	}
	got := do(t, addr, http.MethodPost, "/v1/tables/t/entries", `{"entries":[]}`, "Content-Type", "application/json", "If-Match", `"a"`)
	require.Equal(t, "bad_request", got.code(t), "a condition on many keys")
	require.JSONEq(t, `{"entries":[]}`, do(t, addr, http.MethodGet, "/v1/tables/t/entries", "").body, "nothing was written")
}

func TestManyEntriesAreWrittenAndDeletedAtOnce(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	client := newClient(t, addr)
	kvs := []engine.KV{{Key: "a", Value: []byte("1")}, {Key: "\xff", Value: []byte("\xfe")}, {Key: "empty"}}
	first, err := client.Put(t.Context(), "t", kvs, rest.WithAck(engine.AckAll), rest.WithPrevious())
	require.NoError(t, err)
	require.Len(t, first.Contexts, 3)
	require.Equal(t, []engine.Entry{{Key: "a"}, {Key: "\xff"}, {Key: "empty"}}, first.Previous, "they were absent")
	second, err := client.Delete(t.Context(), "t", []string{"a", "\xff", "empty", "never"}, rest.WithPrevious())
	require.NoError(t, err)
	require.Equal(t, "1", string(second.Previous[0].Value))
	require.Equal(t, "\xfe", string(second.Previous[1].Value))
	require.Empty(t, second.Previous[2].Value)
	require.Len(t, second.Previous[2].Siblings, 1)
	require.Empty(t, second.Previous[3].Siblings)
}

func TestMatchStreamsWhatMatches(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	client := newClient(t, addr)
	_, err := client.Put(t.Context(), "t", []engine.KV{
		{Key: "a1", Value: []byte("x")}, {Key: "a2", Value: []byte("y")}, {Key: "b1", Value: []byte("x")},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"a1", "a2"}, keysOf(t, client, engine.Pattern{Key: "a*"}))
	require.Equal(t, []string{"a1"}, keysOf(t, client, engine.Pattern{Key: "a*", Value: "x"}))
	require.Equal(t, []string{"a1", "b1"}, keysOf(t, client, engine.Pattern{Key: "*", Value: "x"}))
	require.Equal(t, keysOf(t, client, engine.Pattern{Key: "*"}), keysOf(t, client, engine.Pattern{}), "an empty pattern matches everything")

	document := do(t, addr, http.MethodGet, "/v1/tables/t/entries", "")
	require.Equal(t, "application/json", document.header.Get("Content-Type"))
	var body rest.EntriesJSON
	require.NoError(t, json.Unmarshal([]byte(document.body), &body))
	require.Len(t, body.Entries, 3)
	lines := do(t, addr, http.MethodGet, "/v1/tables/t/entries", "", "Accept", "application/x-ndjson")
	require.Equal(t, 3, strings.Count(lines.body, "\n"))
	empty := do(t, addr, http.MethodGet, "/v1/tables/t/entries?key=no", "", "Accept", "application/x-ndjson")
	require.Equal(t, http.StatusOK, empty.status)
	require.Empty(t, empty.body)
}

func keysOf(t *testing.T, client *rest.Client, p engine.Pattern) []string {
	t.Helper()
	var keys []string
	for e, err := range client.Match(t.Context(), "t", p) {
		require.NoError(t, err)
		keys = append(keys, e.Key)
	}
	return keys
}

func TestAMatchThatFailsIsNeverTakenForAWholeOne(t *testing.T) {
	t.Parallel()
	store, _ := table(t)
	_, err := store.Put(t.Context(), "t", []engine.KV{{Key: "a", Value: make([]byte, 64<<10)}})
	require.NoError(t, err)
	addr := start(t, failing{store})
	var keys []string
	var failure error
	for e, err := range newClient(t, addr).Match(t.Context(), "t", engine.Pattern{Key: "*"}) {
		if err != nil {
			failure = err
			continue
		}
		keys = append(keys, e.Key)
	}
	require.Equal(t, []string{"a"}, keys)
	require.ErrorIs(t, failure, engine.ErrOverloaded)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/v1/tables/t/entries", http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		err = errors.Join(json.NewDecoder(resp.Body).Decode(&rest.EntriesJSON{}), resp.Body.Close())
	}
	require.Error(t, err, "a document that cannot be finished is cut")

	early := do(t, addr, http.MethodGet, "/v1/tables/u/entries", "")
	require.Equal(t, http.StatusNotFound, early.status, "an error before the first entry is a status")
	for _, err := range newClient(t, addr).Match(t.Context(), "t", engine.Pattern{Key: `\`}) {
		require.ErrorIs(t, err, engine.ErrBadPattern)
	}
}
