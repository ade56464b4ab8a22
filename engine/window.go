package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/kvnode/kvnode/clock"
)

const (
	// windowBytes bounds what is sent to a member and not confirmed by it. While that of a member is full, mutations wait, and coalesce by key.
	windowBytes = 8 << 20
	// windowPatience is how long a full window holds the mutations for the other members up. Then the member is behind.
	windowPatience = time.Second
	// maxBacklog bounds the mutations that wait to be sent, in bytes of keys and values. Past it writes wait, and in the end are refused.
	maxBacklog = 64 << 20
)

// window is what one member was sent and has not confirmed.
type window struct {
	frames []windowFrame // by sequence
	bytes  int
	full   time.Time // since when; zero while it is not
	// behind says that the member does not keep up: it is sent no more mutations until it has confirmed what is on its way. What it misses it
	// sees in the sequence numbers, and takes by repair, at its own pace.
	behind bool
}

type windowFrame struct {
	sequence uint64
	bytes    int
	at       time.Time
}

func (w *window) add(sequence uint64, size int, now time.Time) {
	w.frames = append(w.frames, windowFrame{sequence: sequence, bytes: size, at: now})
	w.bytes += size
	if w.bytes >= windowBytes && w.full.IsZero() {
		w.full = now
	}
}

// confirm frees the window of frames up to a sequence number: what was sent before a confirmed frame has arrived as well, or never will.
func (w *window) confirm(sequence uint64) {
	w.free(func(f windowFrame) bool { return f.sequence <= sequence })
}

// expire frees the window of what is so old that it must be lost, and finds out whether the member is behind.
func (w *window) expire(now time.Time) (fallsBehind bool) {
	w.free(func(f windowFrame) bool { return now.Sub(f.at) > sentMemory })
	fallsBehind = !w.behind && !w.full.IsZero() && now.Sub(w.full) > windowPatience
	w.behind = w.behind || fallsBehind
	return fallsBehind
}

func (w *window) free(gone func(windowFrame) bool) {
	n := 0
	for n < len(w.frames) && gone(w.frames[n]) {
		w.bytes -= w.frames[n].bytes
		n++
	}
	w.frames = slices.Delete(w.frames, 0, n)
	if w.bytes < windowBytes {
		w.full = time.Time{}
	}
	if w.bytes == 0 {
		w.behind = false
	}
}

// held says whether a member's window is full, so that mutations wait.
func (c *Core) held() bool {
	return slices.ContainsFunc(c.members.sorted, func(p *peer) bool { return !p.window.behind && p.window.bytes >= windowBytes })
}

// expireWindows finds members that do not keep up.
func (c *Core) expireWindows() {
	for _, p := range c.members.sorted {
		if p.window.expire(c.now) {
			c.report(Event{Kind: EventBehind, Peer: p.hello.Name, Attrs: []slog.Attr{slog.Int("unconfirmed_bytes", p.window.bytes)}})
		}
	}
}

// transmit sends mutations to the members that keep up, and returns them. When there are no others it is a broadcast; else the network would queue
// it for those too.
func (c *Core) transmit(sequence uint64, frame []byte, size int) map[clock.Actor]struct{} {
	to := map[clock.Actor]struct{}{}
	for _, p := range c.members.sorted {
		if !p.window.behind {
			p.window.add(sequence, size, c.now)
			to[p.actor] = struct{}{}
		}
	}
	if v := c.published.Load(); len(to) == len(c.members.sorted) && v.knownConnected() >= len(v.known) {
		c.broadcast(frame)
		return to
	}
	for _, p := range c.members.sorted {
		if _, keepsUp := to[p.actor]; keepsUp {
			c.send(p.actor, LaneFast, frame)
		}
	}
	return to
}

// backlog counts the bytes that were written here and wait to be sent. Safe for concurrent use.
type backlog struct {
	mu      sync.Mutex // guards what follows
	bytes   int
	refused uint64
	room    chan struct{} // closed and replaced when there is more room and a write waits for it
	awaited bool
}

func newBacklog() *backlog { return &backlog{room: make(chan struct{})} }

// reserve takes room for a write of some bytes if there is any; else it returns a channel that is closed when it should be tried again.
func (b *backlog) reserve(size int) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes < maxBacklog {
		b.bytes += size
		return nil
	}
	b.awaited = true
	return b.room
}

// release gives room back.
func (b *backlog) release(size int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes -= size
	if b.awaited && b.bytes < maxBacklog {
		close(b.room)
		b.room, b.awaited = make(chan struct{}), false
	}
}

// refuse counts a write that found no room.
func (b *backlog) refuse() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused++
	return fmt.Errorf("%w: %d MiB wait to be sent to other nodes; nothing was written", ErrOverloaded, b.bytes>>20)
}

func (b *backlog) counts() (bytes int, refused uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes, b.refused
}

// awaitRoom takes room for a write in the queue to the other nodes. It waits for it, at most AckTimeout, then answers ErrOverloaded.
func (e *Engine) awaitRoom(ctx context.Context, size int) error {
	b := e.core.space.backlog
	again := b.reserve(size)
	if again == nil {
		return nil
	}
	timer := time.NewTimer(e.core.cfg.AckTimeout)
	defer timer.Stop()
	for ; again != nil; again = b.reserve(size) {
		select {
		case <-again:
		case <-timer.C:
			return b.refuse()
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", b.refuse(), ctx.Err())
		case <-e.ctx.Done():
			return ErrClosed
		}
	}
	return nil
}
