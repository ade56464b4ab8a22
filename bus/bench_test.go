package bus_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
)

// window is how many messages may be on their way in a benchmark.
const window = 4096

// BenchmarkBroadcast measures broadcasts between three embedded nodes, from the sender's call to the call of both receivers.
// 16x64 is a batch of sixteen mutations in one message.
func BenchmarkBroadcast(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
		parts int
	}{{name: "64", bytes: 64, parts: 1}, {name: "16x64", bytes: 16 * 64, parts: 16}} {
		b.Run(size.name, func(b *testing.B) { benchmarkBroadcast(b, make([]byte, size.bytes), size.parts) })
	}
}

func benchmarkBroadcast(b *testing.B, payload []byte, parts int) {
	b.Helper()
	nodes, received := openThree(b)
	slots := make(chan struct{}, window)
	var sent, got atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range received {
			if n := got.Add(1); n%2 == 0 { // two receivers
				<-slots
			}
		}
	}()
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		slots <- struct{}{}
		sent.Add(1)
		if err := nodes[0].Broadcast(bus.LaneControl, payload); err != nil {
			b.Fatal(err)
		}
	}
	for range window {
		slots <- struct{}{} // all of the last window have arrived
	}
	perSecond := float64(sent.Load()) / b.Elapsed().Seconds()
	b.ReportMetric(perSecond, "msgs/s")
	b.ReportMetric(perSecond*float64(parts), "mutations/s")
	close(received)
	<-done
}

// openThree returns three nodes that hear each other; what the last two receive from the first counts in received.
func openThree(b *testing.B) ([]*bus.NATS, chan struct{}) {
	b.Helper()
	received := make(chan struct{}, 2*window)
	var nodes []*bus.NATS
	heard := make(chan int, 2)
	var join []string
	for i := range 3 {
		n, err := bus.Open(b.Context(), bus.Config{ID: fmt.Sprint("node", i), Route: "127.0.0.1:0", Join: join})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, n.Close()) })
		join = []string{n.RouteAddr()}
		n.Listen(func(_ string, _ int, payload []byte) {
			if string(payload) != hello {
				received <- struct{}{}
				return
			}
			select {
			case heard <- i:
			default:
			}
		})
		nodes = append(nodes, n)
	}
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for seen := map[int]bool{}; len(seen) < 2; {
		require.NoError(b, nodes[0].Broadcast(bus.LaneControl, []byte(hello)))
		select {
		case i := <-heard:
			seen[i] = true
		case <-again.C:
		}
	}
	return nodes, received
}

// BenchmarkPublish measures the path of a sender alone, with nobody to receive.
func BenchmarkPublish(b *testing.B) {
	n, err := bus.Open(b.Context(), bus.Config{ID: "a", Route: "127.0.0.1:0"})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, n.Close()) })
	payload := make([]byte, 64)
	b.Run("broadcast", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = n.Broadcast(bus.LaneControl, payload)
		}
	})
	b.Run("send", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = n.Send("0123456789abcdef0123456789abcdef", bus.LaneControl, payload)
		}
	})
}
