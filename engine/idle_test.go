package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
)

// maxIdleBytes is what a node may send in one second to each peer for each table while nothing happens.
const maxIdleBytes = 200

func TestIdleNodesSayLittle(t *testing.T) {
	for _, tables := range []int{1, 10, 100} {
		p := newPair(t)
		p.run(time.Second)
		for i := range tables {
			name := fmt.Sprint("table", i)
			require.NoError(t, p.create(name))
			require.NoError(t, p.put(name, "k"))
		}
		p.run(5 * time.Second)
		const idle = 60
		sent := 0
		for _, frame := range p.run(idle * time.Second) {
			sent += len(frame)
		}
		t.Logf("%d tables: %d bytes a second", tables, sent/idle)
		require.Positive(t, sent)
		require.LessOrEqual(t, sent, idle*maxIdleBytes*tables)
	}
}

func TestHelloThatWasMissedIsAskedFor(t *testing.T) {
	p := talked(t)
	p.run(time.Second)
	require.NoError(t, p.put("carts", "news"))
	for lost := false; !lost; p.now = p.now.Add(engine.TickInterval) {
		for _, effect := range p.first().Step(p.now, engine.Tick{}) {
			f, ok := effect.(engine.Transmit)
			switch {
			case !ok:
			case engine.FrameName(f.Payload) == "hello":
				lost = true
			default:
				p.deliver(p.ids[0], p.ids[1], f.Payload)
			}
		}
	}
	var sent []string
	for _, frame := range p.run(time.Second) {
		sent = append(sent, engine.FrameName(frame))
	}
	require.Contains(t, sent, "beat")
	require.Contains(t, sent, "hello", "though the next is not due for seconds")
}
