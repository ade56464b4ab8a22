package rest

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"

	"github.com/kvnode/kvnode/engine"
)

// InstallPlugin installs a module under a name on all nodes, with a check report if one is given. Zero limits are the host's defaults.
func (c *Client) InstallPlugin(ctx context.Context, name string, module []byte, l engine.Limits, opts ...engine.InstallOption) (engine.PluginInfo, error) {
	var info engine.PluginInfo
	r, err := upload(module, engine.GatherInstallOptions(opts...).Check)
	if err != nil {
		return info, err
	}
	r.method, r.path, r.query = http.MethodPut, pluginPath(name), url.Values{}
	for field, limit := range map[string]uint64{"memory_bytes": l.MemoryBytes, "fuel": l.Fuel, "output_bytes": l.OutputBytes} {
		if limit != 0 {
			r.query.Set(field, strconv.FormatUint(limit, 10))
		}
	}
	if l.Reset != "" {
		r.query.Set("reset", string(l.Reset))
	}
	_, err = c.call(ctx, r, &info)
	return info, err
}

// upload is a request whose body brings a module.
func upload(module, check []byte) (request, error) {
	if len(check) == 0 {
		return request{header: octets(), body: module}, nil
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, part := range []struct {
		name, contentType string
		content           []byte
	}{{partModule, "application/octet-stream", module}, {partCheck, "application/json", check}} {
		header := textproto.MIMEHeader{"Content-Type": {part.contentType}}
		header.Set("Content-Disposition", `form-data; name="`+part.name+`"`)
		w, err := form.CreatePart(header)
		if err != nil {
			return request{}, fmt.Errorf("form: %w", err)
		}
		if _, err := w.Write(part.content); err != nil {
			return request{}, fmt.Errorf("form: %w", err)
		}
	}
	if err := form.Close(); err != nil {
		return request{}, fmt.Errorf("form: %w", err)
	}
	return request{header: http.Header{"Content-Type": {form.FormDataContentType()}}, body: body.Bytes()}, nil
}

func octets() http.Header {
	return http.Header{"Content-Type": {"application/octet-stream"}}
}

func pluginPath(name string) string { return "/v1/plugins/" + url.PathEscape(name) }

// Plugins lists the installed plugins.
func (c *Client) Plugins(ctx context.Context) ([]engine.PluginInfo, error) {
	var body PluginsJSON
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/v1/plugins"}, &body)
	return body.Plugins, err
}

// Plugin describes in full the modules that a reference names: all of a name, or one by NAME@NUMBER, SHA-256 or the beginning of one.
func (c *Client) Plugin(ctx context.Context, plugin string) ([]engine.PluginInfo, error) {
	var body PluginsJSON
	_, err := c.call(ctx, request{method: http.MethodGet, path: pluginPath(plugin)}, &body)
	return body.Plugins, err
}

// Activate makes a plugin judge the table's conflicts: its name, NAME@NUMBER, its SHA-256, or the beginning of one.
func (c *Client) Activate(ctx context.Context, table, plugin string) (engine.Handler, error) {
	r, err := request{method: http.MethodPut, path: tablePath(table, "/handler")}.withJSON(ActivateJSON{Plugin: plugin})
	if err != nil {
		return engine.Handler{}, err
	}
	return c.handler(ctx, r)
}

// Rollback goes back to the handler before the one in force; engine.ErrNoEarlier.
func (c *Client) Rollback(ctx context.Context, table string) (engine.Handler, error) {
	return c.handler(ctx, request{method: http.MethodPost, path: tablePath(table, "/handler/rollback")})
}

// Disable lets nobody judge the table's conflicts, until a plugin is activated; engine.ErrNoHandler.
func (c *Client) Disable(ctx context.Context, table string) (engine.Handler, error) {
	return c.handler(ctx, request{method: http.MethodDelete, path: tablePath(table, "/handler")})
}

// handler sends a request that is answered with a handler record.
func (c *Client) handler(ctx context.Context, r request) (engine.Handler, error) {
	var record engine.Handler
	_, err := c.call(ctx, r, &record)
	return record, err
}
