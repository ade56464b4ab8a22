package rest

import (
	"context"
	"net/http"
	"net/url"

	"github.com/kvnode/kvnode/engine"
)

// CreateTable creates a table, or finds it with the same options; engine.ErrTableExists when they differ. The handler need not be installed yet:
// LacksHandler tells.
func (c *Client) CreateTable(ctx context.Context, name string, o engine.TableOptions) (engine.TableInfo, error) {
	var info engine.TableInfo
	r, err := request{method: http.MethodPut, path: tablePath(name, "")}.withJSON(o)
	if err != nil {
		return info, err
	}
	_, err = c.call(ctx, r, &info)
	return info, err
}

// DropTable removes a table from the whole cluster.
func (c *Client) DropTable(ctx context.Context, name string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: tablePath(name, "")}, nil)
	return err
}

// ClearTable deletes every key of a table.
func (c *Client) ClearTable(ctx context.Context, name string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: tablePath(name, "/entries")}, nil)
	return err
}

// Tables lists the tables.
func (c *Client) Tables(ctx context.Context) ([]engine.TableInfo, error) {
	var body TablesJSON
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/v1/tables"}, &body)
	tables := make([]engine.TableInfo, len(body.Tables))
	for i, j := range body.Tables {
		tables[i] = j.TableInfo
	}
	return tables, err
}

// Table describes one table.
func (c *Client) Table(ctx context.Context, name string) (engine.TableInfo, error) {
	var info engine.TableInfo
	_, err := c.call(ctx, request{method: http.MethodGet, path: tablePath(name, "")}, &info)
	return info, err
}

// Members lists the nodes that the asked one knows.
func (c *Client) Members(ctx context.Context) ([]engine.Member, error) {
	var body MembersJSON
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/v1/cluster/members"}, &body)
	return body.Members, err
}

// Forget removes a member that is gone for good; engine.ErrNoMember, engine.ErrMemberConnected.
func (c *Client) Forget(ctx context.Context, member string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: "/v1/cluster/members/" + url.PathEscape(member)}, nil)
	return err
}

// Status describes the asked node.
func (c *Client) Status(ctx context.Context) (engine.Status, error) {
	var status engine.Status
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/v1/cluster/status"}, &status)
	return status, err
}

func tablePath(table, rest string) string {
	return tablesPath + url.PathEscape(table) + rest
}
