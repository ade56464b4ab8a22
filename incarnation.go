package kvnode

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/rest"
)

var (
	_ engine.Peers    = (*remembering)(nil)
	_ engine.Resolver = resolver{}
	_ rest.Store      = (*Node)(nil)
)

// incarnation is everything that runs between a boot and a close: it has an actor of its own.
type incarnation struct {
	host   *plugins.Host
	bus    *bus.NATS
	engine *engine.Engine
	server *rest.Server
	http   string
	served chan error
	chores sync.WaitGroup
}

// secretBytes is the length of what a new cluster authenticates its tokens with.
const secretBytes = 32

// closePatience is how long requests under way may take when a node goes down.
const closePatience = 2 * time.Second

// againPatience is how long a node that comes back waits for a route to a member that it knows: what it asks before there is one is lost.
const againPatience = time.Second

// boot brings a node up in order: handlers, network, engine, HTTP. What was brought up is closed again when a later step fails.
// The legacy that comes back is what a next try has to begin with.
func boot(ctx context.Context, n *Node, legacy *engine.Legacy) (*incarnation, *engine.Legacy, error) {
	i := &incarnation{}
	if err := i.open(ctx, n, legacy); err != nil {
		left, closeErr := i.close()
		if left != nil {
			legacy = left // its actor was seen by others and must not come back as a stranger's
		}
		return nil, legacy, errors.Join(err, closeErr)
	}
	return i, nil, nil
}

func (i *incarnation) open(ctx context.Context, n *Node, legacy *engine.Legacy) error {
	actor, err := clock.NewActor(rand.Reader)
	if err != nil {
		return fmt.Errorf("mint an actor: %w", err)
	}
	if err := i.openHost(n, legacy != nil); err != nil {
		return err
	}
	listener, err := n.listenHTTP()
	if err != nil {
		return err
	}
	if listener != nil {
		i.http = listener.Addr().String()
	}
	if err := i.openEngine(ctx, n, legacy, actor); err != nil {
		if listener != nil {
			err = errors.Join(err, listener.Close())
		}
		return err
	}
	return i.serve(n, listener)
}

// openHost prepares the data directory and the host of handlers. A disk that fails is said at the first start; a node that has run goes on without.
func (i *incarnation) openHost(n *Node, again bool) error {
	cache, err := n.cfg.prepareDataDir()
	if err != nil && !again {
		return err
	}
	if err == nil {
		i.host, err = plugins.NewHost(plugins.Config{CacheDir: cache, Logger: n.cfg.Logger, Listen: n.listen})
	}
	if errors.Is(err, plugins.ErrCacheDir) && again || errors.Is(err, ErrDataDir) {
		n.diskFailed(err)
		i.host, err = plugins.NewHost(plugins.Config{Logger: n.cfg.Logger, Listen: n.listen})
	}
	if err != nil {
		return fmt.Errorf("handlers: %w", err)
	}
	return nil
}

// diskFailed reports that the node goes on without what is on disk.
func (n *Node) diskFailed(err error) {
	n.event(engine.Event{Kind: engine.EventError, Err: fmt.Errorf("the node goes on without its data directory: %w", err)})
}

// listenHTTP takes the port first, so that a start with a port in use has no other effect.
func (n *Node) listenHTTP() (net.Listener, error) {
	if n.cfg.HTTP == noHTTP {
		return nil, nil
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", n.cfg.HTTP)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("HTTP address %s is in use: end what listens there, or choose another with --http (Config.HTTP): %w", n.cfg.HTTP, err)
	case err != nil:
		return nil, fmt.Errorf("listen for HTTP on %s: %w", n.cfg.HTTP, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cfg.HTTP = l.Addr().String() // the next incarnation takes the same port
	return l, nil
}

func (i *incarnation) openEngine(ctx context.Context, n *Node, legacy *engine.Legacy, actor clock.Actor) error {
	known, err := n.knownRoutes(legacy)
	if err != nil {
		return err
	}
	lost := make(chan struct{}, 1)
	if err := i.openBus(ctx, n, actor, known, lost); err != nil {
		return err
	}
	secret := make([]byte, secretBytes)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("mint a secret: %w", err)
	}
	n.mu.Lock()
	restarts := n.restarts
	n.mu.Unlock()
	network := &remembering{NATS: i.bus, cfg: n.cfg}
	i.engine, err = engine.Open(engine.Config{
		Name: n.cfg.Name, Cluster: n.cfg.Cluster, Actor: actor, Secret: secret, HTTP: reachableAt(i.http, i.bus.RouteAddr()), Route: i.bus.RouteAddr(), ReadyWait: n.cfg.ReadyWait,
		ExpectPeers: n.cfg.NATSURL != "" || len(n.cfg.Join)+len(known) > 0, Restarts: restarts,
		ForgetAfter: n.cfg.ForgetAfter, OnTrap: engine.TrapAction(n.cfg.OnTrap), Events: n.event, Legacy: legacy, Builtin: builtinHandler,
	}, network, resolver{host: i.host})
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	i.chores.Go(func() { i.passLoss(lost) })
	i.chores.Go(func() { i.keepSaving(network) })
	return nil
}

// knownRoutes are the addresses of members from earlier runs, and of those that the incarnation before knew. A node that has run goes on without the disk.
func (n *Node) knownRoutes(legacy *engine.Legacy) ([]string, error) {
	known, err := n.cfg.loadRoutes()
	if err != nil && legacy == nil {
		return nil, err
	}
	if err != nil {
		n.diskFailed(err)
	}
	known = append(known, legacy.Routes()...)
	slices.Sort(known)
	return slices.Compact(known), nil
}

// openBus opens the network and waits for a first route where one is expected. What may have been lost is told to lost.
func (i *incarnation) openBus(ctx context.Context, n *Node, actor clock.Actor, known []string, lost chan<- struct{}) error {
	loss := func() {
		select {
		case lost <- struct{}{}:
		default:
		}
	}
	var err error
	i.bus, err = bus.Open(ctx, n.cfg.WrapBus(n.busConfig(actor, known, loss)))
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	if n.cfg.NATSURL == "" {
		n.keepRoute(i.bus.ListenAddr())
	}
	return i.join(ctx, n, len(known) > 0)
}

// reachableAt is what other nodes are told of an HTTP address: one that listens on all interfaces is reached where the routes are.
func reachableAt(http, route string) string {
	host, port, err := net.SplitHostPort(http)
	if ip := net.ParseIP(host); err != nil || ip != nil && !ip.IsUnspecified() {
		return http
	}
	if host, _, err = net.SplitHostPort(route); err != nil {
		return http
	}
	return net.JoinHostPort(host, port)
}

// passLoss tells the engine of losses until it ends.
func (i *incarnation) passLoss(lost <-chan struct{}) {
	for {
		select {
		case <-lost:
			i.engine.NetworkLost()
		case <-i.engine.Done():
			return
		}
	}
}

// keepSaving writes what the disk has refused, until the engine ends.
func (i *incarnation) keepSaving(network *remembering) {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			network.saveAgain()
		case <-i.engine.Done():
			return
		}
	}
}

