package replica_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
)

// TestLaggardFarBeyondTheLogConvergesUnderWrites has a receiver that lacks half of 200,000 keys, a log of 1,000 mutations, and between any two messages
// some writes and deletes at the sender, of which one frame in ten is lost.
func TestLaggardFarBeyondTheLogConvergesUnderWrites(t *testing.T) {
	const keys, limit = 200_000, 64 << 10
	random := rand.New(rand.NewPCG(1, 1))
	a, b := replica.New(actor(1), replica.Options{MaxDotKeys: 1000}), replica.New(actor(2), replica.Options{MaxDotKeys: 1000})
	for i := range keys {
		put(t, a, fmt.Sprint("key", i), "some value")
		if i == keys/2 {
			pull(t, a, b, true)
		}
	}
	for i := range keys / 100 {
		del(t, a, fmt.Sprint("key", i*50))
	}
	for a.Pending() > 0 {
		a.Drain(1 << 20)
	}
	busy := func() {
		for range 5 {
			_, err := a.Write(replica.Write{Key: fmt.Sprint("key", random.IntN(keys)), Value: []byte("other"), Delete: random.IntN(3) == 0})
			require.NoError(t, err)
		}
		if delta, _ := a.Drain(1 << 20); random.IntN(10) > 0 {
			receive(t, b, delta)
		}
	}
	transfers, steps := 0, 0
	for x := begin(a, b, false); x != nil; x = begin(a, b, false) {
		require.Less(t, transfers, 10, "transfers")
		if transfers++; transfers == 1 {
			require.True(t, x.plan.Full)
		}
		steps += x.endWhile(t, limit, busy)
		if transfers > 5 {
			busy = func() {} // now nothing is lost any more
		}
	}
	require.Less(t, steps, 1000)
	requireSame(t, a, b)
}

// endWhile takes all steps that are left, with something else before each; a transfer that is out of date ends there.
func (x *transfer) endWhile(t *testing.T, maxBytes int, busy func()) (steps int) {
	t.Helper()
	for ; !x.done; steps++ {
		q := x.to.Ask(x.intake, maxBytes)
		busy()
		a := replica.NewAnswer(q)
		for more := true; more; {
			var err error
			if more, err = x.from.Answer(x.plan, q, a, maxBytes); errors.Is(err, replica.ErrStale) {
				x.to.Abandon(x.intake)
				return steps
			}
			require.NoError(t, err)
		}
		x.take(t, a)
	}
	return steps
}

// BenchmarkFullTransferMemory brings a million keys to an empty replica. What is measured is live memory beyond the data: the most that the sender needs
// besides its replica, and the most that the receiver needs besides what its replica is when the transfer is over.
func BenchmarkFullTransferMemory(b *testing.B) {
	from := open(1)
	for i := range tableKeys {
		mustWrite(b, from, replica.Write{Key: movedKey(0, i), Value: movedValue(0, i)})
	}
	settle(from)
	b.ReportAllocs()
	for b.Loop() {
		b.ReportMetric(float64(senderPeak(b, from))/1e6, "sender-extra-MB")
		b.ReportMetric(float64(receiverPeak(b, from))/1e6, "receiver-extra-MB")
	}
}

const peakSamples = 10

// senderPeak walks to the end with answers that nobody takes.
func senderPeak(b *testing.B, from *replica.Replica) (peak int64) {
	b.Helper()
	base := live()
	to := open(2)
	plan := from.Plan(to.Self(), to.Clock(), true)
	for q, keys := (replica.Question{}), 0; q.Stage < replica.StageCompare; {
		a := answerAll(b, from, plan, q)
		if before := keys; before*peakSamples/tableKeys != (before+len(a.Delta.Objects))*peakSamples/tableKeys {
			peak = max(peak, live()-base)
		}
		keys += len(a.Delta.Objects)
		q = replica.Question{Stage: a.Stage, Dot: a.Dot, Place: a.Place}
	}
	runtime.KeepAlive(plan)
	return peak
}

// receiverPeak takes everything, and looks again when all keys are there and the room that they took meanwhile is not given back yet.
func receiverPeak(b *testing.B, from *replica.Replica) (peak int64) {
	b.Helper()
	to := open(2)
	plan, in := from.Plan(to.Self(), to.Clock(), true), to.Begin()
	for done, sampled := false, 0; !done; {
		a, err := replica.ParseAnswer(answerAll(b, from, plan, to.Ask(in, 32<<10)).AppendBinary(nil))
		require.NoError(b, err)
		_, done, err = to.Take(in, a)
		require.NoError(b, err)
		if at := to.Len() * peakSamples / tableKeys; done || at > sampled {
			sampled = at
			peak = max(peak, live())
		}
	}
	for to.Tidy() {
		continue
	}
	peak -= live()
	runtime.KeepAlive(to)
	return peak
}

func answerAll(b *testing.B, from *replica.Replica, plan *replica.Plan, q replica.Question) *replica.Answer {
	b.Helper()
	a := replica.NewAnswer(q)
	for more := true; more; {
		var err error
		more, err = from.Answer(plan, q, a, 256<<10)
		require.NoError(b, err)
	}
	return a
}

// live returns the bytes of the heap that are in use.
func live() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
