package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// Config is what a server needs. Zero fields mean the defaults.
type Config struct {
	// Store answers the requests. Required.
	Store Store
	// Metrics answers GET /metrics. Default: there is no such resource.
	Metrics http.Handler
	// Logger hears of defects and of HTTP's own troubles. Default: discarded.
	Logger *slog.Logger
	// Heartbeat is how often a quiet watch says that it lives. Default 15 s; more saves bytes and finds dead clients later.
	Heartbeat time.Duration
	// RequestTimeout bounds the reading of a request's body, and every single write of an answer. Default 1 min; less cuts slow clients off.
	RequestTimeout time.Duration
	// MaxRequests bounds the requests under way, MaxStreams the watches and matches; what exceeds that is answered with engine.ErrOverloaded. Default
	// 4096 and 16384; each takes some 50 KiB.
	MaxRequests, MaxStreams int
	// MaxBodyBytes bounds the request bodies in memory, in bytes; a request that needs more is answered with engine.ErrOverloaded. Default 256 MiB. It
	// must have room for the greatest request, a batch of 128 MiB.
	MaxBodyBytes int64
	// MaxStreamBytes bounds what watches and matches hold of entries that are being written, in bytes; beyond it they wait for each other. Default
	// 256 MiB. A client that takes nothing for 15 s is cut, and gives its part back.
	MaxStreamBytes int64
}

// Validate refuses a configuration that cannot work.
func (c Config) Validate() error {
	switch {
	case c.Store == nil:
		return errors.New("config: Store is missing")
	case c.Heartbeat < 0:
		return fmt.Errorf("config: Heartbeat is negative: %s", c.Heartbeat)
	case c.RequestTimeout < 0:
		return fmt.Errorf("config: RequestTimeout is negative: %s", c.RequestTimeout)
	case c.MaxRequests < 0 || c.MaxStreams < 0 || c.MaxBodyBytes < 0 || c.MaxStreamBytes < 0:
		return fmt.Errorf("config: MaxRequests, MaxStreams, MaxBodyBytes or MaxStreamBytes is negative: %d, %d, %d, %d",
			c.MaxRequests, c.MaxStreams, c.MaxBodyBytes, c.MaxStreamBytes)
	default:
		return nil
	}
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 15 * time.Second
	}
	if c.RequestTimeout == 0 {
		c.RequestTimeout = time.Minute
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = 4096
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = 16_384
	}
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = 256 << 20
	}
	if c.MaxStreamBytes == 0 {
		c.MaxStreamBytes = 256 << 20
	}
	return c
}

// Server answers the HTTP requests of one node. It is safe for concurrent use. It is an http.Handler for embedding; Serve and Close run it as a
// server of its own.
type Server struct {
	config Config
	store  Store
	log    *slog.Logger
	mux    *http.ServeMux
	keys   methods
	origin *http.CrossOriginProtection
	http   *http.Server
	load   load
	room   *room
	// peers carries the requests that are passed on while this node is not ready.
	peers *http.Transport

	// closing is closed by Close: it ends the watches, which would otherwise keep it waiting.
	closing   chan struct{}
	closeOnce sync.Once
}

var _ http.Handler = (*Server)(nil)

// NewServer returns a server that has started nothing yet.
func NewServer(config Config) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	s := &Server{
		config: config, store: config.Store, log: config.Logger,
		mux: http.NewServeMux(), origin: http.NewCrossOriginProtection(), peers: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute}, closing: make(chan struct{}),
	}
	s.room = newRoom(config.MaxStreamBytes)
	s.register()
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(config.Logger.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// Serve accepts connections until Close, and then returns nil. It owns the listener.
func (s *Server) Serve(listener net.Listener) error {
	if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http: %w", err)
	}
	return nil
}

// Close ends the watches, lets the other requests finish until ctx ends, and cuts what is left. It may be called more than once.
func (s *Server) Close(ctx context.Context) error {
	s.closeOnce.Do(func() { close(s.closing) })
	defer s.peers.CloseIdleConnections()
	err := s.http.Shutdown(ctx)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("finish http requests: %w", err), s.http.Close())
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := &tracked{ResponseWriter: w, server: s, controller: http.NewResponseController(w), timeout: s.config.RequestTimeout}
	t.begin()
	defer t.let()
	defer s.contain(t, r)
	if err := s.origin.Check(r); err != nil {
		s.fail(t, fmt.Errorf("%w: %w", ErrCrossOrigin, err))
		return
	}
	if table, key, ok := cutKeyPath(r.URL.EscapedPath()); ok {
		r.SetPathValue("table", table)
		r.SetPathValue("key", key)
		s.keys.ServeHTTP(t, r)
		return
	}
	s.mux.ServeHTTP(t, r)
}

// contain keeps a panic of one request away from the others.
func (s *Server) contain(t *tracked, r *http.Request) {
	cause := recover()
	switch cause {
	case nil:
		return
	case http.ErrAbortHandler:
		panic(cause)
	}
	s.log.Error("request panicked", "method", r.Method, "path", r.URL.Path, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if t.wrote {
		panic(http.ErrAbortHandler)
	}
	s.fail(t, ErrInternal)
}

const (
	// streamPatience is how long the client of a watch or a match may take nothing.
	streamPatience = 15 * time.Second
	// writePiece is how much of an answer has a deadline of its own.
	writePiece = 64 << 10
)

// tracked knows whether the answer has begun, gives every write its own deadline, and counts the bytes that the request holds.
type tracked struct {
	http.ResponseWriter

	server     *Server
	controller *http.ResponseController
	timeout    time.Duration
	wrote      bool
	held       int64
}

// begin sets the deadlines of a new request. Writers without deadlines, as in tests, go on without.
func (t *tracked) begin() {
	deadline := time.Now().Add(t.timeout)
	_ = t.controller.SetReadDeadline(deadline)
	_ = t.controller.SetWriteDeadline(deadline)
}

// stream lifts the deadline of reading: the server reads on to notice that the client went away. A client that takes nothing is cut soon.
func (t *tracked) stream() {
	t.timeout = min(t.timeout, streamPatience)
	_ = t.controller.SetReadDeadline(time.Time{})
}

func (t *tracked) WriteHeader(status int) {
	t.wrote = t.wrote || status >= http.StatusOK
	t.ResponseWriter.WriteHeader(status)
}

// Write gives the client its time for each piece.
func (t *tracked) Write(p []byte) (int, error) {
	t.wrote = true
	written := 0
	for {
		_ = t.controller.SetWriteDeadline(time.Now().Add(t.timeout))
		n, err := t.ResponseWriter.Write(p[written:min(len(p), written+writePiece)])
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// Unwrap gives http.ResponseController the writer below.
func (t *tracked) Unwrap() http.ResponseWriter { return t.ResponseWriter }
