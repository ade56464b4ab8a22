package engine_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// benchCluster is a cluster in real time with one table.
func benchCluster(b *testing.B, names ...string) *enginetest.Cluster {
	b.Helper()
	c := enginetest.NewCluster(b, 1)
	c.StartAll(names...)
	_, err := c.Node("a").CreateTable(b.Context(), "t", engine.TableOptions{})
	require.NoError(b, err)
	return c
}

func benchPut(b *testing.B, n *enginetest.Node, ack engine.AckLevel) {
	b.Helper()
	value := make([]byte, 64)
	var i atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			kvs := []engine.KV{{Key: fmt.Sprintf("key-%d", i.Add(1)%100_000), Value: value}}
			if _, err := n.Put(b.Context(), "t", kvs, engine.WithAck(ack)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkPutLocalAlone(b *testing.B) {
	benchPut(b, benchCluster(b, "a").Node("a"), engine.AckLocal)
}

func BenchmarkPutLocalOfThree(b *testing.B) {
	benchPut(b, benchCluster(b, "a", "b", "c").Node("a"), engine.AckLocal)
}

func BenchmarkPutAllOfThree(b *testing.B) {
	b.SetParallelism(32)
	benchPut(b, benchCluster(b, "a", "b", "c").Node("a"), engine.AckAll)
}

func BenchmarkGet(b *testing.B) {
	n := benchCluster(b, "a").Node("a")
	_, err := n.Put(b.Context(), "t", []engine.KV{{Key: "k", Value: make([]byte, 64)}})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Get(b.Context(), "t", "k"); err != nil {
			b.Fatal(err)
		}
	}
}
