package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

const (
	// arrivals is the room, in messages, between the connection and the pump, which empties it as fast as it can.
	arrivals = 64 << 10
	// inboxLimit bounds what waits for a slow receiver, in bytes, a lane.
	inboxLimit = 256 << 20
	// assembleBudget bounds the unfinished payloads of all senders, in bytes, a lane.
	assembleBudget = 2 * MaxPayload
)

// lane is one lane of a NATS bus: a connection of its own, in an account of its own where the server is embedded. Both of its
// subjects arrive in one channel, because the order of one sender holds across them. The pump moves messages from there to the
// inbox, which is bounded in bytes where a channel can only count; deliver takes them from the inbox to the receiver.
type lane struct {
	number    int
	self      string
	prefix    string
	broadcast string
	lost      func()
	logger    *slog.Logger

	conn    *nats.Conn
	arrived chan *nats.Msg
	inbox   *inbox
	framer  framer

	sent, sentBytes, received, receivedBytes, dropped atomic.Uint64

	done chan struct{}
	wg   sync.WaitGroup
}

func newLane(number int, cfg Config, lost func()) *lane {
	prefix := "kvnode." + escape(cfg.Cluster) + "." + strconv.Itoa(number) + "."
	return &lane{
		number:    number,
		self:      cfg.ID,
		prefix:    prefix,
		broadcast: prefix + "all",
		lost:      lost,
		logger:    cfg.Logger,
		arrived:   make(chan *nats.Msg, arrivals),
		inbox:     newInbox(inboxLimit),
		framer:    framer{from: cfg.ID},
		done:      make(chan struct{}),
	}
}

// open takes over conn and begins to collect what arrives.
func (l *lane) open(conn *nats.Conn) error {
	l.conn = conn
	if limit := conn.MaxPayload(); limit < maxFrameLen {
		return fmt.Errorf("NATS takes messages of at most %d bytes; set its max_payload to %d or more", limit, maxFrameLen)
	}
	for _, subject := range []string{l.broadcast, l.subjectOf(l.self)} {
		if _, err := conn.ChanSubscribe(subject, l.arrived); err != nil {
			return fmt.Errorf("subscribe %s: %w", subject, err)
		}
	}
	l.wg.Go(l.pump)
	if err := conn.FlushTimeout(closeTimeout); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

func (l *lane) subjectOf(id string) string { return l.prefix + "to." + escape(id) }

func (l *lane) send(subject string, payload []byte) error {
	err := l.framer.emit(payload, func(frame []byte) error { return l.conn.Publish(subject, frame) })
	switch {
	case err == nil:
		l.sent.Add(1)
		l.sentBytes.Add(uint64(len(payload)))
		return nil
	case errors.Is(err, nats.ErrConnectionClosed):
		return ErrClosed
	default:
		return fmt.Errorf("publish in lane %d: %w: %w", l.number, ErrUnreachable, err)
	}
}

func (l *lane) stats() LaneStats {
	return LaneStats{
		Sent: l.sent.Load(), SentBytes: l.sentBytes.Load(), Received: l.received.Load(), ReceivedBytes: l.receivedBytes.Load(), Dropped: l.dropped.Load(),
	}
}

func (l *lane) pump() {
	for {
		select {
		case msg := <-l.arrived:
			if !l.inbox.put(msg.Data) {
				l.dropped.Add(1)
				l.lost()
			}
		case <-l.done:
			return
		}
	}
}

func (l *lane) listen(receive Receiver) {
	l.wg.Go(func() { l.deliver(receive) })
}

func (l *lane) deliver(receive Receiver) {
	assembler := newAssembler(1, assembleBudget)
	var batch [][]byte
	for {
		select {
		case <-l.inbox.wake:
			batch = l.inbox.takeAll(batch)
			if !l.deliverBatch(assembler, batch, receive) {
				return
			}
		case <-l.done:
			return
		}
	}
}

// deliverBatch reports false when the lane was closed meanwhile.
func (l *lane) deliverBatch(assembler *assembler, batch [][]byte, receive Receiver) bool {
	before := assembler.dropped
	for _, raw := range batch {
		select {
		case <-l.done:
			return false
		default:
		}
		if from, payload, ok := assembler.take(raw); ok && from != l.self {
			l.received.Add(1)
			l.receivedBytes.Add(uint64(len(payload)))
			receive(from, l.number, payload)
		}
	}
	if given := assembler.dropped - before; given > 0 {
		l.dropped.Add(given)
		l.lost()
	}
	return true
}

// close sends what is still buffered, if that is possible soon, and ends the lane's goroutines.
func (l *lane) close() {
	if l.conn != nil {
		if err := l.conn.FlushTimeout(closeTimeout); err != nil {
			l.logger.Debug("last payloads may be lost", "lane", l.number, "error", err)
		}
		l.conn.Close()
	}
	close(l.done)
	l.wg.Wait()
}

// escape makes any name one token of a NATS subject: bytes other than letters, digits, '-' and '_' become "=" and two hex digits.
func escape(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return r > 0x7f || !isPlain(byte(r)) }) {
		return name
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; isPlain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'=', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
