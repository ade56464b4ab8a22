package bus

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// closeTimeout bounds how long Close waits for what was sent last to leave.
const closeTimeout = time.Second

// NATS is a bus over NATS. With an empty Config.URL the node embeds a NATS server and is joined to the others by routes; with a URL
// it is a client of an external NATS. All methods are safe for concurrent use.
type NATS struct {
	cfg     Config
	server  *server.Server // nil with an external NATS
	base    *server.Options
	secret  string // password of the lanes' in-process connections
	listens string // host:port that the server is bound to
	watch   *watch
	lanes   [NumLanes]*lane
	listen  sync.Once
	close   sync.Once

	mu     sync.Mutex // guards routes; held over a reload
	routes []string   // the explicit routes after rewriting, sorted
}

// Open starts the bus that cfg describes: its server listens and its connections stand when Open returns, but it need not have met
// another node (see [NATS.Joined]). What arrives is kept, within bounds, until Listen is called. ctx limits the start only.
//
// Errors: [ErrConfig], [ErrAddrInUse], [ErrListen], [ErrUnreachable] (external NATS).
func Open(ctx context.Context, cfg Config) (*NATS, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &NATS{cfg: cfg.withDefaults()}
	n.watch = newWatch(n.cfg, n.diagnose)
	n.watch.start()
	if err := n.open(ctx); err != nil {
		n.shutdown()
		return nil, err
	}
	return n, nil
}

func (n *NATS) open(ctx context.Context) error {
	if n.cfg.URL == "" {
		if err := n.startServer(ctx); err != nil {
			return err
		}
		n.cfg.OnListen(n.listens)
	}
	for i := range n.lanes {
		l, err := n.openLane(i)
		if err != nil {
			return err
		}
		n.lanes[i] = l
	}
	return nil
}

// Broadcast sends payload to every other node of the cluster, never to this one. It does not keep payload.
//
// Errors: [ErrTooLarge], [ErrLane], [ErrClosed], and [ErrUnreachable] while an external NATS is away.
func (n *NATS) Broadcast(lane int, payload []byte) error {
	if err := checkSend(lane, payload); err != nil {
		return err
	}
	return n.lanes[lane].send(n.lanes[lane].broadcast, payload)
}

// Send sends payload to the node with the ID to. That no such node exists is not an error. It does not keep payload. Errors as
// those of Broadcast.
func (n *NATS) Send(to string, lane int, payload []byte) error {
	if err := checkSend(lane, payload); err != nil {
		return err
	}
	return n.lanes[lane].send(n.lanes[lane].subjectOf(to), payload)
}

// Listen sets the receiver of all payloads, for good; calls after the first do nothing.
func (n *NATS) Listen(receive func(from string, lane int, payload []byte)) {
	n.listen.Do(func() {
		for _, l := range n.lanes {
			l.listen(receive)
		}
	})
}

// Stats returns what the bus has counted so far.
func (n *NATS) Stats() Stats {
	var stats Stats
	for i, l := range n.lanes {
		stats[i] = l.stats()
	}
	return stats
}

// Held returns how many bytes wait in this process: to leave for other nodes, and for the receiver. Those in the sockets are the system's.
func (n *NATS) Held() int {
	held := 0
	for _, l := range n.lanes {
		held += l.inbox.held()
	}
	if n.server == nil {
		return held
	}
	routes, err := n.server.Routez(nil)
	if err != nil {
		return held // the server is down, and holds nothing
	}
	for _, route := range routes.Routes {
		held += route.Pending
	}
	return held
}

// Close sends what is still on its way out, leaves the cluster and stops the server. Payloads that wait for the receiver are lost.
// When it returns no callback runs any more; a callback must not call it. Later calls wait for the first. It returns nil.
func (n *NATS) Close() error {
	n.close.Do(n.shutdown)
	return nil
}

func (n *NATS) shutdown() {
	for _, l := range n.lanes {
		if l != nil {
			l.close()
		}
	}
	if n.server != nil {
		n.server.Shutdown()
		n.server.WaitForShutdown()
	}
	n.watch.stop()
}

// openLane connects lane i and subscribes it.
func (n *NATS) openLane(i int) (*lane, error) {
	l := newLane(i, n.cfg, n.watch.lost)
	url, options := n.cfg.URL, n.externalOptions()
	if n.server != nil {
		url, options = "", n.embeddedOptions(i)
	}
	options = append(
		options,
		nats.Name("kvnode "+n.cfg.Name+" lane "+strconv.Itoa(i)),
		nats.NoEcho(),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // what cannot be sent now is lost: the sender is told, and sends something newer later
		nats.NoCallbacksAfterClientClose(),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { n.watch.lost() }),
		nats.ReconnectHandler(func(*nats.Conn) { n.watch.lost() }),
		nats.ErrorHandler(n.watch.connectionError),
	)
	conn, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w: %w; check the URL, and that the server runs",
			redact(url), ErrUnreachable, err)
	}
	if err := l.open(conn); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (n *NATS) embeddedOptions(lane int) []nats.Option {
	return []nats.Option{
		nats.InProcessServer(n.server),
		nats.UserInfo(laneAccounts()[lane], n.secret),
		nats.ReconnectWait(50 * time.Millisecond),
	}
}

func (n *NATS) externalOptions() []nats.Option {
	return []nats.Option{
		nats.Timeout(2 * time.Second),
		nats.PingInterval(time.Second),
		nats.MaxPingsOutstanding(2),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
	}
}

// redact hides the passwords of a comma-separated list of URLs.
func redact(urls string) string {
	list := strings.Split(urls, ",")
	for i, u := range list {
		scheme, rest, found := strings.Cut(u, "://")
		if !found {
			scheme, rest = "nats", u
		}
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			rest = "xxxxx" + rest[at:]
		}
		list[i] = strings.TrimSpace(scheme) + "://" + rest
	}
	return strings.Join(list, ",")
}
