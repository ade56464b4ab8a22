package rest

import (
	"fmt"
	"net/http"

	"github.com/kvnode/kvnode/engine"
)

// ConflictsJSON is the journal of conflicts.
type ConflictsJSON struct {
	Conflicts []ConflictJSON `json:"conflicts"`
}

// ResolutionJSON is an engine.Resolution in JSON.
type ResolutionJSON struct {
	ValueJSON

	// Pick is the number of a version, counted from 1.
	Pick   int  `json:"pick,omitempty"`
	Delete bool `json:"delete,omitempty"`
}

// SettleJSON names the keys whose conflicts are to be settled, or all.
type SettleJSON struct {
	Keys []KeyJSON `json:"keys,omitempty"`
	All  bool      `json:"all,omitempty"`
}

func (s *Server) listConflicts(w *tracked, r *http.Request) error {
	opts, err := journalOptions(r)
	if err != nil {
		return err
	}
	conflicts, err := s.store.Conflicts(r.Context(), opts...)
	if err != nil {
		return err
	}
	body := ConflictsJSON{Conflicts: make([]ConflictJSON, len(conflicts))}
	for i, c := range conflicts {
		body.Conflicts[i] = NewConflictJSON(c)
	}
	return writeJSON(w, body)
}

// maxLimit bounds the parameter limit; the journal is shorter.
const maxLimit = 1 << 20

func journalOptions(r *http.Request) ([]engine.JournalOption, error) {
	open, err := boolParam(r, "open")
	if err != nil {
		return nil, err
	}
	limit, err := uintParam(r, "limit")
	if err != nil {
		return nil, err
	}
	opts := []engine.JournalOption{engine.OfTable(r.URL.Query().Get("table")), engine.AtMost(int(min(limit, maxLimit)))}
	if open {
		opts = append(opts, engine.OnlyOpen())
	}
	return opts, nil
}

func (s *Server) getConflict(w *tracked, r *http.Request) error {
	conflict, err := s.store.Conflict(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return writeJSON(w, NewConflictJSON(conflict))
}

// resolveConflict ends a conflict by hand.
func (s *Server) resolveConflict(w *tracked, r *http.Request) error {
	var body ResolutionJSON
	if err := readJSON(w, r, maxBatchBytes, false, &body); err != nil {
		return err
	}
	value, err := body.value()
	if err != nil {
		return err
	}
	written, err := s.store.Resolve(r.Context(), r.PathValue("id"), engine.Resolution{Value: value, Pick: body.Pick, Delete: body.Delete})
	if err != nil {
		return err
	}
	return writeJSON(w, NewWrittenJSON([]string{written.Previous[0].Key}, written, true))
}

// settle writes what readers see of keys with conflicts.
func (s *Server) settle(w *tracked, r *http.Request) error {
	var body SettleJSON
	if err := readJSON(w, r, maxBatchBytes, false, &body); err != nil {
		return err
	}
	if body.All == (len(body.Keys) > 0) {
		return fmt.Errorf("%w: give either keys or all", ErrBadRequest)
	}
	keys := make([]string, len(body.Keys))
	for i, j := range body.Keys {
		key, err := j.key()
		if err != nil {
			return fmt.Errorf("key %d: %w", i, err)
		}
		keys[i] = key
	}
	settled, err := s.store.Settle(r.Context(), r.PathValue("table"), keys...)
	if err != nil {
		return err
	}
	return writeJSON(w, settled)
}
