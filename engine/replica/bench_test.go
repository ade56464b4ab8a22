package replica_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/kvnode/kvnode/engine/replica"
)

const (
	benchKeys   = 10_000
	benchActors = 10
)

// loaded returns a replica with benchKeys keys of 100 bytes, that has heard of benchActors actors and whose log is empty.
func loaded(b *testing.B, self byte, ordered bool) (*replica.Replica, []string) {
	b.Helper()
	r := replica.New(actor(self), replica.Options{Ordered: ordered})
	keys := make([]string, benchKeys)
	for i := range keys {
		keys[i] = fmt.Sprintf("user/%06d", i)
		mustWrite(b, r, replica.Write{Key: keys[i], Value: make([]byte, 100)})
	}
	heard := replica.Packed{Key: "heard"}
	for i := range byte(benchActors) {
		for n := range uint64(1000) {
			heard.Dots = append(heard.Dots, dot(100+i, n+1))
		}
	}
	if _, err := r.Receive(replica.Delta{Objects: []replica.Packed{heard}}); err != nil {
		b.Fatal(err)
	}
	settle(r)
	return r, keys
}

func mustWrite(b *testing.B, r *replica.Replica, w replica.Write) {
	b.Helper()
	if _, err := r.Write(w); err != nil {
		b.Fatal(err)
	}
}

// settle empties outbox and log.
func settle(r *replica.Replica) {
	for r.Pending() > 0 {
		r.Drain(1 << 20)
	}
	r.Collect(nil)
	r.CollectPasts(nil)
}

func BenchmarkGet(b *testing.B) {
	for _, ordered := range []bool{false, true} {
		b.Run(fmt.Sprintf("ordered=%v", ordered), func(b *testing.B) {
			r, keys := loaded(b, 1, ordered)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				r.Get(keys[i%benchKeys])
				i++
			}
		})
	}
}

func BenchmarkContext(b *testing.B) {
	r, keys := loaded(b, 1, false)
	b.ReportAllocs()
	for b.Loop() {
		r.Context(keys[0])
	}
}

// BenchmarkWrite is a put without a context, with what it takes to send and to collect it.
func BenchmarkWrite(b *testing.B) {
	for _, ordered := range []bool{false, true} {
		b.Run(fmt.Sprintf("ordered=%v", ordered), func(b *testing.B) {
			r, keys := loaded(b, 1, ordered)
			values := [][]byte{make([]byte, 100), append(make([]byte, 99), 1)}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				mustWrite(b, r, replica.Write{Key: keys[i%benchKeys], Value: values[i/benchKeys%2]})
				i++
				if i%256 == 0 {
					settle(r)
				}
			}
		})
	}
}

// BenchmarkWriteHotKey is a compare-and-set loop on one key while a member is away, so that nothing leaves the log.
func BenchmarkWriteHotKey(b *testing.B) {
	r, keys := loaded(b, 1, false)
	ctx := r.Context(keys[0])
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		done, err := r.Write(replica.Write{Key: keys[0], Value: strconv.AppendInt(nil, int64(i), 10), Context: ctx, IfCovered: true})
		if err != nil {
			b.Fatal(err)
		}
		ctx = done.Context
		if i++; i%256 == 0 {
			r.Drain(1 << 20)
		}
	}
}

// BenchmarkDrain is the packing and encoding of one frame of 256 keys.
func BenchmarkDrain(b *testing.B) {
	r, keys := loaded(b, 1, false)
	var frame []byte
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for range 256 {
			mustWrite(b, r, replica.Write{Key: keys[i%benchKeys], Value: append(make([]byte, 99), byte(i/benchKeys))})
			i++
		}
		b.StartTimer()
		d, _ := r.Drain(1 << 20)
		frame = d.AppendBinary(frame[:0])
	}
	b.SetBytes(int64(len(frame)))
	b.ReportMetric(float64(len(frame))/256, "B/key")
}

// BenchmarkReceive is the decoding and merging of one frame of 256 keys that are there already; the figures are for the frame.
func BenchmarkReceive(b *testing.B) {
	from, keys := loaded(b, 1, false)
	to, _ := loaded(b, 2, false)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for range 256 {
			mustWrite(b, from, replica.Write{Key: keys[i%benchKeys], Value: append(make([]byte, 99), byte(i/benchKeys))})
			i++
		}
		d, _ := from.Drain(1 << 20)
		frame := d.AppendBinary(nil)
		from.Collect(nil)
		to.Collect(nil)
		b.StartTimer()
		parsed, err := replica.ParseDelta(frame)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := to.Receive(parsed); err != nil {
			b.Fatal(err)
		}
	}
}
