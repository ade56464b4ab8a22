package rest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
	"github.com/kvnode/kvnode/rest/resttest"
)

// hostileKeys are those that path cleaning, percent-decoding, JSON or a terminal would change.
func hostileKeys() []string {
	return []string{
		"k", "a/b", "/", "//", "a//b", "/a", "a/", ".", "..", "../x", "a/../b", "./a", "a/.", "...", "%", "%2F", "%2e%2e", "a%00b", "a b", "a+b",
		"?", "a?b=c", "#", "a#b", ";", "a;b", "&", "=", "\x00", "\n", "\xff\xfe", "\xed\xa0\x80", "é", "日本", "\u2028", `\`, `"`, "<script>", ":",
		"keys/", "entries", "~", "*", strings.Repeat("x", engine.MaxKeyBytes), strings.Repeat("\xff", engine.MaxKeyBytes),
	}
}

func TestEveryKeySurvivesEverySurface(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	client := newClient(t, addr)
	for _, key := range hostileKeys() {
		written, err := client.Put(t.Context(), "t", []engine.KV{{Key: key, Value: []byte(key)}})
		require.NoError(t, err, "%q", key)
		require.Equal(t, 1, written.Acked)
		stored, err := store.Get(t.Context(), "t", key)
		require.NoError(t, err, "%q", key)
		require.Equal(t, key, string(stored.Value))

		got, err := client.Get(t.Context(), "t", key)
		require.NoError(t, err, "%q", key)
		require.Equal(t, stored, got)
		raw := do(t, addr, http.MethodGet, rest.KeyPath("t", key), "")
		require.Equal(t, http.StatusOK, raw.status, "%q", key)
		require.Equal(t, key, raw.body)
		raw = do(t, addr, http.MethodGet, "/v1/tables/t/keys?key="+url.QueryEscape(key), "")
		require.Equal(t, key, raw.body)
	}
	keys := map[string]bool{}
	for e, err := range client.Match(t.Context(), "t", engine.Pattern{Key: "*"}) {
		require.NoError(t, err)
		require.Equal(t, e.Key, string(e.Value))
		keys[e.Key] = true
	}
	require.Len(t, keys, len(hostileKeys()))
	written, err := client.Delete(t.Context(), "t", hostileKeys(), rest.WithPrevious())
	require.NoError(t, err)
	for i, previous := range written.Previous {
		require.Equal(t, hostileKeys()[i], string(previous.Value))
	}
	info, err := client.Table(t.Context(), "t")
	require.NoError(t, err)
	require.Zero(t, info.Keys)
}

func TestAnUncleanPathIsAKeyAndNotARedirect(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	for target, key := range map[string]string{
		"a//b": "a//b", "a/../b": "a/../b", "../x": "../x", "..": "..", ".": ".", "/": "/", "a/": "a/", "%2e%2e%2Fx": "../x", "%252F": "%2F", "a+b": "a+b",
	} {
		got := do(t, addr, http.MethodPut, "/v1/tables/t/keys/"+target, target)
		require.Equal(t, http.StatusOK, got.status, target)
		e, err := store.Get(t.Context(), "t", key)
		require.NoError(t, err, target)
		require.Equal(t, target, string(e.Value))
	}
}

func FuzzKeyPathRoundTrip(f *testing.F) {
	for _, key := range hostileKeys() {
		f.Add("t", key)
	}
	f.Add("a/b", "../x")
	store := resttest.New()
	server, err := rest.NewServer(rest.Config{Store: seen{store}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, table, key string) {
		if table == "" || table == "." || table == ".." {
			table = "t" // no table has such a name
		}
		recorder := newRecorder()
		server.ServeHTTP(recorder, newRequest(t, http.MethodGet, rest.KeyPath(table, key)))
		require.Equal(t, http.StatusOK, recorder.Code)
		require.Equal(t, table+"\x00"+key, recorder.Body.String())
	})
}

