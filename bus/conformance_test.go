package bus_test

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
)

// network makes nodes of one kind of bus that are all in one cluster.
type network struct {
	t   *testing.T
	add func(id string) peer
}

// nodes returns nodes with these IDs that all hear each other.
func (n network) nodes(ids ...string) []*node {
	n.t.Helper()
	nodes := make([]*node, len(ids))
	for i, id := range ids {
		nodes[i] = record(n.t, id, n.add(id))
	}
	meet(n.t, nodes...)
	return nodes
}

// eachKind runs rule on every kind of bus.
func eachKind(t *testing.T, rule func(t *testing.T, net network)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { rule(t, network{t: t, add: embedded(t)}) })
	t.Run("external", func(t *testing.T) {
		url := newServer(t, -1).ClientURL()
		rule(t, network{t: t, add: func(id string) peer { return newNATS(t, bus.Config{ID: id, URL: url}) }})
	})
	t.Run("memory", func(t *testing.T) {
		m := bus.NewMemory(bus.MemoryConfig{})
		rule(t, network{t: t, add: func(id string) peer { return m.Node(id) }})
	})
}

// embedded returns a function that opens nodes which know only the first.
func embedded(t *testing.T) func(id string) peer {
	t.Helper()
	var join []string
	return func(id string) peer {
		n := newNATS(t, bus.Config{ID: id, Join: join})
		if join == nil {
			join = []string{n.RouteAddr()}
		}
		return n
	}
}

func TestBroadcastReachesAllOthersAndNotMe(t *testing.T) {
	eachKind(t, func(t *testing.T, net network) {
		nodes := net.nodes("a", "b", "c")
		for lane := range bus.NumLanes {
			require.NoError(t, nodes[0].Broadcast(lane, []byte("x"+strconv.Itoa(lane))))
			want := message{from: "a", lane: lane, payload: "x" + strconv.Itoa(lane)}
			nodes[1].awaitMessage(t, want)
			nodes[2].awaitMessage(t, want)
		}
		require.NoError(t, nodes[1].Send("a", bus.LaneControl, []byte("last")))
		nodes[0].awaitCount(t, 1)
		require.Equal(t, []message{{from: "b", payload: "last"}}, nodes[0].messages())
		require.Len(t, nodes[1].messages(), 2)
		require.Len(t, nodes[2].messages(), 2)
	})
}

func TestSendReachesExactlyOne(t *testing.T) {
	eachKind(t, func(t *testing.T, net network) {
		nodes := net.nodes("a", "b", "c")
		require.NoError(t, nodes[0].Send("b", bus.LaneBulk, []byte("for b")))
		require.NoError(t, nodes[0].Send("nobody", bus.LaneBulk, []byte("for nobody")))
		require.NoError(t, nodes[0].Broadcast(bus.LaneBulk, []byte("end")))
		end := message{from: "a", lane: bus.LaneBulk, payload: "end"}
		nodes[1].awaitMessage(t, end)
		nodes[2].awaitMessage(t, end)
		require.Equal(t, []message{{from: "a", lane: bus.LaneBulk, payload: "for b"}, end}, nodes[1].messages())
		require.Equal(t, []message{end}, nodes[2].messages())
	})
}

func TestOrderOfASenderHoldsAcrossBroadcastAndSend(t *testing.T) {
	const count = 5000
	eachKind(t, func(t *testing.T, net network) {
		nodes := net.nodes("a", "b", "c")
		for _, from := range []*node{nodes[0], nodes[2]} {
			go func() {
				for i := range count {
					payload := []byte(strconv.Itoa(i))
					if i%3 == 0 {
						_ = from.Send("b", bus.LaneControl, payload)
					} else {
						_ = from.Broadcast(bus.LaneControl, payload)
					}
				}
			}()
		}
		got := nodes[1].awaitCount(t, 2*count)
		next := make(map[string]int)
		for _, m := range got {
			require.Equal(t, strconv.Itoa(next[m.from]), m.payload, "from %s", m.from)
			next[m.from]++
		}
		require.Equal(t, map[string]int{"a": count, "c": count}, next)
	})
}

