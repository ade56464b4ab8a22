package rest

import (
	"net/http"

	"github.com/kvnode/kvnode/engine"
)

// TablesJSON is the list of tables.
type TablesJSON struct {
	Tables []engine.TableInfo `json:"tables"`
}

func (s *Server) listTables(w *tracked, r *http.Request) error {
	tables, err := s.store.Tables(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, TablesJSON{Tables: orEmpty(tables)})
}

func (s *Server) getTable(w *tracked, r *http.Request) error {
	table, err := s.store.Table(r.Context(), r.PathValue("table"))
	if err != nil {
		return err
	}
	return writeJSON(w, table)
}

// putTable creates a table. Asking again for the same is no error.
func (s *Server) putTable(w *tracked, r *http.Request) error {
	var options engine.TableOptions
	if err := readJSON(w, r, maxSmallBytes, true, &options); err != nil {
		return err
	}
	table, err := s.store.CreateTable(r.Context(), r.PathValue("table"), options)
	if err != nil {
		return err
	}
	return writeJSON(w, table)
}

func (s *Server) dropTable(w *tracked, r *http.Request) error {
	return noContent(w, s.store.DropTable(r.Context(), r.PathValue("table")))
}

func (s *Server) clearTable(w *tracked, r *http.Request) error {
	return noContent(w, s.store.ClearTable(r.Context(), r.PathValue("table")))
}

func noContent(w *tracked, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// orEmpty makes an absent list an empty one: [] in JSON, not null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
