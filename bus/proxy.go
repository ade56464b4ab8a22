package bus

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	proxyBuffer = 64 << 10
	// holdTime is how long a connection that is made during a cut waits for the cut to heal. A dialler has given up by then.
	holdTime = 5 * time.Second
)

// gate lets bytes pass or makes them wait.
type gate struct {
	mu     sync.Mutex
	passed chan struct{} // closed while the gate is open
	open   bool
}

func newGate() *gate {
	g := &gate{passed: make(chan struct{}), open: true}
	close(g.passed)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		g.open, g.passed = false, make(chan struct{})
	}
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open {
		g.open = true
		close(g.passed)
	}
}

// passage returns a channel that is closed as soon as the gate is open.
func (g *gate) passage() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed
}

// proxy carries the connections that one node makes to another.
type proxy struct {
	listener net.Listener
	there    *gate         // what the first node sends
	back     *gate         // what the other node sends
	target   func() string // where the other node listens now
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu    sync.Mutex // guards conns
	conns map[net.Conn]struct{}
}

func newProxy(there, back *gate, target func() string) (*proxy, error) {
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		cancel()
		return nil, fmt.Errorf("listen for a proxy: %w", err)
	}
	p := &proxy{listener: listener, there: there, back: back, target: target, cancel: cancel, conns: make(map[net.Conn]struct{})}
	p.wg.Go(func() { p.accept(ctx) })
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept(ctx context.Context) {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.carry(ctx, conn) })
	}
}

// carry joins conn to the other node, once both gates let it, until either side closes.
func (p *proxy) carry(ctx context.Context, conn net.Conn) {
	if !p.add(conn) {
		return
	}
	defer p.remove(conn)
	if !hold(ctx, p.there, p.back) {
		return
	}
	dialer := net.Dialer{Timeout: probeTimeout}
	other, err := dialer.DialContext(ctx, "tcp", p.target())
	if err != nil || !p.add(other) {
		return
	}
	defer p.remove(other)
	var back sync.WaitGroup
	back.Go(func() { p.copy(ctx, p.back, conn, other) })
	p.copy(ctx, p.there, other, conn)
	back.Wait()
}

// hold waits until each gate is open, and reports whether none kept it too long.
func hold(ctx context.Context, gates ...*gate) bool {
	timer := time.NewTimer(holdTime)
	defer timer.Stop()
	for _, g := range gates {
		select {
		case <-g.passage():
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// copy moves bytes from src to dst while the gate lets them pass. When src ends it ends both.
func (p *proxy) copy(ctx context.Context, g *gate, dst, src net.Conn) {
	defer abort(dst)
	defer abort(src)
	buf := make([]byte, proxyBuffer)
	for {
		n, err := src.Read(buf)
		select {
		case <-g.passage():
		case <-ctx.Done():
			return
		}
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// abort closes conn. Nobody could act on an error.
func abort(conn net.Conn) { _ = conn.Close() }

// add notes conn as open, or closes it if the proxy is closed.
func (p *proxy) add(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		abort(conn)
		return false
	}
	p.conns[conn] = struct{}{}
	return true
}

func (p *proxy) remove(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	abort(conn)
}

// reset breaks all connections.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // so that the other end sees a reset, not an orderly end
		}
		abort(conn)
	}
}

// close ends the proxy and waits for its goroutines.
func (p *proxy) close() {
	p.cancel()
	_ = p.listener.Close() // accept ends with it
	p.reset()
	p.mu.Lock()
	p.conns = nil
	p.mu.Unlock()
	p.wg.Wait()
}