func TestPayloadsOfAnySizeArriveWhole(t *testing.T) {
	eachKind(t, func(t *testing.T, net network) {
		nodes := net.nodes("a", "b", "c")
		random := rand.New(rand.NewPCG(3, 4))
		for _, size := range []int{0, 1, 256 << 10, 256<<10 + 1, 512 << 10, 9<<20 + 17} {
			payload := make([]byte, size)
			for i := range payload {
				payload[i] = byte(random.Uint32())
			}
			require.NoError(t, nodes[0].Broadcast(bus.LaneBulk, payload))
			want := message{from: "a", lane: bus.LaneBulk, payload: string(payload)}
			nodes[1].awaitMessage(t, want)
			nodes[2].awaitMessage(t, want)
		}
	})
}

func TestLargePayloadsOfSeveralSendersDoNotMix(t *testing.T) {
	const size, each = 1 << 20, 4
	eachKind(t, func(t *testing.T, net network) {
		nodes := net.nodes("a", "b", "c")
		for _, from := range nodes[:2] {
			go func() {
				for i := range each {
					_ = from.Send("c", bus.LaneBulk, bytes.Repeat([]byte{from.id[0], byte('0' + i)}, size/2))
				}
			}()
		}
		for _, m := range nodes[2].awaitCount(t, 2*each) {
			require.Len(t, m.payload, size)
			require.Equal(t, strings.Repeat(m.payload[:2], size/2), m.payload)
			require.Equal(t, m.from, m.payload[:1])
		}
	})
}

func TestTooLargeAndUnknownLaneAreRefused(t *testing.T) {
	eachKind(t, func(t *testing.T, net network) {
		a := net.nodes("a")[0]
		large := make([]byte, bus.MaxPayload+1)
		require.ErrorIs(t, a.Broadcast(bus.LaneBulk, large), bus.ErrTooLarge)
		require.ErrorIs(t, a.Send("b", bus.LaneBulk, large), bus.ErrTooLarge)
		require.ErrorIs(t, a.Broadcast(bus.NumLanes, nil), bus.ErrLane)
		require.ErrorIs(t, a.Send("b", -1, nil), bus.ErrLane)
	})
}

func TestControlLaneDoesNotWaitForBulkReceiver(t *testing.T) {
	eachKind(t, func(t *testing.T, net network) {
		a := net.nodes("a")[0]
		b := net.add("b")
		release := make(chan struct{})
		blocked := make(chan struct{})
		block := sync.OnceFunc(func() { close(blocked) })
		control := make(chan string, 1)
		b.Listen(func(_ string, lane int, payload []byte) {
			switch {
			case string(payload) == hello:
			case lane == bus.LaneBulk:
				block()
				<-release
			default:
				control <- string(payload)
			}
		})
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		t.Cleanup(func() { close(release) })
		untilReceived(t, blocked, func() { require.NoError(t, a.Send("b", bus.LaneBulk, []byte("bulk"))) })
		require.NoError(t, a.Send("b", bus.LaneControl, []byte("control")))
		select {
		case got := <-control:
			require.Equal(t, "control", got)
		case <-time.After(patience):
			require.FailNow(t, "the control lane waits for the bulk lane")
		}
	})
}

// untilReceived calls send until received is closed: the first ones may come before the network knows the receiver.
func untilReceived(t *testing.T, received <-chan struct{}, send func()) {
	t.Helper()
	deadline := time.After(patience)
	for {
		send()
		select {
		case <-received:
			return
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			require.FailNow(t, "nothing was received")
		}
	}
}

func TestLateJoinerHearsAndIsHeard(t *testing.T) {
	eachKind(t, func(t *testing.T, net network) {
		nodes := net.nodes("a", "b")
		late := record(t, "c", net.add("c"))
		meet(t, nodes[0], nodes[1], late)
		require.NoError(t, nodes[1].Send("c", bus.LaneControl, []byte("welcome")))
		late.awaitMessage(t, message{from: "b", payload: "welcome"})
	})
}

