package bus

import (
	"container/heap"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// memoryPartials is how many unfinished payloads of one sender a node of a [Memory] network keeps: more than one, because frames
// may pass each other there.
const memoryPartials = 4

// MemoryNode is a node of a [Memory] network. It has the methods of [NATS]; those that speak of routes do nothing. All methods are
// safe for concurrent use.
type MemoryNode struct {
	net     *Memory
	name    string
	id      string
	boxes   [NumLanes]*mailbox
	framers [NumLanes]framer
	done    chan struct{}
	listen  sync.Once
	wg      sync.WaitGroup

	closed bool // guarded by net.mu, as is stats
	stats  Stats
}

func newMemoryNode(net *Memory, name, id string) *MemoryNode {
	node := &MemoryNode{net: net, name: name, id: id, done: make(chan struct{})}
	for lane := range node.boxes {
		node.boxes[lane] = &mailbox{wake: make(chan struct{}, 1)}
		node.framers[lane].from = id
	}
	return node
}

// Broadcast sends payload to every other node of the network. It does not keep payload.
//
// Errors: [ErrTooLarge], [ErrLane], [ErrClosed].
func (n *MemoryNode) Broadcast(lane int, payload []byte) error {
	return n.send(lane, payload, func() []*MemoryNode {
		others := make([]*MemoryNode, 0, len(n.net.nodes))
		for _, node := range n.net.nodes {
			if node != n {
				others = append(others, node)
			}
		}
		slices.SortFunc(others, func(a, b *MemoryNode) int { return strings.Compare(a.id, b.id) }) // the same faults for the same seed
		return others
	})
}

// Send sends payload to the node with the ID to. That no such node exists is not an error. It does not keep payload. Errors as
// those of Broadcast.
func (n *MemoryNode) Send(to string, lane int, payload []byte) error {
	return n.send(lane, payload, func() []*MemoryNode {
		if node := n.net.nodes[to]; node != nil {
			return []*MemoryNode{node}
		}
		return nil
	})
}

// send sends payload to the nodes that receivers returns, which is called with the network's lock held.
func (n *MemoryNode) send(lane int, payload []byte, receivers func() []*MemoryNode) error {
	if err := checkSend(lane, payload); err != nil {
		return err
	}
	err := n.framers[lane].emit(payload, func(frame []byte) error {
		n.net.mu.Lock()
		defer n.net.mu.Unlock()
		if n.closed {
			return ErrClosed
		}
		for _, to := range receivers() {
			n.net.sendLocked(n, to, lane, frame)
		}
		return nil
	})
	if err != nil {
		return err
	}
	n.net.mu.Lock()
	n.stats[lane].Sent++
	n.stats[lane].SentBytes += uint64(len(payload))
	n.net.mu.Unlock()
	return nil
}

// Listen sets the receiver of all payloads, for good; calls after the first do nothing.
func (n *MemoryNode) Listen(receive func(from string, lane int, payload []byte)) {
	n.listen.Do(func() {
		for lane := range n.boxes {
			n.wg.Go(func() { n.deliver(lane, receive) })
		}
	})
}

// SetRoutes does nothing: the nodes of a network in memory all know each other.
func (n *MemoryNode) SetRoutes([]string) error { return nil }

// RouteAddr returns no address.
func (n *MemoryNode) RouteAddr() string { return "" }

// Joined returns nil at once.
func (n *MemoryNode) Joined(context.Context) error { return nil }

// Stats returns what the node has counted so far.
func (n *MemoryNode) Stats() Stats {
	n.net.mu.Lock()
	defer n.net.mu.Unlock()
	return n.stats
}

// Close takes the node off the network, with what is on its way to it, and waits for its goroutines. It returns nil.
func (n *MemoryNode) Close() error {
	n.net.mu.Lock()
	if !n.closed {
		n.closed = true
		delete(n.net.nodes, n.id)
		n.net.forgetLocked(n.id)
		close(n.done)
	}
	n.net.mu.Unlock()
	n.wg.Wait()
	return nil
}

// forgetLocked drops the flows of a node that has left.
func (m *Memory) forgetLocked(id string) {
	for f := range m.flows {
		if f.from == id || f.to == id {
			delete(m.flows, f)
		}
	}
}

// deliver hands what arrives in lane to receive, until the node is closed.
func (n *MemoryNode) deliver(lane int, receive Receiver) {
	assembler := newAssembler(memoryPartials, assembleBudget)
	for {
		raw, ok := n.next(lane)
		if !ok {
			return
		}
		before := assembler.dropped
		from, payload, ok := assembler.take(raw)
		n.count(lane, payload, ok, assembler.dropped-before)
		if ok {
			receive(from, lane, payload)
		}
	}
}

func (n *MemoryNode) count(lane int, payload []byte, received bool, dropped uint64) {
	n.net.mu.Lock()
	defer n.net.mu.Unlock()
	n.stats[lane].Dropped += dropped
	if received {
		n.stats[lane].Received++
		n.stats[lane].ReceivedBytes += uint64(len(payload))
	}
}

// next waits for the next frame of lane that is due, and reports false when the node is closed.
func (n *MemoryNode) next(lane int) ([]byte, bool) {
	for {
		raw, wait := n.poll(lane)
		select {
		case <-n.done:
			return nil, false
		default:
		}
		if raw != nil {
			return raw, true
		}
		if !n.sleep(n.boxes[lane].wake, wait) {
			return nil, false
		}
	}
}

// sleep returns after wait (for ever if it is negative) or when wake has an element; false when the node is closed.
func (n *MemoryNode) sleep(wake <-chan struct{}, wait time.Duration) bool {
	var due <-chan time.Time
	if wait >= 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-n.done:
		return false
	case <-wake:
	case <-due:
	}
	return true
}

