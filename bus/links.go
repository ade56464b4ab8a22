package bus

import (
	"net"
	"slices"
	"strconv"
	"sync"
)

// Links puts a TCP proxy on every route between the nodes of one machine, so that tests and demonstrations can cut real connections
// at run time. Each ordered pair of nodes has a proxy of its own; the nodes know each other by addresses at which nothing listens
// ([Links.Addr]), which each node rewrites to its own proxies. So what one node hears of another by gossip leads nowhere, and no
// connection goes round the proxies. All methods are safe for concurrent use.
//
//	links := bus.NewLinks()
//	defer links.Close()
//	a, err := bus.Open(ctx, links.Wrap("a", bus.Config{ID: "a1", Route: "127.0.0.1:0"}))
//	b, err := bus.Open(ctx, links.Wrap("b", bus.Config{ID: "b1", Route: "127.0.0.1:0", Join: []string{links.Addr("a")}}))
//	links.Cut([]string{"a"}, []string{"b"})
//	links.Heal()
type Links struct {
	mu      sync.Mutex // guards what follows
	nodes   []linkedNode
	proxies map[link]*proxy
	gates   map[link]*gate // by direction
	closed  bool
}

// linkedNode is a node behind Links. Its index gives its address.
type linkedNode struct {
	name   string
	listen string // where its server listens; empty until it does
}

// link is an ordered pair of node names.
type link struct{ from, to string }

func (l link) reversed() link { return link{from: l.to, to: l.from} }

func (l link) unordered() link {
	if l.from > l.to {
		return l.reversed()
	}
	return l
}

// NewLinks returns links between no nodes yet.
func NewLinks() *Links {
	return &Links{proxies: make(map[link]*proxy), gates: make(map[link]*gate)}
}

// Addr returns the address by which the others know the node called name: what belongs in their Join, and what the node's RouteAddr
// returns. It is fixed by the first call with that name. It is a port of loopback below 1024 at which nothing should listen.
func (l *Links) Addr(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return linkAddr(l.indexLocked(name))
}

func linkAddr(index int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(index+1))
}

// indexLocked returns the place of the node called name, which it makes if there is none.
func (l *Links) indexLocked(name string) int {
	i := slices.IndexFunc(l.nodes, func(n linkedNode) bool { return n.name == name })
	if i < 0 {
		i = len(l.nodes)
		l.nodes = append(l.nodes, linkedNode{name: name})
	}
	return i
}

// Wrap returns cfg changed so that all routes of the node called name lead through the links. A later incarnation of a node takes
// the place of an earlier one of the same name.
func (l *Links) Wrap(name string, cfg Config) Config {
	cfg.Advertise = l.Addr(name)
	cfg.RewriteRoute = func(addr string) string { return l.rewrite(name, addr) }
	announce := cfg.OnListen
	cfg.OnListen = func(addr string) {
		l.Attach(name, addr)
		if announce != nil {
			announce(addr)
		}
	}
	return cfg
}

// Attach says where the node called name listens now. Only nodes in other processes need it; Wrap does it for those in this one.
func (l *Links) Attach(name, listen string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes[l.indexLocked(name)].listen = listen
}

// rewrite returns the address of the proxy from the node called from to the node at addr. Addresses that are none of the links' stay
// as they are; so does one for which no proxy can listen, and then nothing connects.
func (l *Links) rewrite(from, addr string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	to, ok := l.namedLocked(addr)
	if !ok || l.closed || to == from {
		return addr
	}
	p, err := l.proxyLocked(link{from: from, to: to})
	if err != nil {
		return addr
	}
	return p.addr()
}

// Via returns the address of the proxy from one node to another: what a node in another process has to dial in place of Addr(to).
func (l *Links) Via(from, to string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return "", ErrClosed
	}
	p, err := l.proxyLocked(link{from: from, to: to})
	if err != nil {
		return "", err
	}
	return p.addr(), nil
}

func (l *Links) proxyLocked(key link) (*proxy, error) {
	if p := l.proxies[key]; p != nil {
		return p, nil
	}
	p, err := newProxy(l.gateLocked(key), l.gateLocked(key.reversed()), func() string { return l.target(key.to) })
	if err != nil {
		return nil, err
	}
	l.proxies[key] = p
	return p, nil
}

// namedLocked returns the name of the node that the others know by addr.
func (l *Links) namedLocked(addr string) (string, bool) {
	for i, node := range l.nodes {
		if linkAddr(i) == addr {
			return node.name, true
		}
	}
	return "", false
}

// gateLocked returns the gate of one direction.
func (l *Links) gateLocked(key link) *gate {
	if l.gates[key] == nil {
		l.gates[key] = newGate()
	}
	return l.gates[key]
}

func (l *Links) target(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nodes[l.indexLocked(name)].listen
}

// Cut splits the nodes: nothing passes between nodes of different groups any more, in either direction, and nobody is told.
// Connections stay open, and what was sent waits, as it does in a network that drops packets. Nodes of one group, and nodes in no
// group, keep their links; so do pairs that an earlier Cut has cut stay cut.
func (l *Links) Cut(groups ...[]string) {
	for _, pair := range pairsBetween(groups) {
		l.CutOneWay(pair.from, pair.to)
		l.CutOneWay(pair.to, pair.from)
	}
}

// CutOneWay makes everything wait that one node sends to another; what comes back passes. New connections between the two wait too, as their
// greetings go both ways.
func (l *Links) CutOneWay(from, to string) {
	l.mu.Lock()
	g := l.gateLocked(link{from: from, to: to})
	l.mu.Unlock()
	g.shut()
}

// pairsBetween returns every pair of names from different groups, once.
func pairsBetween(groups [][]string) []link {
	var pairs []link
	for i, group := range groups {
		for _, other := range slices.Concat(groups[i+1:]...) {
			for _, name := range group {
				pairs = append(pairs, link{from: name, to: other}.unordered())
			}
		}
	}
	return pairs
}

// Heal undoes every Cut and CutOneWay. Connections that both ends still hold go on where they were.
func (l *Links) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.gates {
		g.release()
	}
}

// Reset breaks every open connection between nodes of different groups, so that both ends know at once. New ones can be made.
func (l *Links) Reset(groups ...[]string) {
	pairs := pairsBetween(groups)
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, p := range l.proxies {
		if slices.Contains(pairs, key.unordered()) {
			p.reset()
		}
	}
}

// Close breaks all connections and frees the proxies. The nodes cannot reach each other afterwards; close them first.
func (l *Links) Close() {
	l.mu.Lock()
	l.closed = true
	proxies := l.proxies
	l.proxies = make(map[link]*proxy)
	l.mu.Unlock()
	for _, p := range proxies {
		p.close()
	}
}