func TestAnETagIsTheContextOfTheRead(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	put := do(t, addr, http.MethodPut, "/v1/tables/t/keys/k", "1")
	require.Equal(t, http.StatusOK, put.status)
	read := do(t, addr, http.MethodGet, "/v1/tables/t/keys/k", "")
	require.Equal(t, "1", read.body)
	require.Equal(t, "application/octet-stream", read.header.Get("Content-Type"))
	require.Equal(t, "nosniff", read.header.Get("X-Content-Type-Options"))
	require.Equal(t, "single", read.header.Get("Kvnode-State"))
	require.Equal(t, "1", read.header.Get("Kvnode-Siblings"))
	require.Equal(t, `"`+read.header.Get("Kvnode-Context")+`"`, read.header.Get("ETag"))
	require.Equal(t, put.header.Get("ETag"), read.header.Get("ETag"))

	tag := read.header.Get("ETag")
	for _, header := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
		same := do(t, addr, http.MethodGet, "/v1/tables/t/keys/k", "", "If-None-Match", header)
		require.Equal(t, http.StatusNotModified, same.status, header)
		require.Empty(t, same.body)
		require.Equal(t, tag, same.header.Get("ETag"))
	}
	changed := do(t, addr, http.MethodPut, "/v1/tables/t/keys/k", "2", "If-Match", tag)
	require.Equal(t, http.StatusOK, changed.status)
	read = do(t, addr, http.MethodGet, "/v1/tables/t/keys/k", "", "If-None-Match", tag)
	require.Equal(t, http.StatusOK, read.status)
	require.Equal(t, "2", read.body)
	late := do(t, addr, http.MethodPut, "/v1/tables/t/keys/k", "3", "If-Match", tag)
	require.Equal(t, http.StatusPreconditionFailed, late.status)
	require.Equal(t, "conflict", late.code(t))
	late = do(t, addr, http.MethodDelete, "/v1/tables/t/keys/k", "", "If-Match", tag)
	require.Equal(t, http.StatusPreconditionFailed, late.status)
}

func TestAnOtherViewOfTheSameVersionsHasAnOtherETagAndTheSameContext(t *testing.T) {
	t.Parallel()
	store, _ := table(t)
	view := &judged{Store: store}
	addr := start(t, view)
	conflict(t, store)
	view.judge(engine.Kept, "latest")
	kept := do(t, addr, http.MethodGet, "/v1/tables/t/keys/k", "")
	view.judge(engine.Resolved, "merged")
	resolved := do(t, addr, http.MethodGet, "/v1/tables/t/keys/k", "", "If-None-Match", kept.header.Get("ETag"))
	require.Equal(t, http.StatusOK, resolved.status, "a new handler shows another value: not 304")
	require.Equal(t, "merged", resolved.body)
	require.Equal(t, kept.header.Get("Kvnode-Context"), resolved.header.Get("Kvnode-Context"))
	written := do(t, addr, http.MethodPut, "/v1/tables/t/keys/k", "settled", "If-Match", kept.header.Get("ETag"))
	require.Equal(t, http.StatusOK, written.status, "the versions are the same, so the write is not late")
}

func TestAWriteWithAContextKeepsWhatTheReaderHadNotSeen(t *testing.T) {
	t.Parallel()
	store, addr := table(t)
	conflict(t, store)
	got := do(t, addr, http.MethodGet, "/v1/tables/t/keys/k?siblings=true", "")
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, "kept", got.header.Get("Kvnode-State"))
	require.Equal(t, "2", got.header.Get("Kvnode-Siblings"))
	var body rest.EntryJSON
	require.NoError(t, json.Unmarshal([]byte(got.body), &body))
	e, err := body.Entry()
	require.NoError(t, err)
	require.Len(t, e.Siblings, 2)
	require.Equal(t, "one", string(e.Siblings[0].Value))
	require.Equal(t, "\xfftwo", string(e.Siblings[1].Value))
	require.Contains(t, got.body, `"value":"one"`)
	require.Contains(t, got.body, `"value_base64":"/3R3bw=="`)
}

func TestStarsInPreconditionsAskForExistence(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	const path = "/v1/tables/t/keys/k"
	missing := do(t, addr, http.MethodPut, path, "1", "If-Match", "*")
	require.Equal(t, http.StatusPreconditionFailed, missing.status)
	created := do(t, addr, http.MethodPut, path, "1", "If-None-Match", "*")
	require.Equal(t, http.StatusOK, created.status)
	again := do(t, addr, http.MethodPut, path, "2", "If-None-Match", "*")
	require.Equal(t, http.StatusPreconditionFailed, again.status)
	require.Equal(t, "conflict", again.code(t))
	there := do(t, addr, http.MethodPut, path, "3", "If-Match", "*")
	require.Equal(t, http.StatusOK, there.status)
	require.Equal(t, "3", do(t, addr, http.MethodGet, path, "").body)
}