// poll returns the oldest frame of lane that is due, or how long to wait for one; negative means that none is on its way.
func (n *MemoryNode) poll(lane int) (raw []byte, wait time.Duration) {
	n.net.mu.Lock()
	defer n.net.mu.Unlock()
	box := n.boxes[lane]
	now := time.Now()
	for len(box.parcels) > 0 {
		if due := box.parcels[0].due; due.After(now) {
			return nil, due.Sub(now)
		}
		p := box.popLocked()
		if !n.net.cut[link{from: p.from, to: n.name}] {
			return p.raw, 0
		}
	}
	return nil, -1
}

// pushLocked puts p into the mailbox of lane, if there is room.
func (n *MemoryNode) pushLocked(lane int, p parcel) {
	box := n.boxes[lane]
	if box.bytes+len(p.raw) > inboxLimit {
		n.stats[lane].Dropped++
		return
	}
	box.bytes += len(p.raw)
	heap.Push(&box.parcels, p)
	select {
	case box.wake <- struct{}{}:
	default:
	}
}

// parcel is a frame on its way.
type parcel struct {
	due  time.Time
	seq  uint64
	from string // the sender's name
	raw  []byte
}

// mailbox holds the parcels to one node in one lane, the next to arrive first.
type mailbox struct {
	wake    chan struct{} // has an element when a parcel came that may be the first
	parcels parcels
	bytes   int
}

func (b *mailbox) popLocked() parcel {
	p, ok := heap.Pop(&b.parcels).(parcel)
	if !ok {
		panic("bus: mailbox holds something that is no parcel")
	}
	b.bytes -= len(p.raw)
	return p
}

type parcels []parcel

func (p parcels) Len() int      { return len(p) }
func (p parcels) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p parcels) Less(i, j int) bool {
	if !p[i].due.Equal(p[j].due) {
		return p[i].due.Before(p[j].due)
	}
	return p[i].seq < p[j].seq
}

func (p *parcels) Push(x any) {
	item, ok := x.(parcel)
	if !ok {
		panic("bus: mailbox takes parcels only")
	}
	*p = append(*p, item)
}

func (p *parcels) Pop() any {
	old := *p
	last := old[len(old)-1]
	old[len(old)-1] = parcel{}
	*p = old[:len(old)-1]
	return last
}
