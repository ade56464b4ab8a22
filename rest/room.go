package rest

import (
	"context"
	"sync"
)

// room bounds the bytes that the answers of watches and matches hold while they are written: a client that does not read keeps its line in memory
// until it is cut. Safe for concurrent use.
type room struct {
	limit int64

	mu      sync.Mutex // guards what follows
	taken   int64
	news    chan struct{} // closed and replaced when something is given back and somebody waits for it
	awaited bool
}

func newRoom(limit int64) *room { return &room{limit: limit, news: make(chan struct{})} }

// take waits until there is room for so many bytes, or ctx ends. What alone exceeds the limit is let in when nothing else is.
func (r *room) take(ctx context.Context, size int64) error {
	for {
		news := r.try(size)
		if news == nil {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// try takes room if there is any; else it returns a channel that is closed when it should be tried again.
func (r *room) try(size int64) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken > 0 && r.taken+size > r.limit {
		r.awaited = true
		return r.news
	}
	r.taken += size
	return nil
}

func (r *room) give(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken -= size
	if r.awaited {
		close(r.news)
		r.news, r.awaited = make(chan struct{}), false
	}
}

func (r *room) held() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}
