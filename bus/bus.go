// Package bus carries bytes between the nodes of a cluster. It knows bytes and node names and nothing of what they mean.
//
// Two kinds of bus offer the same methods: [NATS] (a NATS server embedded in every node and joined to the others by routes, or an
// external NATS named by a URL) and [MemoryNode] (an in-process network with faults, for tests). Both promise the same little:
// a payload arrives whole or not at all, at most once, and in the order in which one sender sent it within one lane. Nothing tells
// the sender that a payload was lost.
package bus

import "fmt"

// The lanes of a bus. Lanes do not wait for each other: with an embedded NATS each has its own connection to every peer.
const (
	LaneControl = 0 // mutations and control
	LaneBulk    = 1 // large transfers that may take their time
	NumLanes    = 2
)

// MaxPayload is the greatest number of bytes that one payload may have. Greater ones are refused with [ErrTooLarge].
const MaxPayload = 64 << 20

// Stats counts what a bus has done since it was opened, lane by lane.
type Stats [NumLanes]LaneStats

// LaneStats counts what a lane has done. Payloads are counted, not their fragments.
type LaneStats struct {
	Sent          uint64 // payloads handed to the network; a broadcast counts once
	SentBytes     uint64
	Received      uint64 // payloads handed to the listener
	ReceivedBytes uint64
	Dropped       uint64 // frames that were refused, and payloads that were given up because a fragment or the room for them was missing
}

// Total returns the sums over all lanes.
func (s Stats) Total() LaneStats {
	var t LaneStats
	for _, l := range s {
		t = t.Plus(l)
	}
	return t
}

// Plus returns the sums.
func (l LaneStats) Plus(m LaneStats) LaneStats {
	return LaneStats{
		Sent: l.Sent + m.Sent, SentBytes: l.SentBytes + m.SentBytes,
		Received: l.Received + m.Received, ReceivedBytes: l.ReceivedBytes + m.ReceivedBytes,
		Dropped: l.Dropped + m.Dropped,
	}
}

// Receiver is called with every payload that arrives: from one goroutine a lane, in the order in which each sender sent. It owns
// the payload. While it runs, later payloads of its lane wait; it must not close the bus that called it.
type Receiver = func(from string, lane int, payload []byte)

// checkSend returns the error of sending payload in lane, if there is one that needs no network to find.
func checkSend(lane int, payload []byte) error {
	switch {
	case lane < 0 || lane >= NumLanes:
		return fmt.Errorf("lane %d: %w", lane, ErrLane)
	case len(payload) > MaxPayload:
		return fmt.Errorf("payload of %d bytes: %w", len(payload), ErrTooLarge)
	default:
		return nil
	}
}
