package bus

import (
	"fmt"
	"net"
	"slices"
)

// SetRoutes makes the addresses (host:port) of the cluster's members the routes that this node keeps dialling for ever, in place of
// those of the last call. The addresses of Config.Join always stay; this node's own is skipped. It is needed because an address
// that a node merely heard of from another is given up after one failed attempt, so that two nodes that know each other through a
// third would not meet again after a split. A call that changes nothing costs nothing; with an external NATS none does anything.
//
// A connection to a node whose address is left out is closed. Errors: [ErrConfig], naming an address that is malformed, and then
// nothing has changed; [ErrClosed].
func (n *NATS) SetRoutes(addrs []string) error {
	for _, addr := range addrs {
		if err := checkAddr("route", addr, true); err != nil {
			return err
		}
	}
	if n.server == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	routes := n.explicitRoutes(addrs)
	if slices.Equal(routes, n.routes) {
		return nil
	}
	if !n.server.Running() {
		return ErrClosed
	}
	options, err := n.optionsWith(routes)
	if err != nil {
		return err
	}
	if err := n.server.ReloadOptions(options); err != nil {
		return fmt.Errorf("reload routes: %w", err)
	}
	n.routes = routes
	return nil
}

// RouteAddr returns the host:port under which other nodes can open a route to this one: Config.Advertise if it is set. It is empty
// with an external NATS.
func (n *NATS) RouteAddr() string {
	if n.listens == "" || n.cfg.Advertise != "" {
		return n.cfg.Advertise
	}
	host, port, err := net.SplitHostPort(n.listens)
	if err != nil {
		return n.listens
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = machineAddr()
	}
	return net.JoinHostPort(host, port)
}

// ListenAddr returns the host:port that the embedded server is bound to, whatever others are told. It is empty with an external NATS.
func (n *NATS) ListenAddr() string { return n.listens }

// machineAddr returns an address of this machine that others may know: the first that is not a loopback one, IPv4 before IPv6.
func machineAddr() string {
	best := "127.0.0.1"
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return best
	}
	for _, addr := range addrs {
		prefix, ok := addr.(*net.IPNet)
		if !ok || !prefix.IP.IsGlobalUnicast() {
			continue
		}
		if prefix.IP.To4() != nil {
			return prefix.IP.String()
		}
		if best == "127.0.0.1" {
			best = prefix.IP.String()
		}
	}
	return best
}

// explicit returns the addresses that the node dials now.
func (n *NATS) explicit() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.routes)
}
