package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// repeatAfter is how long the same error is not reported again.
const repeatAfter = time.Minute

// watch listens to the embedded server, which tells some things to its log only: routes that come and go, nodes of other clusters,
// an address that is taken. It is the server's logger; the server calls it with its own locks held, so it only takes notes, and one
// goroutine calls Config.OnLoss and Config.OnError.
type watch struct {
	cfg      Config
	diagnose func(ctx context.Context) error // asks the other nodes which cluster they are of

	loss     chan struct{} // payloads may have been lost
	conflict chan struct{} // a route was closed because of its cluster's name
	errs     chan error    // to be reported
	fatal    chan error    // why the server cannot start
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu      sync.Mutex    // guards what follows
	changed chan struct{} // closed, and replaced, when a route comes up
	refused error         // what the last route was refused for
}

var _ server.Logger = (*watch)(nil)

func newWatch(cfg Config, diagnose func(context.Context) error) *watch {
	return &watch{
		cfg:      cfg,
		diagnose: diagnose,
		loss:     make(chan struct{}, 1),
		conflict: make(chan struct{}, 1),
		errs:     make(chan error, 16),
		fatal:    make(chan error, 1),
		changed:  make(chan struct{}),
	}
}

func (w *watch) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.wg.Go(func() { w.run(ctx) })
}

func (w *watch) stop() {
	w.cancel()
	w.wg.Wait()
}

func (w *watch) run(ctx context.Context) {
	reported := make(map[string]time.Time)
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.loss:
			w.cfg.OnLoss()
		case err := <-w.errs:
			w.report(reported, err)
		case <-w.conflict:
			if err := w.diagnose(ctx); err != nil {
				w.report(reported, err)
			}
		}
	}
}

// report calls OnError unless it has heard the same less than repeatAfter ago.
func (w *watch) report(reported map[string]time.Time, err error) {
	now := time.Now()
	for text, at := range reported {
		if now.Sub(at) >= repeatAfter {
			delete(reported, text)
		}
	}
	if _, known := reported[err.Error()]; known {
		return
	}
	reported[err.Error()] = now
	w.cfg.OnError(err)
}

// lost notes that payloads may have been lost.
func (w *watch) lost() {
	select {
	case w.loss <- struct{}{}:
	default: // OnLoss is about to be called
	}
}

// fail notes an error for people.
func (w *watch) fail(err error) {
	w.mu.Lock()
	w.refused = err
	w.mu.Unlock()
	select {
	case w.errs <- err:
	default: // so many wait already that one more says nothing new
	}
}

// refusal returns what the last route was refused for, nil if none was.
func (w *watch) refusal() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused
}

// routeUp returns a channel that is closed when the next route comes up.
func (w *watch) routeUp() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *watch) registered() {
	w.mu.Lock()
	close(w.changed)
	w.changed = make(chan struct{})
	w.mu.Unlock()
	w.lost()
}

// connectionError is called by the lanes' connections.
func (w *watch) connectionError(_ *nats.Conn, _ *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) {
		w.lost()
	}
	w.cfg.Logger.Warn("nats connection", "node", w.cfg.Name, "error", err)
}

// Noticef hears which routes have closed, and why.
func (w *watch) Noticef(format string, v ...any) {
	if strings.Contains(format, "connection closed") && len(v) > 1 {
		w.closed(v[0], v[1], len(v) > 2)
	}
	w.log(slog.LevelDebug, format, v)
}

// closed notes the end of a connection. The server names the remote node (known) once it has heard from it.
func (w *watch) closed(kind, reason any, known bool) {
	state, ok := reason.(server.ClosedState)
	if !ok || kind != "Router" {
		return
	}
	switch {
	case state == server.ClusterNameConflict:
		select {
		case w.conflict <- struct{}{}:
		default:
		}
	case known && state != server.DuplicateRoute:
		w.lost()
	}
}

// Warnf hears nothing that matters here.
func (w *watch) Warnf(format string, v ...any) { w.log(slog.LevelDebug, format, v) }

// Errorf hears of nodes that were refused here, and of refusals elsewhere. A route that does not come up is no news: those who
// wait for it ask with Joined.
func (w *watch) Errorf(format string, v ...any) {
	if _, rest, ok := strings.Cut(format, "Rejecting connection, cluster name "); ok {
		w.refuse(rest)
	}
	if strings.Contains(format, "Route Error %s") && len(v) == 1 {
		w.routeError(fmt.Sprint(v[0]))
	}
	w.log(slog.LevelDebug, format, v)
}

// refuse notes that a node was refused, whose cluster's name is quoted at the beginning of text.
func (w *watch) refuse(text string) {
	name, err := strconv.QuotedPrefix(text)
	if err != nil {
		name = "another name"
	}
	w.fail(fmt.Errorf("%w: a node of cluster %s was refused, this node is of cluster %q; give both the same cluster name, "+
		"or take this node's address out of the other's", ErrClusterName, name, w.cfg.Cluster))
}

func (w *watch) routeError(text string) {
	if strings.Contains(text, "Authorization Violation") {
		w.fail(fmt.Errorf("%w by another node; give all nodes the same route password", ErrPassword))
	}
}

// Fatalf hears why the server cannot start. It ends nothing.
func (w *watch) Fatalf(format string, v ...any) {
	err := fmt.Errorf(format, v...)
	for _, arg := range v {
		if cause, ok := arg.(error); ok {
			err = cause
		}
	}
	select {
	case w.fatal <- err:
	default:
	}
	w.log(slog.LevelError, format, v)
}

// Debugf hears which routes have come up.
func (w *watch) Debugf(format string, v ...any) {
	if strings.Contains(format, "Registering remote route") {
		w.registered()
	}
	w.log(slog.LevelDebug, format, v)
}

// Tracef hears nothing: tracing is off.
func (w *watch) Tracef(string, ...any) {}

func (w *watch) log(level slog.Level, format string, v []any) {
	ctx := context.Background()
	if w.cfg.Logger.Enabled(ctx, level) {
		w.cfg.Logger.Log(ctx, level, "nats server", "node", w.cfg.Name, "line", fmt.Sprintf(format, v...))
	}
}
