package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/kvnode/kvnode/engine"
)

// ShadowJSON is an engine.ShadowReport in JSON.
type ShadowJSON struct {
	Table       string           `json:"table"`
	Handler     engine.Handler   `json:"handler"`
	Compared    int              `json:"compared"`
	Equal       int              `json:"equal"`
	Different   int              `json:"different"`
	Errors      int              `json:"errors"`
	Traps       int              `json:"traps"`
	Differences []DifferenceJSON `json:"differences"`
}

// DifferenceJSON is an engine.Difference in JSON.
type DifferenceJSON struct {
	ID string `json:"id"`
	KeyJSON

	Live   OutcomeJSON `json:"live"`
	Shadow OutcomeJSON `json:"shadow"`
	Time   time.Time   `json:"time"`
}

// OutcomeJSON is an engine.Outcome in JSON.
type OutcomeJSON struct {
	ValueJSON

	State   engine.State `json:"state"`
	Verdict string       `json:"verdict"`
	Reason  string       `json:"reason,omitempty"`
}

// NewShadowJSON encodes a report. It shares the report's bytes.
func NewShadowJSON(r engine.ShadowReport) ShadowJSON {
	j := ShadowJSON{
		Table: r.Table, Handler: r.Handler, Compared: r.Compared, Equal: r.Equal, Different: r.Different, Errors: r.Errors, Traps: r.Traps,
		Differences: make([]DifferenceJSON, len(r.Differences)),
	}
	for i, d := range r.Differences {
		j.Differences[i] = DifferenceJSON{ID: d.ID, KeyJSON: newKeyJSON(d.Key), Live: newOutcomeJSON(d.Live), Shadow: newOutcomeJSON(d.Shadow), Time: d.Time}
	}
	return j
}

func newOutcomeJSON(o engine.Outcome) OutcomeJSON {
	return OutcomeJSON{ValueJSON: newValueJSON(o.Value), State: o.State, Verdict: o.Verdict, Reason: o.Reason}
}

// Report decodes a report; the error wraps ErrBadRequest.
func (j ShadowJSON) Report() (engine.ShadowReport, error) {
	r := engine.ShadowReport{
		Table: j.Table, Handler: j.Handler, Compared: j.Compared, Equal: j.Equal, Different: j.Different, Errors: j.Errors, Traps: j.Traps,
	}
	for _, d := range j.Differences {
		key, err := d.key()
		if err != nil {
			return engine.ShadowReport{}, err
		}
		live, err := d.Live.outcome()
		if err != nil {
			return engine.ShadowReport{}, err
		}
		shadow, err := d.Shadow.outcome()
		if err != nil {
			return engine.ShadowReport{}, err
		}
		r.Differences = append(r.Differences, engine.Difference{ID: d.ID, Key: key, Live: live, Shadow: shadow, Time: d.Time})
	}
	return r, nil
}

func (j OutcomeJSON) outcome() (engine.Outcome, error) {
	value, err := j.value()
	return engine.Outcome{State: j.State, Verdict: j.Verdict, Value: value, Reason: j.Reason}, err
}

// putShadow lets a plugin run beside the table's handler.
func (s *Server) putShadow(w *tracked, r *http.Request) error {
	return s.activate(w, r, s.store.ActivateShadow)
}

func (s *Server) getShadow(w *tracked, r *http.Request) error {
	return writeShadow(w, r, s.store.Shadow)
}

func (s *Server) endShadow(w *tracked, r *http.Request) error {
	return writeShadow(w, r, s.store.EndShadow)
}

func writeShadow(w *tracked, r *http.Request, report func(context.Context, string) (engine.ShadowReport, error)) error {
	found, err := report(r.Context(), r.PathValue("table"))
	if err != nil {
		return err
	}
	return writeJSON(w, NewShadowJSON(found))
}

// ActivateShadow lets a plugin run beside the table's handler, without effect.
func (c *Client) ActivateShadow(ctx context.Context, table, plugin string) (engine.Handler, error) {
	r, err := request{method: http.MethodPut, path: tablePath(table, "/shadow")}.withJSON(ActivateJSON{Plugin: plugin})
	if err != nil {
		return engine.Handler{}, err
	}
	return c.handler(ctx, r)
}

// Shadow reports on the table's shadow; engine.ErrNoShadow.
func (c *Client) Shadow(ctx context.Context, table string) (engine.ShadowReport, error) {
	return c.shadow(ctx, http.MethodGet, table)
}

// EndShadow ends the table's shadow and returns the last report; engine.ErrNoShadow.
func (c *Client) EndShadow(ctx context.Context, table string) (engine.ShadowReport, error) {
	return c.shadow(ctx, http.MethodDelete, table)
}

func (c *Client) shadow(ctx context.Context, method, table string) (engine.ShadowReport, error) {
	var body ShadowJSON
	if _, err := c.call(ctx, request{method: method, path: tablePath(table, "/shadow")}, &body); err != nil {
		return engine.ShadowReport{}, err
	}
	return body.Report()
}
