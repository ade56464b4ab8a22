package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
	"github.com/kvnode/kvnode/rest/resttest"
)

// start serves the store and returns the server's address. All traffic of http.DefaultTransport goes unchecked, that of a client from newClient
// is held against the OpenAPI document.
func start(tb testing.TB, store rest.Store, change ...func(*rest.Config)) string {
	tb.Helper()
	config := rest.Config{Store: store}
	for _, c := range change {
		c(&config)
	}
	server, err := rest.NewServer(config)
	require.NoError(tb, err)
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(tb, server.Close(ctx))
		require.NoError(tb, <-served)
	})
	return listener.Addr().String()
}

// table returns a store with the table t, and its server's address.
func table(t *testing.T) (*resttest.Store, string) {
	t.Helper()
	store := resttest.New()
	_, err := store.CreateTable(t.Context(), "t", engine.TableOptions{})
	require.NoError(t, err)
	return store, start(t, store)
}

// newClient returns a client whose requests and answers are held against the OpenAPI document.
func newClient(t *testing.T, addr string) *rest.Client {
	t.Helper()
	checked := httptest.NewServer(&checker{t: t, addr: addr, router: newRouter(t)})
	t.Cleanup(checked.Close)
	client, err := rest.NewClient(checked.URL)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(rest.OpenAPI()))
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	return doc
}

func newRouter(t *testing.T) routers.Router {
	t.Helper()
	router, err := gorillamux.NewRouter(document(t))
	require.NoError(t, err)
	return router
}

// checker stands between a client and a server and fails the test when either breaks the OpenAPI document.
type checker struct {
	t      *testing.T
	addr   string
	router routers.Router
}

func (c *checker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	input := c.checkRequest(r)
	r.Body = io.NopCloser(bytes.NewReader(body))
	resp := c.forward(r, int64(len(body)))
	if resp == nil {
		return
	}
	defer func() { _ = resp.Body.Close() }()
	streamed := strings.Contains(resp.Header.Get("Content-Type"), "x-ndjson")
	answer := io.Reader(resp.Body)
	if !streamed {
		whole, err := io.ReadAll(resp.Body)
		if err != nil {
			return
		}
		answer = bytes.NewReader(whole)
		c.checkResponse(input, resp, whole)
	}
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	c.copy(w, answer, streamed)
}

func (c *checker) checkRequest(r *http.Request) *openapi3filter.RequestValidationInput {
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		c.t.Errorf("%s %s is not described: %s", r.Method, r.URL, err)
		return nil
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, RejectWhenRequestBodyNotSpecified: r.ContentLength > 0},
	}
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
		c.t.Errorf("%s %s: %s", r.Method, r.URL, err)
	}
	return input
}

func (c *checker) forward(r *http.Request, length int64) *http.Response {
	out := r.Clone(r.Context())
	out.RequestURI, out.URL.Scheme, out.URL.Host, out.ContentLength = "", "http", c.addr, length
	resp, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		return nil
	}
	return resp
}

func (c *checker) checkResponse(input *openapi3filter.RequestValidationInput, resp *http.Response, body []byte) {
	if input == nil {
		return
	}
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header, Options: input.Options,
	}
	if err := openapi3filter.ValidateResponse(input.Request.Context(), output.SetBodyBytes(body)); err != nil {
		c.t.Errorf("answer to %s %s: %s", input.Request.Method, input.Request.URL, err)
	}
}

// copy passes streams on line by line, each held against the schema of a change or an entry.
func (c *checker) copy(w http.ResponseWriter, body io.Reader, lines bool) {
	if !lines {
		_, _ = io.Copy(w, body)
		return
	}
	schemas := c.document().Components.Schemas
	flush := http.NewResponseController(w).Flush
	_ = flush()
	for decoder := json.NewDecoder(body); ; {
		var raw json.RawMessage
		if decoder.Decode(&raw) != nil {
			return
		}
		var line map[string]any
		if err := json.Unmarshal(raw, &line); err != nil {
			c.t.Errorf("line %s: %s", raw, err)
		}
		schema := schemas["Entry"]
		if _, ok := line["type"]; ok {
			schema = schemas["Change"]
		} else if _, ok := line["level"]; ok {
			schema = schemas["LogLine"]
		}
		if err := schema.Value.VisitJSON(line); err != nil {
			c.t.Errorf("line %s: %s", raw, err)
		}
		if _, err := w.Write(append(raw, '\n')); err != nil {
			return
		}
		_ = flush()
	}
}

func (c *checker) document() *openapi3.T {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(rest.OpenAPI()))
	if err != nil {
		c.t.Errorf("document: %s", err)
	}
	return doc
}

// answer is what a plain HTTP request brought back.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request as it is written: the target is not cleaned, the headers are pairs.
func do(t *testing.T, addr, method, target, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+target, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(raw)}
}

// code is the code of an error's body.
func (a answer) code(t *testing.T) string {
	t.Helper()
	var body rest.ErrorJSON
	require.NoError(t, json.Unmarshal([]byte(a.body), &body), a.body)
	require.NotEmpty(t, body.Message)
	return body.Code
}