func TestOthersGoOnAfterOneCloses(t *testing.T) {
	eachKind(t, func(t *testing.T, net network) {
		nodes := net.nodes("a", "b", "c")
		require.NoError(t, nodes[0].Broadcast(bus.LaneControl, []byte("bye")))
		require.NoError(t, nodes[0].Close())
		require.NoError(t, nodes[0].Close(), "closing twice")
		require.ErrorIs(t, nodes[0].Broadcast(bus.LaneControl, []byte("ghost")), bus.ErrClosed)
		require.ErrorIs(t, nodes[0].Send("b", bus.LaneControl, []byte("ghost")), bus.ErrClosed)
		bye := message{from: "a", payload: "bye"}
		nodes[1].awaitMessage(t, bye)
		nodes[2].awaitMessage(t, bye)
		require.NoError(t, nodes[1].Broadcast(bus.LaneControl, []byte("on")))
		nodes[2].awaitMessage(t, message{from: "b", payload: "on"})
		require.NoError(t, nodes[2].Send("b", bus.LaneControl, []byte("and on")))
		nodes[1].awaitMessage(t, message{from: "c", payload: "and on"})
	})
}

func TestReceiverOwnsThePayload(t *testing.T) {
	eachKind(t, func(t *testing.T, net network) {
		nodes := net.nodes("a", "b", "c")
		payload := []byte("first")
		require.NoError(t, nodes[0].Broadcast(bus.LaneControl, payload))
		copy(payload, "XXXXX")
		require.NoError(t, nodes[0].Broadcast(bus.LaneControl, payload))
		for _, n := range nodes[1:] {
			got := n.awaitCount(t, 2)
			require.Equal(t, "first", got[0].payload)
			require.Equal(t, "XXXXX", got[1].payload)
		}
	})
}

func TestStatsCountPayloads(t *testing.T) {
	eachKind(t, func(t *testing.T, net network) {
		nodes := net.nodes("a", "b")
		before := [2]bus.Stats{nodes[0].Stats(), nodes[1].Stats()}
		require.NoError(t, nodes[0].Broadcast(bus.LaneBulk, make([]byte, 1<<20)))
		require.NoError(t, nodes[0].Send("b", bus.LaneBulk, []byte("x")))
		nodes[1].awaitCount(t, 2)
		sent, received := nodes[0].Stats()[bus.LaneBulk], nodes[1].Stats()[bus.LaneBulk]
		require.Equal(t, before[0][bus.LaneBulk].Sent+2, sent.Sent)
		require.Equal(t, before[0][bus.LaneBulk].SentBytes+(1<<20)+1, sent.SentBytes)
		require.GreaterOrEqual(t, received.Received, before[1][bus.LaneBulk].Received+2)
		require.GreaterOrEqual(t, received.ReceivedBytes, before[1][bus.LaneBulk].ReceivedBytes+(1<<20)+1)
		require.Equal(t, before[0][bus.LaneControl].Sent, nodes[0].Stats()[bus.LaneControl].Sent)
		require.Zero(t, nodes[1].Stats().Total().Dropped)
	})
}

func TestWhatArrivesBeforeListenIsKept(t *testing.T) {
	eachKind(t, func(t *testing.T, net network) {
		a, b := net.add("a"), net.add("b")
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		t.Cleanup(func() { require.NoError(t, a.Close()) })
		answer, answered := signal()
		a.Listen(func(from string, lane int, _ []byte) {
			_ = a.Send(from, lane, []byte("answer")) // b has not been told to listen yet
			answer()
		})
		untilReceived(t, answered, func() { require.NoError(t, b.Send("a", bus.LaneControl, []byte("question"))) })
		receive, received := signal()
		b.Listen(func(from string, _ int, payload []byte) {
			if from == "a" && string(payload) == "answer" {
				receive()
			}
		})
		awaitSignal(t, received, "what was sent before Listen")
	})
}
