package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

const (
	joinKeys       = 200_000
	joinValueSize  = 256
	joinWritesEach = 200 * time.Microsecond // 5,000 a second
)

// BenchmarkPutWhileANodeJoins is the latency of local writes, 5,000 a second, at a node that has 200,000 keys: alone, and while an empty node takes
// everything from it. join-s is how long that takes, from its start until it is ready.
func BenchmarkPutWhileANodeJoins(b *testing.B) {
	for _, ack := range []engine.AckLevel{engine.AckLocal, engine.AckAll} {
		c := benchCluster(b, "a")
		fill(b, c.Node("a"))
		b.Run(fmt.Sprintf("ack=%s/alone", ack), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				over := time.After(3 * time.Second)
				report(b, writeUntil(b, c.Node("a"), ack, over))
			}
		})
		b.Run(fmt.Sprintf("ack=%s/joined", ack), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ready := make(chan time.Time, 1)
				began := time.Now()
				n := c.Start("b")
				go func() {
					for n.AwaitReady(b.Context()) != nil && b.Context().Err() == nil { // it gives up after some seconds
						continue
					}
					ready <- time.Now()
				}()
				took := writeUntil(b, c.Node("a"), ack, ready)
				b.ReportMetric(time.Since(began).Seconds(), "join-s")
				report(b, took)
				c.Crash("b")
			}
		})
	}
}

// fill puts the keys.
func fill(b *testing.B, n *enginetest.Node) {
	b.Helper()
	for i := 0; i < joinKeys; {
		var kvs []engine.KV
		for ; len(kvs) < engine.MaxBatch && i < joinKeys; i++ {
			kvs = append(kvs, joinKV(i))
		}
		_, err := n.Put(b.Context(), "t", kvs, engine.WithAck(engine.AckLocal))
		require.NoError(b, err)
	}
}

func joinKV(i int) engine.KV {
	return engine.KV{Key: fmt.Sprintf("user/%08d", i), Value: fmt.Appendf(nil, "%0*d", joinValueSize, i)}
}

// writeUntil writes at the given pace and returns how long each write took. Writes that are late follow at once.
func writeUntil(b *testing.B, n *enginetest.Node, ack engine.AckLevel, over <-chan time.Time) []time.Duration {
	b.Helper()
	began := time.Now()
	var took []time.Duration
	for i := 0; ; i++ {
		select {
		case <-over:
			return took
		case <-time.After(time.Until(began.Add(time.Duration(i) * joinWritesEach))):
		}
		kv := joinKV(i * 7919 % joinKeys)
		kv.Value = fmt.Append(kv.Value, i)
		at := time.Now()
		_, err := n.Put(b.Context(), "t", []engine.KV{kv}, engine.WithAck(ack))
		require.NoError(b, err)
		took = append(took, time.Since(at))
	}
}

func report(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	for name, part := range map[string]float64{"p50-µs": 0.5, "p99-µs": 0.99, "p99.9-µs": 0.999, "max-µs": 1} {
		b.ReportMetric(float64(took[int(part*float64(len(took)-1))].Microseconds()), name)
	}
	b.ReportMetric(float64(len(took)), "writes")
}
