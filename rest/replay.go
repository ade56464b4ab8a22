package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/kvnode/kvnode/engine"
)

// ReplayJSON is an engine.ReplayQuery in JSON.
type ReplayJSON struct {
	ID     string `json:"id,omitempty"`
	Table  string `json:"table,omitempty"`
	Limit  int    `json:"limit,omitempty"`
	Plugin string `json:"plugin,omitempty"`
}

// ReplayedJSON is an engine.Replayed in JSON.
type ReplayedJSON struct {
	ID    string `json:"id"`
	Table string `json:"table"`
	KeyJSON

	Before  OutcomeJSON   `json:"before"`
	After   OutcomeJSON   `json:"after"`
	Changed bool          `json:"changed"`
	Fuel    uint64        `json:"fuel,omitempty"`
	Took    time.Duration `json:"took_ns,omitempty"`
}

// ReplaysJSON is the answer of a replay.
type ReplaysJSON struct {
	Replayed []ReplayedJSON `json:"replayed"`
}

// NewReplaysJSON encodes what was replayed. It shares the bytes.
func NewReplaysJSON(all []engine.Replayed) ReplaysJSON {
	j := ReplaysJSON{Replayed: make([]ReplayedJSON, len(all))}
	for i, r := range all {
		j.Replayed[i] = ReplayedJSON{
			ID: r.ID, Table: r.Table, KeyJSON: newKeyJSON(r.Key), Before: newOutcomeJSON(r.Before), After: newOutcomeJSON(r.After),
			Changed: r.Changed, Fuel: r.Fuel, Took: r.Took,
		}
	}
	return j
}

func (j ReplayedJSON) replayed() (engine.Replayed, error) {
	key, err := j.key()
	if err != nil {
		return engine.Replayed{}, err
	}
	before, err := j.Before.outcome()
	if err != nil {
		return engine.Replayed{}, err
	}
	after, err := j.After.outcome()
	return engine.Replayed{ID: j.ID, Table: j.Table, Key: key, Before: before, After: after, Changed: j.Changed, Fuel: j.Fuel, Took: j.Took}, err
}

// replay runs a plugin again on recorded conflicts.
func (s *Server) replay(w *tracked, r *http.Request) error {
	var body ReplayJSON
	if err := readJSON(w, r, maxSmallBytes, false, &body); err != nil {
		return err
	}
	replayed, err := s.store.Replay(r.Context(), engine.ReplayQuery{ID: body.ID, Table: body.Table, Limit: body.Limit, Plugin: body.Plugin})
	if err != nil {
		return err
	}
	return writeJSON(w, NewReplaysJSON(replayed))
}

// removePlugin removes a module that is not in use.
func (s *Server) removePlugin(w *tracked, r *http.Request) error {
	return noContent(w, s.store.RemovePlugin(r.Context(), r.PathValue("name")))
}

// Replay runs an installed plugin, or the handler in force, again on recorded conflicts of the asked node, without effect.
func (c *Client) Replay(ctx context.Context, q engine.ReplayQuery) ([]engine.Replayed, error) {
	r, err := request{method: http.MethodPost, path: "/v1/replay"}.withJSON(ReplayJSON{ID: q.ID, Table: q.Table, Limit: q.Limit, Plugin: q.Plugin})
	if err != nil {
		return nil, err
	}
	var body ReplaysJSON
	if _, err := c.call(ctx, r, &body); err != nil {
		return nil, err
	}
	out := make([]engine.Replayed, len(body.Replayed))
	for i, j := range body.Replayed {
		if out[i], err = j.replayed(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// RemovePlugin removes a module from all nodes; engine.ErrPluginInUse while it judges a table or is a table's shadow.
func (c *Client) RemovePlugin(ctx context.Context, plugin string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: pluginPath(plugin)}, nil)
	return err
}
