package rest

import (
	"fmt"
	"net/http"

	"github.com/kvnode/kvnode/engine"
)

// TableJSON is an engine.TableInfo in JSON.
type TableJSON struct {
	engine.TableInfo

	// Warning says what is amiss with the table: that the handler which it names is not installed.
	Warning string `json:"warning,omitempty"`
}

// TablesJSON is the list of tables.
type TablesJSON struct {
	Tables []TableJSON `json:"tables"`
}

// NewTableJSON encodes a table.
func NewTableJSON(t engine.TableInfo) TableJSON {
	j := TableJSON{TableInfo: t}
	if LacksHandler(t) {
		j.Warning = fmt.Sprintf("the handler %q is not installed: install it with 'kvnode plugin install %s FILE'; until then the policy %q decides",
			t.Options.Handler, t.Options.Handler, t.Options.Unresolved)
	}
	return j
}

// LacksHandler says whether a table names a handler, other than its namesake, that is not installed.
func LacksHandler(t engine.TableInfo) bool {
	return t.Active == nil && t.Options.Handler != t.Name
}

func (s *Server) listTables(w *tracked, r *http.Request) error {
	tables, err := s.store.Tables(r.Context())
	if err != nil {
		return err
	}
	body := TablesJSON{Tables: make([]TableJSON, len(tables))}
	for i, table := range tables {
		body.Tables[i] = NewTableJSON(table)
	}
	return writeJSON(w, body)
}

func (s *Server) getTable(w *tracked, r *http.Request) error {
	table, err := s.store.Table(r.Context(), r.PathValue("table"))
	if err != nil {
		return err
	}
	return writeJSON(w, NewTableJSON(table))
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
	return writeJSON(w, NewTableJSON(table))
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
