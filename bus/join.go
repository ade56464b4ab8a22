package bus

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	probeTimeout  = time.Second
	probeInterval = 500 * time.Millisecond
	// maxGreeting bounds the first line that a server may say, in bytes.
	maxGreeting = 64 << 10
)

// Joined waits until the routes to one other node are up. It returns nil at once if nobody is to be joined or the NATS is external.
//
// It gives up when ctx ends: [ErrNotJoined], with what each address of Config.Join answered; and at once when every address
// belongs to another cluster: [ErrClusterName], naming both. [ErrPassword], [ErrNotNode] and [ErrUnreachable] can be among the
// answers. The node goes on dialling after any error.
func (n *NATS) Joined(ctx context.Context) error {
	addrs := n.joinAddrs()
	if n.server == nil || len(addrs) == 0 {
		return nil
	}
	probing, cancel := context.WithCancel(context.WithoutCancel(ctx)) // a deadline of ctx would look like an address without answer
	answers := newAnswers(len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() { n.probeOften(probing, addr, func(err error) { answers.set(i, err) }) })
	}
	defer wg.Wait()
	defer cancel()
	for {
		up := n.watch.routeUp()
		if n.routed() {
			return nil
		}
		select {
		case <-up:
		case <-answers.news:
			switch {
			case answers.allAre(errSelf):
				return nil
			case answers.allAre(ErrClusterName):
				return n.joinError(addrs, answers)
			}
		case <-ctx.Done():
			return n.joinError(addrs, answers)
		}
	}
}

// routed reports whether all connections to another node are up. The first alone proves little: it counts as up before the other
// side has looked at the password.
func (n *NATS) routed() bool {
	routez, err := n.server.Routez(nil)
	if err != nil {
		return false
	}
	connections := make(map[string]int)
	for _, route := range routez.Routes {
		if route.Account == "" { // one of the pool
			connections[route.RemoteID]++
		}
		if connections[route.RemoteID] >= routePoolSize {
			return true
		}
	}
	return false
}

// joinAddrs returns Config.Join without this node's own address.
func (n *NATS) joinAddrs() []string {
	own := []string{n.cfg.Advertise, n.cfg.Route, n.listens, n.RouteAddr()}
	return slices.DeleteFunc(slices.Clone(n.cfg.Join), func(addr string) bool { return slices.Contains(own, addr) })
}

func (n *NATS) joinError(addrs []string, answers *answers) error {
	named := &joinError{}
	for i, addr := range addrs {
		err := answers.get(i)
		if err == nil {
			err = errors.New("answers, but no route came up")
			if refused := n.watch.refusal(); refused != nil {
				err = refused
			}
		}
		named.causes = append(named.causes, fmt.Errorf("%s: %w", addr, err))
	}
	return named
}

// joinError lists what every address answered.
type joinError struct{ causes []error }

func (e *joinError) Error() string {
	texts := make([]string, len(e.causes))
	for i, cause := range e.causes {
		texts[i] = cause.Error()
	}
	return "join: " + ErrNotJoined.Error() + ": " + strings.Join(texts, "; ")
}

func (e *joinError) Unwrap() []error { return append([]error{ErrNotJoined}, e.causes...) }

// answers holds the latest answer of every address.
type answers struct {
	news chan struct{}

	mu   sync.Mutex // guards errs
	errs []error
}

func newAnswers(count int) *answers {
	a := &answers{news: make(chan struct{}, 1), errs: make([]error, count)}
	for i := range a.errs {
		a.errs[i] = errNotAsked
	}
	return a
}

var (
	errNotAsked = fmt.Errorf("%w: no answer yet", ErrUnreachable)
	errSelf     = errors.New("it is this node itself")
)

func (a *answers) set(i int, err error) {
	a.mu.Lock()
	a.errs[i] = err
	a.mu.Unlock()
	select {
	case a.news <- struct{}{}:
	default:
	}
}

func (a *answers) get(i int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.errs[i]
}

func (a *answers) allAre(target error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !slices.ContainsFunc(a.errs, func(err error) bool { return !errors.Is(err, target) })
}

// probeOften asks addr who it is, again and again until ctx ends.
func (n *NATS) probeOften(ctx context.Context, addr string, answer func(error)) {
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		err := n.probe(ctx, n.cfg.RewriteRoute(addr))
		if ctx.Err() != nil {
			return
		}
		answer(err)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// diagnose asks every address that this node dials who it is, and returns the first that is of another cluster.
func (n *NATS) diagnose(ctx context.Context) error {
	for _, addr := range n.explicit() {
		if err := n.probe(ctx, addr); errors.Is(err, ErrClusterName) {
			return fmt.Errorf("%s: %w", addr, err)
		}
	}
	return nil
}

// probe asks addr who it is, in the way a route does: a server greets first. It returns nil if it is a node of this cluster.
func (n *NATS) probe(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	line, err := greeting(ctx, addr)
	if err != nil {
		return describe(err)
	}
	text, ok := bytes.CutPrefix(line, []byte("INFO "))
	var info struct {
		Name    string `json:"server_name"`
		Cluster string `json:"cluster"`
	}
	if !ok || json.Unmarshal(text, &info) != nil {
		return fmt.Errorf("%w: something else answers there", ErrNotNode)
	}
	switch {
	case info.Name == n.server.Name():
		return errSelf
	case info.Cluster != n.cfg.Cluster:
		return fmt.Errorf("%w: it is of cluster %q, this node is of cluster %q; give both the same cluster name",
			ErrClusterName, info.Cluster, n.cfg.Cluster)
	default:
		return nil
	}
}

// greeting returns the first line that addr says.
func greeting(ctx context.Context, addr string) ([]byte, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	defer func() { _ = conn.Close() }() // nothing was written that could be lost
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	line, err := bufio.NewReader(io.LimitReader(conn, maxGreeting)).ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("read greeting: %w", err)
	}
	return line, nil
}

// describe says in a few words why addr did not answer.
func describe(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: connection refused; is the node running?", ErrUnreachable)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w: no answer within %v", ErrUnreachable, probeTimeout)
	default:
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
}