func TestAnAbsentKeyHasAContextToWriteWith(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	client := newClient(t, addr)
	e, err := client.Get(t.Context(), "t", "k")
	require.ErrorIs(t, err, engine.ErrNotFound)
	require.NotEmpty(t, e.Context)
	_, err = client.Put(t.Context(), "t", []engine.KV{{Key: "k", Value: []byte("1")}}, rest.IfUnchanged(e.Context))
	require.NoError(t, err)
	_, err = client.Put(t.Context(), "t", []engine.KV{{Key: "k", Value: []byte("2")}}, rest.IfUnchanged(e.Context))
	require.ErrorIs(t, err, engine.ErrConflict)
	_, err = client.Put(t.Context(), "t", []engine.KV{{Key: "k", Value: []byte("2")}}, rest.IfAbsent())
	require.ErrorIs(t, err, engine.ErrConflict)
	_, err = client.Put(t.Context(), "t", []engine.KV{{Key: "k", Value: []byte("2")}}, rest.WithContext(e.Context), rest.WithAck(engine.AckLocal))
	require.NoError(t, err)
	e, err = client.Get(t.Context(), "t", "k")
	require.NoError(t, err)
	require.Len(t, e.Siblings, 2)
}

func TestAKeyThatTheHandlerDeletesIsAbsentButItsSiblingsCanBeSeen(t *testing.T) {
	t.Parallel()
	store, _ := table(t)
	view := &judged{Store: store}
	addr := start(t, view)
	conflict(t, store)
	view.judge(engine.Resolved, "")
	require.Equal(t, "not_found", do(t, addr, http.MethodGet, "/v1/tables/t/keys/k", "").code(t))
	e, err := newClient(t, addr).Get(t.Context(), "t", "k")
	require.ErrorIs(t, err, engine.ErrNotFound)
	require.True(t, e.Deleted)
	require.Len(t, e.Siblings, 2)
	require.Nil(t, e.Value)
}

func TestRequestsThatWouldBeMisunderstoodAreRefused(t *testing.T) {
	t.Parallel()
	_, addr := table(t)
	const key = "/v1/tables/t/keys/k"
	for name, c := range map[string]struct {
		method, target, body string
		headers              []string
		status               int
		code                 string
	}{
		"misspelt parameter":               {http.MethodPut, key + "?aks=all", "", nil, 400, "bad_request"},
		"parameter twice":                  {http.MethodPut, key + "?ack=one&ack=all", "", nil, 400, "bad_request"},
		"semicolon in query":               {http.MethodPut, key + "?ack=one;x", "", nil, 400, "bad_request"},
		"unknown level":                    {http.MethodPut, key + "?ack=most", "", nil, 400, "bad_request"},
		"not a boolean":                    {http.MethodGet, key + "?siblings=yes", "", nil, 400, "bad_request"},
		"unquoted tag":                     {http.MethodPut, key, "", []string{"If-Match", "abc"}, 400, "bad_request"},
		"weak tag":                         {http.MethodPut, key, "", []string{"If-Match", `W/"abc"`}, 400, "bad_request"},
		"two tags":                         {http.MethodPut, key, "", []string{"If-Match", `"a", "b"`}, 400, "bad_request"},
		"tag in If-None-Match":             {http.MethodPut, key, "", []string{"If-None-Match", `"a"`}, 400, "bad_request"},
		"two conditions":                   {http.MethodPut, key, "", []string{"If-Match", `"a"`, "Kvnode-Context", "a"}, 400, "bad_request"},
		"foreign context":                  {http.MethodPut, key, "", []string{"Kvnode-Context", "!"}, 400, "bad_context"},
		"foreign tag":                      {http.MethodPut, key, "", []string{"If-Match", `"!"`}, 400, "bad_context"},
		"empty key":                        {http.MethodPut, "/v1/tables/t/keys/", "", nil, 400, "bad_key"},
		"no key":                           {http.MethodPut, "/v1/tables/t/keys", "", nil, 400, "bad_key"},
		"key in path and query":            {http.MethodPut, key + "?key=k", "", nil, 400, "bad_request"},
		"long key":                         {http.MethodPut, "/v1/tables/t/keys/" + strings.Repeat("x", 1025), "", nil, 400, "bad_key"},
		"no table":                         {http.MethodGet, "/v1/tables/u/keys/k", "", nil, 404, "no_table"},
		"no resource":                      {http.MethodGet, "/v2", "", nil, 404, "no_resource"},
		"table's unknown part":             {http.MethodGet, "/v1/tables/t/rows", "", nil, 404, "no_resource"},
		"method":                           {http.MethodPatch, key, "", nil, 405, "bad_method"},
		"clearing what looks like a match": {http.MethodDelete, "/v1/tables/t/entries?key=a*", "", nil, 400, "bad_request"},
		"web page of another origin":       {http.MethodPut, key, "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross_origin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := do(t, addr, c.method, c.target, c.body, c.headers...)
			require.Equal(t, c.status, got.status, got.body)
			require.Equal(t, c.code, got.code(t), got.body)
		})
	}
	require.Equal(t, "DELETE, GET, PUT", do(t, addr, http.MethodPatch, key, "").header.Get("Allow"))
}