func (n *Node) busConfig(actor clock.Actor, known []string, loss func()) bus.Config {
	return bus.Config{
		ID: actor.String(), Name: n.cfg.Name, Cluster: n.cfg.Cluster, Route: n.cfg.Route, Advertise: n.cfg.Advertise,
		Join: append(known, n.cfg.Join...), URL: n.cfg.NATSURL, Logger: n.cfg.Logger, OnLoss: loss,
		RewriteRoute: n.cfg.dial,
		OnError:      func(err error) { n.cfg.Logger.Error("network", "error", err) },
	}
}

// keepRoute makes the next incarnation listen where this one does.
func (n *Node) keepRoute(addr string) {
	if _, port, err := net.SplitHostPort(n.cfg.Route); err == nil && port != "0" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cfg.Route = addr
}

// join waits for a first route, where one is expected. Nobody answering is worth a warning, another cluster's node an error.
func (i *incarnation) join(ctx context.Context, n *Node, again bool) error {
	patience := n.cfg.ReadyWait
	switch {
	case n.cfg.NATSURL != "":
		return nil
	case len(n.cfg.Join) > 0:
	case again:
		patience = min(patience, againPatience)
	default:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := i.bus.Joined(ctx)
	switch {
	case err == nil || len(n.cfg.Join) == 0:
	case errors.Is(err, bus.ErrClusterName), errors.Is(err, bus.ErrPassword):
		return fmt.Errorf("join: %w", err)
	default:
		n.cfg.Logger.Warn("none of the --join addresses answers yet; the node starts alone and merges when one does", "error", err)
	}
	return nil
}

func (i *incarnation) serve(n *Node, l net.Listener) error {
	if l == nil {
		return nil
	}
	server, err := rest.NewServer(rest.Config{Store: n, Metrics: n.metrics.handler(), Logger: n.cfg.Logger})
	if err != nil {
		return errors.Join(fmt.Errorf("HTTP: %w", err), l.Close())
	}
	i.server, i.served = server, make(chan error, 1)
	go func() { i.served <- server.Serve(l) }()
	return nil
}

// close ends an incarnation in order: requests, engine, handlers, network. Parts that were never opened are skipped.
func (i *incarnation) close() (*engine.Legacy, error) {
	var errs []error
	if i.server != nil {
		errs = append(errs, patiently(i.server.Close), <-i.served)
	}
	var legacy *engine.Legacy
	if i.engine != nil {
		var err error
		legacy, err = i.engine.Close()
		i.chores.Wait()
		errs = append(errs, err)
	}
	if i.host != nil {
		errs = append(errs, patiently(i.host.Close))
	}
	if i.bus != nil {
		errs = append(errs, i.bus.Close())
	}
	return legacy, errors.Join(errs...)
}

// patiently gives the closing of one part its time.
func patiently(end func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	return end(ctx)
}

// event logs what an operator should know and passes it on.
func (n *Node) event(e engine.Event) {
	n.metrics.count(e)
	n.logTrap(e)
	n.cfg.Events(e)
	level := slog.LevelInfo
	switch e.Kind {
	case engine.EventConflict, engine.EventJudged, engine.EventRepaired, engine.EventShadowed:
		level = slog.LevelDebug
	case engine.EventTrap, engine.EventRestart, engine.EventOptionsDiffer, engine.EventHandlerDisabled, engine.EventMended, engine.EventDisputed,
		engine.EventBehind:
		level = slog.LevelWarn
	case engine.EventAlarm, engine.EventNameTaken, engine.EventError, engine.EventCorrupt, engine.EventDiverged, engine.EventUnmended,
		engine.EventImpure:
		level = slog.LevelError
	case engine.EventMemberUp, engine.EventMemberDown, engine.EventReady, engine.EventTableDropped, engine.EventHandlerActive, engine.EventHandlerStopped,
		engine.EventForgotten, engine.EventClosed, engine.EventRetired, engine.EventRestored:
	}
	attrs := []slog.Attr{slog.String("node", n.cfg.Name)}
	for _, a := range []slog.Attr{slog.String("table", e.Table), slog.String("key", e.Key), slog.String("peer", e.Peer)} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	n.cfg.Logger.LogAttrs(context.Background(), level, string(e.Kind), append(attrs, e.Attrs...)...) //nolint:sloglint // the kinds are constants
}
