package rest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
)

// errNotHTTP says that what was dialled speaks another protocol: the route address of a node, for example, where NATS listens.
var errNotHTTP = errors.New("not HTTP")

// dialHTTP dials for a client without TLS.
func dialHTTP(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &httpConn{Conn: conn}, nil
}

// httpConn looks at the first bytes that the other end says: net/http would put those of another protocol into its error, and into the log. Like
// every connection of a transport it has one reader.
type httpConn struct {
	net.Conn

	heard bool
}

// Read implements net.Conn; errNotHTTP when the first bytes do not begin an HTTP answer.
func (c *httpConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.heard || n == 0 {
		return n, err
	}
	c.heard = true
	const begin = "HTTP/"
	if first := min(n, len(begin)); !bytes.Equal(p[:first], []byte(begin[:first])) {
		return 0, errNotHTTP
	}
	return n, err
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}
