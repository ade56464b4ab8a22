package rest

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/kvnode/kvnode/engine"
)

// Load is what a server is doing.
type Load struct {
	// Requests are under way, watches and matches included.
	Requests int
	// BodyBytes is how much of request bodies is held in memory, StreamBytes how much of what watches and matches answer.
	BodyBytes, StreamBytes int64
	// Refused counts the requests that were answered with engine.ErrOverloaded since the server was made.
	Refused uint64
}

// Load returns what the server is doing now. It is safe for concurrent use.
func (s *Server) Load() Load {
	return Load{
		Requests:    int(s.load.requests.Load() + s.load.streams.Load()),
		BodyBytes:   s.load.bytes.Load(),
		StreamBytes: s.room.held(),
		Refused:     s.load.refused.Load(),
	}
}

// load counts what is under way.
type load struct {
	requests, streams, bytes atomic.Int64
	refused                  atomic.Uint64
}

// admit lets a request in if there are not too many under way; then the caller calls leave when it is over. What is asked of a node about itself
// is always let in, so that one can look at it.
func (s *Server) admit(rt route) (leave func(), err error) {
	counted, limit, what := &s.load.requests, s.config.MaxRequests, "requests"
	switch {
	case rt.here && !rt.stream:
		return func() {}, nil
	case rt.stream:
		counted, limit, what = &s.load.streams, s.config.MaxStreams, "watches and matches"
	}
	if counted.Add(1) > int64(limit) {
		counted.Add(-1)
		return nil, s.overloaded(fmt.Sprintf("%d %s are under way", limit, what))
	}
	return func() { counted.Add(-1) }, nil
}

func (s *Server) overloaded(why string) error {
	s.load.refused.Add(1)
	return fmt.Errorf("%w: %s", engine.ErrOverloaded, why)
}

// lineBytes estimates what an entry takes while it is written as JSON: its values, encoded, and in the writer's buffer.
func lineBytes(e engine.Entry) int64 {
	n := len(e.Key) + len(e.Value)
	for _, v := range e.Siblings {
		n += len(v.Value)
	}
	return 2 * int64(n)
}

// hold counts bytes that the request holds until it is over, if there is room for them.
func (t *tracked) hold(size int) error {
	s := t.server
	if s.load.bytes.Add(int64(size)) > s.config.MaxBodyBytes {
		s.load.bytes.Add(-int64(size))
		return s.overloaded(fmt.Sprintf("request bodies of %d bytes are under way", s.config.MaxBodyBytes))
	}
	t.held += int64(size)
	return nil
}

// let gives back what the request holds.
func (t *tracked) let() {
	t.server.load.bytes.Add(-t.held)
	t.held = 0
}

// firstRead is the size of the buffer that a body is read into at first; it doubles as the body arrives, so that a client holds no more room than
// twice what it has sent.
const firstRead = 4 << 10

// readAll reads a body of which the client says how many bytes it has; -1 when it does not say.
func (t *tracked) readAll(r io.Reader, announced int64) ([]byte, error) {
	var body []byte
	for {
		if len(body) == cap(body) {
			size := max(firstRead, 2*cap(body))
			if announced >= 0 {
				size = min(size, max(int(announced), len(body))+1) // with room for the read that finds the end
			}
			if err := t.hold(size - cap(body)); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, size), body...)
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, err
		}
	}
}
