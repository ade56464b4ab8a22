package rest

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/kvnode/kvnode/engine"
)

// Conflicts lists the node's journal of conflicts, newest first.
func (c *Client) Conflicts(ctx context.Context, opts ...engine.JournalOption) ([]engine.Conflict, error) {
	o := engine.GatherJournalOptions(opts...)
	query := url.Values{}
	if o.Table != "" {
		query.Set("table", o.Table)
	}
	if o.Open {
		query.Set("open", "true")
	}
	if o.Limit > 0 {
		query.Set("limit", strconv.Itoa(o.Limit))
	}
	var body ConflictsJSON
	if _, err := c.call(ctx, request{method: http.MethodGet, path: "/v1/conflicts", query: query}, &body); err != nil {
		return nil, err
	}
	conflicts := make([]engine.Conflict, len(body.Conflicts))
	for i, j := range body.Conflicts {
		conflict, err := j.Conflict()
		if err != nil {
			return nil, err
		}
		conflicts[i] = conflict
	}
	return conflicts, nil
}

// Conflict finds a conflict by its id or the beginning of it.
func (c *Client) Conflict(ctx context.Context, id string) (engine.Conflict, error) {
	var body ConflictJSON
	if _, err := c.call(ctx, request{method: http.MethodGet, path: conflictPath(id)}, &body); err != nil {
		return engine.Conflict{}, err
	}
	return body.Conflict()
}

func conflictPath(id string) string { return "/v1/conflicts/" + url.PathEscape(id) }

// Resolve ends a conflict by hand; engine.ErrNotOpen when the key has other versions by now.
func (c *Client) Resolve(ctx context.Context, id string, r engine.Resolution) (engine.Written, error) {
	body := ResolutionJSON{ValueJSON: newValueJSON(r.Value), Pick: r.Pick, Delete: r.Delete}
	req, err := request{method: http.MethodPost, path: conflictPath(id) + "/resolve"}.withJSON(body)
	if err != nil {
		return engine.Written{}, err
	}
	var written WrittenJSON
	if _, err := c.call(ctx, req, &written); err != nil {
		return engine.Written{}, err
	}
	return written.Written()
}

// Settle writes what readers see of keys with conflicts, of all that the node knows of without keys.
func (c *Client) Settle(ctx context.Context, table string, keys ...string) (engine.Settlement, error) {
	body := SettleJSON{All: len(keys) == 0}
	for _, key := range keys {
		body.Keys = append(body.Keys, newKeyJSON(key))
	}
	var settled engine.Settlement
	r, err := request{method: http.MethodPost, path: tablePath(table, "/settle")}.withJSON(body)
	if err != nil {
		return settled, err
	}
	_, err = c.call(ctx, r, &settled)
	return settled, err
}
