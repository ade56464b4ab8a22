package bus

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// MemoryConfig says how to make a [Memory] network.
type MemoryConfig struct {
	// Rand decides which frames the faults hit; the network alone may use it from then on. Default: a fixed seed.
	Rand *rand.Rand
	// Faults are in force from the start; see SetFaults. Default: none.
	Faults Faults
}

// Faults are what a network does to frames. A payload above 256 KiB travels as several frames, and losing one loses it.
type Faults struct {
	Delay     time.Duration // how long every frame takes
	Jitter    time.Duration // up to this much longer, at random; the order of a sender holds
	Drop      float64       // probability from 0 to 1 that a frame is lost
	Duplicate float64       // probability that a frame arrives twice
	Reorder   float64       // probability that a frame is held back while later ones pass it
	ReorderBy time.Duration // at most how long such a frame is held back; default 10 ms
}

// Memory is a network inside the process, with faults. It works inside a testing/synctest bubble: its time is that of package time,
// and its goroutines end with the nodes that they belong to. All methods are safe for concurrent use.
type Memory struct {
	mu     sync.Mutex // guards what follows, and the inboxes and flags of all nodes
	rand   *rand.Rand
	faults Faults
	nodes  map[string]*MemoryNode
	cut    map[link]bool // ordered, by name
	flows  map[flow]time.Time
	seq    uint64
}

// flow is what one sender sends to one receiver in one lane: the unit in which order holds.
type flow struct {
	from, to string
	lane     int
}

// NewMemory returns a network without nodes.
func NewMemory(cfg MemoryConfig) *Memory {
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(1, 2))
	}
	return &Memory{
		rand:   cfg.Rand,
		faults: cfg.Faults,
		nodes:  make(map[string]*MemoryNode),
		cut:    make(map[link]bool),
		flows:  make(map[flow]time.Time),
	}
}

// Node returns the node with this ID, which it adds to the network if it is not there. Its name is its ID.
func (m *Memory) Node(id string) *MemoryNode { return m.NamedNode(id, id) }

// NamedNode is as Node, for a node whose name differs from its ID. Cuts are by name, so that they outlast an incarnation.
func (m *Memory) NamedNode(name, id string) *MemoryNode {
	m.mu.Lock()
	defer m.mu.Unlock()
	if node := m.nodes[id]; node != nil {
		return node
	}
	node := newMemoryNode(m, name, id)
	m.nodes[id] = node
	return node
}

// SetFaults replaces the faults. Frames on their way are not touched.
func (m *Memory) SetFaults(faults Faults) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = faults
}

// Cut splits the network: frames between nodes of different groups are lost, also those on their way. Nodes of one group, and nodes
// in no group, keep their links; pairs that were cut before stay cut.
func (m *Memory) Cut(groups ...[]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pair := range pairsBetween(groups) {
		m.cut[pair] = true
		m.cut[link{from: pair.to, to: pair.from}] = true
	}
}

// CutLink loses frames from one node to another, in that direction only.
func (m *Memory) CutLink(from, to string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut[link{from: from, to: to}] = true
}

// Heal undoes every Cut and CutLink. Faults stay.
func (m *Memory) Heal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.cut)
}

// Close closes all nodes.
func (m *Memory) Close() {
	m.mu.Lock()
	nodes := make([]*MemoryNode, 0, len(m.nodes))
	for _, node := range m.nodes {
		nodes = append(nodes, node)
	}
	m.mu.Unlock()
	for _, node := range nodes {
		_ = node.Close() // never fails
	}
}

// sendLocked puts a copy of raw on the way from one node to another, as the faults will have it.
func (m *Memory) sendLocked(from, to *MemoryNode, lane int, raw []byte) {
	if m.cut[link{from: from.name, to: to.name}] || m.rand.Float64() < m.faults.Drop {
		return
	}
	copies := 1
	if m.rand.Float64() < m.faults.Duplicate {
		copies = 2
	}
	for range copies {
		m.seq++
		to.pushLocked(lane, parcel{
			due:  m.dueLocked(flow{from: from.id, to: to.id, lane: lane}),
			seq:  m.seq,
			from: from.name,
			raw:  slices.Clone(raw),
		})
	}
}

// dueLocked returns when the next frame of f arrives.
func (m *Memory) dueLocked(f flow) time.Time {
	due := time.Now().Add(m.faults.Delay + m.upToLocked(m.faults.Jitter))
	if m.rand.Float64() < m.faults.Reorder {
		by := m.faults.ReorderBy
		if by == 0 {
			by = 10 * time.Millisecond
		}
		return due.Add(m.upToLocked(by)) // later frames do not wait for this one
	}
	if last := m.flows[f]; due.Before(last) {
		due = last
	}
	m.flows[f] = due
	return due
}

// upToLocked returns a random duration from 0 to limit.
func (m *Memory) upToLocked(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(m.rand.Int64N(int64(limit) + 1))
}
