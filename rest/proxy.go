package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/kvnode/kvnode/engine"
)

// readyPatience is how long a request waits for a node that is not ready and knows nobody who is.
const readyPatience = 5 * time.Second

// passOn lets a ready peer answer while this node is not ready. Without one the request waits for a moment until this node is. A request that was passed
// on once already ends here: two nodes that each take the other for ready must not play ball with it.
func (s *Server) passOn(w *tracked, r *http.Request, handle handler) error {
	if r.Header.Get(headerProxied) != "" {
		return engine.ErrNotReady
	}
	addr, ok := s.store.ReadyPeer()
	if !ok {
		ctx, cancel := context.WithTimeout(r.Context(), readyPatience)
		defer cancel()
		if err := s.store.AwaitReady(ctx); err != nil {
			return err
		}
		return handle(w, r)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			// The path stays as it is, percent-encoding included: keys may hold anything.
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "http", addr, ""
			p.Out.Header.Set(headerProxied, "1")
			p.SetXForwarded()
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			s.fail(w, fmt.Errorf("%w (%s: %w)", ErrPeerFailed, addr, err))
		},
		Transport: s.peers,
		ErrorLog:  s.http.ErrorLog,
	}
	proxy.ServeHTTP(w, r)
	return nil
}
