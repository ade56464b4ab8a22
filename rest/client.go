package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// Client asks one node. It is safe for concurrent use. Its errors match those of engine and of this package (errors.Is), and their text is the
// node's; ErrUnreachable means that no answer came. How long to wait is for the caller's context to say.
type Client struct {
	base string
	http *http.Client
}

// NewClient returns a client of the node at the address: host:port, or a URL with http or https. It connects when it is used.
func NewClient(addr string) (*Client, error) {
	base := addr
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("%w: address: %w", ErrBadRequest, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: address %q: want host:port or http://host:port", ErrBadRequest, addr)
	}
	if !validPort(u.Port()) {
		return nil, fmt.Errorf("%w: address %q: the port is a number from 1 to 65535", ErrBadRequest, addr)
	}
	// Another transport than the default one: the proxies of the environment are for the web, not for a node.
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	if u.Scheme == "http" {
		transport.DialContext, transport.DialTLSContext = dialHTTP, new(tls.Dialer).DialContext
	}
	return &Client{base: strings.TrimRight(base, "/"), http: &http.Client{Transport: transport}}, nil
}

// Close drops idle connections. The client can be used again.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request is one request before it has an address.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         []byte
}

// send returns the answer when it is a good one; the caller closes its body.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += separator(r.path) + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	maps.Copy(req.Header, r.header)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer hangUp(resp)
		return resp, c.refusal(resp)
	}
	return resp, nil
}

// hangUp ends the reading of an answer; all that mattered of it is read.
func hangUp(resp *http.Response) { _ = resp.Body.Close() }

func separator(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

// unreachable names the failure of a request or of the reading of its answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("wait for %s: %w", c.base, context.Cause(ctx))
	}
	if errors.Is(err, errNotHTTP) {
		return fmt.Errorf("%w: what listens at %s does not speak HTTP", ErrBadAnswer, c.base)
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.base, err)
}

// refusal is an error that a node answered: its text, and the error of its code.
type refusal struct {
	message string
	err     error
}

func (r *refusal) Error() string { return r.message }
func (r *refusal) Unwrap() error { return r.err }

func (c *Client) refusal(resp *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%w at %s: read answer: %w", ErrUnreachable, c.base, err)
	}
	var body ErrorJSON
	if err := json.Unmarshal(raw, &body); err != nil || body.Code == "" {
		return fmt.Errorf("%w: what listens at %s says %s, and nothing that a node would say", ErrBadAnswer, c.base, resp.Status)
	}
	return &refusal{message: body.Message, err: problemByCode(body.Code).Err}
}

// call sends a request and decodes the answer into out, unless that is nil.
func (c *Client) call(ctx context.Context, r request, out any) (http.Header, error) {
	resp, err := c.send(ctx, r)
	if resp == nil {
		return nil, err
	}
	if err != nil {
		return resp.Header, err
	}
	defer hangUp(resp)
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.Header, c.unreachable(ctx, err)
	}
	if out == nil {
		return resp.Header, nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return resp.Header, fmt.Errorf("%w: what listens at %s says nothing that a node would say: %w", ErrBadAnswer, c.base, err)
	}
	return resp.Header, nil
}

// withJSON puts a body into a request.
func (r request) withJSON(body any) (request, error) {
	raw, err := encodeJSON(body)
	if err != nil {
		return r, err
	}
	r.body = raw
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set("Content-Type", "application/json")
	return r, nil
}
