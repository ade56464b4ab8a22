package rest

import (
	"fmt"
	"net/http"
	"net/http/httputil"

	"github.com/kvnode/kvnode/engine"
)

// passOn lets a ready peer answer while this node is not ready. A request that was passed on once already stays here: two nodes that each take
// the other for ready must not play ball with it.
func (s *Server) passOn(w *tracked, r *http.Request) error {
	if r.Header.Get(headerProxied) != "" {
		return engine.ErrNotReady
	}
	addr, ok := s.store.ReadyPeer()
	if !ok {
		return engine.ErrNotReady
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
