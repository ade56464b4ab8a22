package bus

import "sync"

// inbox is a queue of messages between the network and the goroutine that hands them to the listener. It is bounded in bytes: what
// exceeds the limit is lost.
type inbox struct {
	limit int
	wake  chan struct{} // has an element when messages wait

	mu    sync.Mutex // guards what follows
	queue [][]byte
	bytes int
}

func newInbox(limit int) *inbox {
	return &inbox{limit: limit, wake: make(chan struct{}, 1)}
}

// put appends raw, which the inbox owns from here on, and reports whether there was room.
func (b *inbox) put(raw []byte) bool {
	b.mu.Lock()
	if b.bytes+len(raw) > b.limit && len(b.queue) > 0 {
		b.mu.Unlock()
		return false
	}
	b.queue = append(b.queue, raw)
	b.bytes += len(raw)
	first := len(b.queue) == 1
	b.mu.Unlock()
	if first {
		b.ring()
	}
	return true
}

func (b *inbox) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// held returns how many bytes wait.
func (b *inbox) held() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes
}

// takeAll returns all messages that wait, oldest first, and takes spent, the slice that an earlier call returned, for later ones.
func (b *inbox) takeAll(spent [][]byte) [][]byte {
	clear(spent)
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.queue
	b.queue = spent[:0]
	b.bytes = 0
	return taken
}
