package bus

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Defaults of [Config].
const (
	DefaultCluster = "kvnode"
	DefaultRoute   = "127.0.0.1:6222"

	DefaultStaleAfter = 900 * time.Millisecond
)

// maxNameLen bounds names that travel in every frame or subject, in bytes.
const maxNameLen = 128

// Config says how to open a [NATS] bus.
type Config struct {
	// ID names this incarnation of the node: it is what peers see as the sender, and it must never be used again by a later
	// incarnation. Required; at most 128 bytes.
	ID string
	// Name is the node's name for people; it appears in logs only. Default: ID.
	Name string
	// Cluster is the name of the cluster; nodes of another cluster are refused. Printable, without spaces. Default "kvnode".
	Cluster string
	// Route is the host:port on which the embedded server listens for other nodes; port 0 takes a free one (see NATS.RouteAddr).
	// Default "127.0.0.1:6222".
	Route string
	// Advertise is the host:port under which other nodes reach Route, where it differs (behind NAT, in containers). Default: Route,
	// with an address of this machine in place of 0.0.0.0.
	Advertise string
	// Join lists route addresses (host:port) of other nodes. One is enough; the others are learnt from it. Default: none.
	Join []string
	// ClientAddr is the host:port on which the embedded server takes ordinary NATS clients, without a password and in an account of
	// their own, apart from the nodes' traffic. Default: empty, no client is let in.
	ClientAddr string
	// Password, when set, is asked of every node that opens a route here, and shown to every node that a route is opened to. It
	// travels in the clear.
	Password string
	// URL names an external NATS ("nats://user:password@host:4222"; several separated by commas). When it is set no server is
	// embedded, and Route, Advertise, Join, ClientAddr and Password are not used.
	URL string
	// StaleAfter is how long the other end of a route may stay silent before the route is closed, and dialled again. A shorter time
	// lets nodes meet sooner after a cut has healed; on a machine or link so busy that pings wait longer than this, it breaks routes
	// that would have gone on, and loses what was on its way. In steps of 300 ms; default 900 ms.
	StaleAfter time.Duration
	// RewriteRoute, when set, maps each route address, from Join or SetRoutes, to the one that is dialled in its place. See Links.
	RewriteRoute func(addr string) string
	// OnListen, when set, is called once while the bus opens, with the host:port that the embedded server is bound to.
	OnListen func(addr string)
	// OnLoss, when set, is called after something happened that may have lost payloads: a route or connection that went or came
	// back, a receiver that was too slow. Calls never overlap with each other or with OnError; several causes may share one call.
	OnLoss func()
	// OnError, when set, is called with what goes wrong at run time and a person should know: ErrClusterName, ErrPassword. The
	// same error is repeated once a minute at most.
	OnError func(err error)
	// Logger gets the server's lines, nearly all at debug level. Default: nothing is logged.
	Logger *slog.Logger
}

// DefaultConfig returns the configuration of a node that listens on loopback and joins nobody. ID is still to be set.
func DefaultConfig() Config {
	return Config{Cluster: DefaultCluster, Route: DefaultRoute, StaleAfter: DefaultStaleAfter}
}

// Validate returns [ErrConfig], naming the first field that is wrong. Zero fields that have a default are right.
func (c Config) Validate() error {
	if err := checkName("ID", c.ID, true); err != nil {
		return err
	}
	if err := checkName("Cluster", c.Cluster, false); err != nil {
		return err
	}
	if c.StaleAfter < 0 {
		return fmt.Errorf("%w: StaleAfter %v is negative", ErrConfig, c.StaleAfter)
	}
	if c.URL != "" {
		return nil
	}
	return c.validateAddrs()
}

func (c Config) validateAddrs() error {
	if err := checkOptionalAddr("Route", c.Route, false); err != nil {
		return err
	}
	if err := checkOptionalAddr("Advertise", c.Advertise, true); err != nil {
		return err
	}
	if err := checkOptionalAddr("ClientAddr", c.ClientAddr, false); err != nil {
		return err
	}
	for _, addr := range c.Join {
		if err := checkAddr("Join", addr, true); err != nil {
			return err
		}
	}
	return nil
}

func checkName(field, name string, required bool) error {
	switch {
	case name == "" && required:
		return fmt.Errorf("%w: %s is required", ErrConfig, field)
	case len(name) > maxNameLen:
		return fmt.Errorf("%w: %s has %d bytes, the limit is %d", ErrConfig, field, len(name), maxNameLen)
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xfffd }):
		return fmt.Errorf("%w: %s %q has spaces or control characters", ErrConfig, field, name)
	default:
		return nil
	}
}

func checkOptionalAddr(field, addr string, dialled bool) error {
	if addr == "" {
		return nil
	}
	return checkAddr(field, addr, dialled)
}

func checkAddr(field, addr string, dialled bool) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%w: %s %q is not host:port, like 127.0.0.1:6222", ErrConfig, field, addr)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s %q: the port is a number from 0 to 65535", ErrConfig, field, addr)
	case dialled && (n == 0 || host == ""):
		return fmt.Errorf("%w: %s %q needs a host and a port that others can dial", ErrConfig, field, addr)
	default:
		return nil
	}
}

// withDefaults returns a copy of c that shares no memory with it and has no zero field that has a default.
func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = c.ID
	}
	if c.Cluster == "" {
		c.Cluster = DefaultCluster
	}
	if c.Route == "" {
		c.Route = DefaultRoute
	}
	if c.StaleAfter == 0 {
		c.StaleAfter = DefaultStaleAfter
	}
	if c.RewriteRoute == nil {
		c.RewriteRoute = func(addr string) string { return addr }
	}
	if c.OnListen == nil {
		c.OnListen = func(string) {}
	}
	if c.OnLoss == nil {
		c.OnLoss = func() {}
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Join = slices.Clone(c.Join)
	return c
}
