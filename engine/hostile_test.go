package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// pair is two nodes whose frames pass through the test's hands.
type pair struct {
	tb    testing.TB
	now   time.Time
	nodes map[string]*engine.Driver // by ID
	ids   []string
	// kinds holds the last frame of each kind that was sent.
	kinds map[string][]byte
}

func newPair(tb testing.TB) *pair {
	tb.Helper()
	p := &pair{tb: tb, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), nodes: map[string]*engine.Driver{}, kinds: map[string][]byte{}}
	for i, name := range []string{"a", "b"} {
		cfg := engine.DefaultConfig()
		cfg.Name, cfg.Actor = name, clock.ActorFrom([16]byte{byte(i + 1)})
		cfg.ExpectPeers = i > 0
		cfg.Now = func() time.Time { return p.now }
		d, err := engine.NewDriver(cfg, enginetest.Handlers{})
		require.NoError(tb, err)
		p.nodes[cfg.Actor.String()] = d
		p.ids = append(p.ids, cfg.Actor.String())
	}
	return p
}

// first is the node that is attacked.
func (p *pair) first() *engine.Driver { return p.nodes[p.ids[0]] }

// run lets time pass, delivers what is sent and returns the frames that the first node sent.
func (p *pair) run(d time.Duration) (sent [][]byte) {
	p.tb.Helper()
	for end := p.now.Add(d); p.now.Before(end); p.now = p.now.Add(engine.TickInterval) {
		for i, id := range p.ids {
			for _, effect := range p.nodes[id].Step(p.now, engine.Tick{}) {
				f, ok := effect.(engine.Transmit)
				if !ok {
					continue
				}
				p.kinds[engine.FrameName(f.Payload)] = f.Payload
				if i == 0 {
					sent = append(sent, f.Payload)
				}
				p.deliver(id, p.ids[1-i], f.Payload)
			}
		}
	}
	return sent
}

// deliver brings a frame to a node, and the answers back; frames to strangers are lost.
func (p *pair) deliver(from, to string, payload []byte) {
	if p.nodes[to] == nil {
		return
	}
	for _, effect := range p.nodes[to].Step(p.now, engine.Arrived{From: from, Payload: payload}) {
		if f, ok := effect.(engine.Transmit); ok {
			p.kinds[engine.FrameName(f.Payload)] = f.Payload
			p.deliver(to, from, f.Payload)
		}
	}
}

// do runs one call at the first node.
func (p *pair) do(call func(ctx context.Context, e *engine.Engine) error) error {
	_, err := p.first().Call(call, func(int, error) {})
	return err
}

func (p *pair) put(table, key string) error {
	return p.do(func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Put(ctx, table, []engine.KV{{Key: key, Value: []byte("v")}}, engine.WithAck(engine.AckLocal))
		return err
	})
}

func (p *pair) create(table string) error {
	return p.do(func(ctx context.Context, e *engine.Engine) error {
		_, err := e.CreateTable(ctx, table, engine.TableOptions{})
		return err
	})
}

// talked returns two nodes that have exchanged frames of every kind but bye.
func talked(tb testing.TB) *pair {
	tb.Helper()
	p := newPair(tb)
	p.run(time.Second)
	require.NoError(tb, p.create("carts"))
	p.run(2 * time.Second)
	require.NoError(tb, p.put("carts", "k"))
	p.run(time.Second)
	require.NoError(tb, p.put("carts", "lost"))
	p.first().Step(p.now, engine.Flush{})
	p.run(3 * time.Second)
	return p
}

// audited returns two nodes that have mended a value, and have settled a dispute about another.
func audited(tb testing.TB) *pair {
	tb.Helper()
	p := talked(tb)
	for _, harm := range []func(e *engine.Engine){
		func(e *engine.Engine) { engine.Break(e, "carts", "k", 0) },
		func(e *engine.Engine) { engine.Forge(e, "carts", "lost", "found") },
	} {
		require.NoError(tb, p.do(func(_ context.Context, e *engine.Engine) error {
			harm(e)
			return nil
		}))
		p.run(auditLimit)
	}
	return p
}

func TestNodesRepairEachOtherWithFramesOfEveryKind(t *testing.T) {
	p := audited(t)
	held, err := p.nodes[p.ids[1]].Held("carts", "lost")
	require.NoError(t, err)
	require.Len(t, held.Versions, 2)
	for _, kind := range []string{
		"hello", "mutations", "ack", "probe", "clocks", "pull", "chunk", "survey", "surveyed", "inspect", "inspected", "disputed",
	} {
		require.Contains(t, p.kinds, kind)
	}
}

func TestGarbageIsReportedAndChangesNothing(t *testing.T) {
	p := talked(t)
	before := p.first().Digests()
	for _, garbage := range [][]byte{nil, {}, {1}, {2, 1}, {1, 0}, {1, 99}, {1, 1}, {1, 3, 0xff}, []byte("GET / HTTP/1.1\r\n"), make([]byte, 1<<20)} {
		p.deliver(p.ids[1], p.ids[0], garbage)
		p.deliver("no actor", p.ids[0], garbage)
	}
	require.Equal(t, before, p.first().Digests())
}

func FuzzFramesNeverEndTheNode(f *testing.F) {
	seeds := audited(f)
	for _, payload := range seeds.kinds {
		f.Add(payload, true)
	}
	for kind := range byte(20) {
		f.Add([]byte{1, kind}, false)
		f.Add([]byte{1, kind, 0x80}, true)
		f.Add([]byte{1, kind, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true)
	}
	f.Fuzz(func(t *testing.T, payload []byte, known bool) {
		p := talked(t)
		from := p.ids[1]
		if !known {
			from = clock.ActorFrom([16]byte{9}).String()
		}
		p.deliver(from, p.ids[0], payload)
		sent := p.run(time.Second)
		alive := false
		for _, frame := range sent {
			alive = alive || engine.FrameName(frame) == "hello" || engine.FrameName(frame) == "beat"
		}
		require.True(t, alive, "the heart of the node beats no more")
		require.NoError(t, p.create("fresh"))
		require.NoError(t, p.put("fresh", "fresh"))
	})
}
