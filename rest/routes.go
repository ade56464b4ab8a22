package rest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// handler answers a request, or returns an error before it has begun to.
type handler func(w *tracked, r *http.Request) error

// route is what one method does at one path.
type route struct {
	handle handler
	// query names the parameters that may be given, each at most once.
	query []string
	// here routes are about this node and are never passed on to a ready one.
	here bool
	// stream routes answer until the client leaves or the server closes.
	stream bool
}

// methods is one path: what each HTTP method does there.
type methods struct {
	server *Server
	routes map[string]route
}

// register fills the mux. The patterns carry no methods, so that a wrong one is answered in JSON as any other error.
func (s *Server) register() {
	single := func(query ...string) map[string]route {
		write := append([]string{"ack", "previous"}, query...)
		return map[string]route{
			http.MethodGet:    {handle: s.getKey, query: append([]string{"siblings"}, query...)},
			http.MethodPut:    {handle: s.putKey, query: write},
			http.MethodDelete: {handle: s.deleteKey, query: write},
		}
	}
	s.keys = methods{server: s, routes: single()}
	if s.config.Metrics != nil {
		s.mux.Handle("/metrics", methods{server: s, routes: map[string]route{http.MethodGet: {handle: s.metrics, here: true}}})
	}
	for pattern, routes := range map[string]map[string]route{
		"/v1/tables":              {http.MethodGet: {handle: s.listTables}},
		"/v1/tables/{table}":      {http.MethodGet: {handle: s.getTable}, http.MethodPut: {handle: s.putTable}, http.MethodDelete: {handle: s.dropTable}},
		"/v1/tables/{table}/keys": single("key"),
		"/v1/tables/{table}/entries": {
			http.MethodGet:    {handle: s.match, query: []string{"key", "value"}, stream: true},
			http.MethodPost:   {handle: s.putEntries, query: []string{"ack", "previous"}},
			http.MethodDelete: {handle: s.clearTable},
		},
		"/v1/tables/{table}/entries/delete": {http.MethodPost: {handle: s.deleteEntries, query: []string{"ack", "previous"}}},
		"/v1/tables/{table}/watch":          {http.MethodGet: {handle: s.watch, query: []string{"key", "value"}, stream: true}},
		"/v1/tables/{table}/handler":        {http.MethodPut: {handle: s.putHandler}, http.MethodDelete: {handle: s.disableHandler}},
		"/v1/tables/{table}/shadow": {
			http.MethodPut: {handle: s.putShadow}, http.MethodGet: {handle: s.getShadow}, http.MethodDelete: {handle: s.endShadow},
		},
		"/v1/tables/{table}/handler/rollback": {http.MethodPost: {handle: s.rollBack}},
		"/v1/plugins":                         {http.MethodGet: {handle: s.listPlugins}},
		"/v1/plugins/{name}": {
			http.MethodGet:    {handle: s.getPlugin},
			http.MethodDelete: {handle: s.removePlugin},
			http.MethodPut:    {handle: s.putPlugin, query: []string{"memory_bytes", "fuel", "output_bytes", "reset"}},
		},
		"/v1/tables/{table}/settle":  {http.MethodPost: {handle: s.settle}},
		"/v1/replay":                 {http.MethodPost: {handle: s.replay}},
		"/v1/logs":                   {http.MethodGet: {handle: s.logs, query: []string{"plugin", "follow"}, here: true, stream: true}},
		"/v1/conflicts":              {http.MethodGet: {handle: s.listConflicts, query: []string{"table", "open", "limit"}}},
		"/v1/conflicts/{id}":         {http.MethodGet: {handle: s.getConflict}},
		"/v1/conflicts/{id}/resolve": {http.MethodPost: {handle: s.resolveConflict}},
		"/v1/cluster/members":        {http.MethodGet: {handle: s.members, here: true}},
		"/v1/cluster/members/{name}": {http.MethodDelete: {handle: s.forgetMember}},
		"/v1/cluster/status":         {http.MethodGet: {handle: s.status, here: true}},
		"/v1/openapi.yaml":           {http.MethodGet: {handle: openAPI, here: true}},
		"/healthz":                   {http.MethodGet: {handle: s.healthz, here: true}},
		"/readyz":                    {http.MethodGet: {handle: s.readyz, here: true}},
		"/":                          {},
	} {
		s.mux.Handle(pattern, methods{server: s, routes: routes})
	}
}

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t, ok := w.(*tracked)
	if !ok {
		panic("rest: the writer is not the server's")
	}
	if err := m.serve(t, r); err != nil {
		m.server.fail(t, err)
	}
}

func (m methods) serve(t *tracked, r *http.Request) error {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	rt, ok := m.routes[method]
	if !ok {
		return m.refuse(t, r)
	}
	if err := checkQuery(r.URL.RawQuery, rt.query); err != nil {
		return err
	}
	leave, err := m.server.admit(rt)
	if err != nil {
		return err
	}
	defer leave()
	if rt.stream {
		t.stream()
		ctx, cancel := m.server.untilClosing(r.Context())
		defer cancel()
		r = r.WithContext(ctx)
	}
	if !rt.here && !m.server.store.Ready() {
		return m.server.passOn(t, r, rt.handle)
	}
	return rt.handle(t, r)
}

func (m methods) refuse(t *tracked, r *http.Request) error {
	if len(m.routes) == 0 {
		return fmt.Errorf("%w: %s", ErrNoResource, r.URL.Path)
	}
	allowed := slices.Sorted(maps.Keys(m.routes))
	t.Header().Set("Allow", strings.Join(allowed, ", "))
	return fmt.Errorf("%w: %s %s", ErrBadMethod, r.Method, r.URL.Path)
}

// untilClosing ends the context when the server closes.
func (s *Server) untilClosing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-done
	}
}

// checkQuery refuses parameters that nothing would read: a misspelt ack level must not be a weaker one.
func checkQuery(raw string, known []string) error {
	if raw == "" {
		return nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return fmt.Errorf("%w: query: %w", ErrBadRequest, err)
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case !slices.Contains(known, name):
			problems = append(problems, fmt.Errorf("%w: unknown query parameter %q; known here: %q", ErrBadRequest, name, known))
		case len(query[name]) > 1:
			problems = append(problems, fmt.Errorf("%w: query parameter %q is given more than once", ErrBadRequest, name))
		}
	}
	return errors.Join(problems...)
}
