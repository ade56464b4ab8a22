package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// kinds counts the frames that effects send.
func kinds(effects []Effect) map[frameKind]int {
	out := map[frameKind]int{}
	for _, e := range effects {
		if f, ok := e.(Transmit); ok {
			out[frameKind(f.Payload[1])]++
		}
	}
	return out
}

func TestMutationsAreAcknowledgedBeforeAllChunksAreServed(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	peer := clock.ActorFrom([16]byte{2})
	arrived := func(kind frameKind, msg any) Input {
		return Arrived{From: peer.String(), Payload: s.core().codec.frame(kind, msg)}
	}
	s.step(arrived(frameHello, helloFrame{Cluster: "kvnode", Name: "b", Actor: peer, Partitions: Partitions}))
	var ins []Input
	for i := range Partitions {
		ins = append(ins, arrived(framePull, pullFrame{
			ID: partitionID{Table: "carts", Epoch: 1, Index: i}, Xfer: uint64(i), Step: 1, Full: true,
			Clock: clock.Clock{}.AppendBinary(nil), Question: replica.Question{}.AppendBinary(nil),
		}))
	}
	ins = append(ins, arrived(frameMutations, mutationsFrame{Sequence: 1}))
	sent := kinds(s.core().Step(s.now, ins...))
	require.Equal(t, 1, sent[frameAck])
	require.Less(t, sent[frameChunk], Partitions)
	chunks := sent[frameChunk]
	for steps := 0; s.core().unfinished; steps++ {
		require.Less(t, steps, 100)
		chunks += kinds(s.core().Step(s.now))[frameChunk]
	}
	require.Equal(t, Partitions, chunks, "all are answered in the end")
	require.Empty(t, s.core().repair.due)
}

func TestMutationsAreAcknowledgedBeforeAllChunksAreTaken(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	peer := clock.ActorFrom([16]byte{2})
	arrived := func(kind frameKind, msg any) Input {
		return Arrived{From: peer.String(), Payload: s.core().codec.frame(kind, msg)}
	}
	s.step(arrived(frameHello, helloFrame{Cluster: "kvnode", Name: "b", Actor: peer, Partitions: Partitions}))
	done := (&replica.Answer{Stage: replica.StageDone}).AppendBinary(nil)
	var ins []Input
	for _, p := range s.core().everyPartition()[1:] {
		s.core().take(peer, p, false)
		ins = append(ins, arrived(frameChunk, chunkFrame{ID: p.id, Xfer: s.core().repair.taking[p.id].id, Step: 1, Answer: done}))
	}
	ins = append(ins, arrived(frameMutations, mutationsFrame{Sequence: 1}))
	sent := kinds(s.core().Step(s.now, append(ins, ins[0])...))
	require.Equal(t, 1, sent[frameAck])
	require.Len(t, s.core().repair.taking, Partitions-1, "one was taken")
	for steps := 0; s.core().unfinished; steps++ {
		require.Less(t, steps, 100)
		s.core().Step(s.now)
	}
	require.Empty(t, s.core().repair.taking)
}
