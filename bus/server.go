package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// routeUser is the user name that goes with Config.Password.
	routeUser = "kvnode"
	// routePoolSize is the number of connections a pair of nodes has; an account's traffic always takes the same one.
	routePoolSize = 2

	routePing       = 300 * time.Millisecond
	maxPendingBytes = 256 << 20
	serverTimeout   = 10 * time.Second
	// The server is ready after a millisecond or two, which ReadyForConnections spins through when it is given little time; given
	// more, it sleeps between looks.
	readySpin = 5 * time.Millisecond
	readyWait = 50 * time.Millisecond
)

// laneAccounts names the accounts of the lanes; their users have the same names. The server puts an account on the route connection
// that the FNV-1a hash of its name chooses among routePoolSize: these names choose different ones.
func laneAccounts() [NumLanes]string { return [NumLanes]string{"CONTROL", "BULK"} }

// startServer starts the embedded server and waits until it listens.
func (n *NATS) startServer(ctx context.Context) error {
	n.secret = rand.Text()
	options, err := n.options()
	if err != nil {
		return err
	}
	n.base = options
	n.routes = n.explicitRoutes(nil)
	first, err := n.optionsWith(n.routes)
	if err != nil {
		return err
	}
	n.server, err = server.NewServer(first)
	if err != nil {
		return fmt.Errorf("start NATS server: %w", err)
	}
	n.server.SetLoggerV2(n.watch, true, false, false)
	n.server.Start()
	if err := n.awaitServer(ctx); err != nil {
		return err
	}
	n.listens = n.server.ClusterAddr().String()
	return nil
}

// options returns the server's options without routes.
func (n *NATS) options() (*server.Options, error) {
	o := &server.Options{}
	if err := o.ProcessConfigString(n.accountsConfig()); err != nil {
		return nil, fmt.Errorf("configure NATS accounts: %w", err)
	}
	host, port, err := hostPort(n.cfg.Route)
	if err != nil {
		return nil, err
	}
	o.ServerName = escape(n.cfg.ID)
	o.NoSigs = true
	o.DisableJetStreamBanner = true
	o.NoSystemAccount = true // its events do not matter here, and it would have a connection of its own to every node
	o.MaxPending = maxPendingBytes
	o.Cluster = server.ClusterOpts{
		Name:         n.cfg.Cluster,
		Host:         host,
		Port:         port,
		Advertise:    n.cfg.Advertise,
		NoAdvertise:  true, // of clients' addresses; nothing to do with Advertise
		PoolSize:     routePoolSize,
		PingInterval: routePing,
		MaxPingsOut:  max(1, int(n.cfg.StaleAfter/routePing)-1), // the ping after these finds the route stale
		Compression:  server.CompressionOpts{Mode: server.CompressionOff},
	}
	if n.cfg.Password != "" {
		o.Cluster.Username, o.Cluster.Password = routeUser, n.cfg.Password
	}
	// A clustered server that does not listen for clients never becomes ready. Where nobody asked for a client port it is a random
	// one on loopback that lets in only those who know the lanes' random password.
	o.Host, o.Port = "127.0.0.1", server.RANDOM_PORT
	if n.cfg.ClientAddr != "" {
		if o.Host, o.Port, err = hostPort(n.cfg.ClientAddr); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// accountsConfig gives every lane an account, and strangers one of their own if they are let in. Accounts come by configuration
// text, because those that are made by code do not survive a reload.
func (n *NATS) accountsConfig() string {
	var b strings.Builder
	b.WriteString("accounts {\n")
	for _, name := range laneAccounts() {
		fmt.Fprintf(&b, "  %s { users: [ { user: %s, password: %q } ] }\n", name, name, n.secret)
	}
	if n.cfg.ClientAddr != "" {
		fmt.Fprintf(&b, "  CLIENTS { users: [ { user: client, password: %q } ] }\n", rand.Text())
	}
	b.WriteString("}\n")
	if n.cfg.ClientAddr != "" {
		b.WriteString("no_auth_user: client\n")
	}
	return b.String()
}

// optionsWith returns the server's options with these explicit routes.
func (n *NATS) optionsWith(routes []string) (*server.Options, error) {
	options := n.base.Clone()
	options.Routes = make([]*url.URL, 0, len(routes))
	for _, addr := range routes {
		route, err := url.Parse("nats-route://" + addr)
		if err != nil {
			return nil, fmt.Errorf("%w: route %q: %w", ErrConfig, addr, err)
		}
		if n.cfg.Password != "" {
			route.User = url.UserPassword(routeUser, n.cfg.Password)
		}
		options.Routes = append(options.Routes, route)
	}
	return options, nil
}

// awaitServer returns when the server listens, or says why it does not.
func (n *NATS) awaitServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	patience := readySpin
	for !n.server.ReadyForConnections(patience) {
		select {
		case err := <-n.watch.fatal:
			return n.startError(err)
		case <-ctx.Done():
			return n.startError(ctx.Err())
		default:
			patience = readyWait
		}
	}
	return nil
}

func (n *NATS) startError(cause error) error {
	named := ErrListen
	if errors.Is(cause, syscall.EADDRINUSE) {
		named = ErrAddrInUse
	}
	addrs := n.cfg.Route
	switch {
	case n.cfg.ClientAddr != "":
		addrs += " (routes) or " + n.cfg.ClientAddr + " (clients)"
	case errors.Is(named, ErrAddrInUse): // the cause says no more than that
		return fmt.Errorf("listen on %s: %w; choose another address, or stop what uses it", addrs, named)
	}
	return fmt.Errorf("listen on %s: %w: %w; choose another address, or stop what uses it", addrs, named, cause)
}

// hostPort splits an address that has passed Validate. Port 0 becomes the server's way to say "any".
func hostPort(addr string) (string, int, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, nil
}

// explicitRoutes returns the addresses to dial, from Join and from members: rewritten, sorted, without this node's own.
func (n *NATS) explicitRoutes(members []string) []string {
	own := []string{n.cfg.Advertise, n.cfg.Route, n.listens, n.RouteAddr()}
	var routes []string
	for _, addr := range slices.Concat(n.cfg.Join, members) {
		if addr != "" && !slices.Contains(own, addr) {
			routes = append(routes, n.cfg.RewriteRoute(addr))
		}
	}
	slices.Sort(routes)
	return slices.Compact(routes)
}
