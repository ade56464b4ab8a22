package rest

import (
	"net/http"

	"github.com/kvnode/kvnode/engine"
)

// MembersJSON is the list of known nodes.
type MembersJSON struct {
	Members []engine.Member `json:"members"`
}

// HealthJSON is the answer of the health checks.
type HealthJSON struct {
	Status string `json:"status"`
}

func (s *Server) members(w *tracked, r *http.Request) error {
	members, err := s.store.Members(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, MembersJSON{Members: orEmpty(members)})
}

func (s *Server) forgetMember(w *tracked, r *http.Request) error {
	if err := s.store.Forget(r.Context(), r.PathValue("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) status(w *tracked, r *http.Request) error {
	status, err := s.store.Status(r.Context())
	if err != nil {
		return err
	}
	status.Members = orEmpty(status.Members)
	return writeJSON(w, status)
}

func (s *Server) metrics(w *tracked, r *http.Request) error {
	s.config.Metrics.ServeHTTP(w, r)
	return nil
}

// healthz says that the process answers.
func (s *Server) healthz(w *tracked, _ *http.Request) error {
	return writeJSON(w, HealthJSON{Status: "ok"})
}

// readyz says whether the node answers from its own data.
func (s *Server) readyz(w *tracked, _ *http.Request) error {
	if !s.store.Ready() {
		return engine.ErrNotReady
	}
	return writeJSON(w, HealthJSON{Status: "ready"})
}
