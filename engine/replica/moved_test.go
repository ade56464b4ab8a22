package replica_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
)

const (
	tableKeys      = 1_000_000
	tableParts     = 16
	partitionKeys  = tableKeys / tableParts
	movedValueSize = 256
	// frameBytes is what the engine's frames add to each question and answer, for a table with a name of eight letters.
	frameBytes = 26
)

// divergence is how a partition of one node has changed while the other was away: of ten changed keys seven were written again, two are new and one
// was deleted.
type divergence struct {
	a, b    *replica.Replica
	changes replica.Delta // what b lacks, and nothing else
	moved   int
	steps   int
	keys    int
}

// diverge makes partition number part of two nodes, of three that have written to the table, and changes one of ratio keys at one of them.
func diverge(tb testing.TB, part, ratio int, logged bool) *divergence {
	tb.Helper()
	d := &divergence{a: open(1), b: open(2)}
	third := open(3)
	for i := range partitionKeys {
		r := []*replica.Replica{d.a, d.b, third}[i%3]
		d.write(tb, r, replica.Write{Key: movedKey(part, i), Value: movedValue(part, i)})
	}
	for _, from := range []*replica.Replica{d.a, d.b, third} {
		for from.Pending() > 0 {
			delta, _ := from.Drain(1 << 20)
			for _, to := range []*replica.Replica{d.a, d.b} {
				if to != from {
					_, err := to.Receive(delta)
					require.NoError(tb, err)
				}
			}
		}
	}
	d.a.Collect(nil)
	d.b.Collect(nil)
	for i := part % ratio; i < partitionKeys; i += ratio {
		d.change(tb, part, i, part+i/ratio)
	}
	for d.a.Pending() > 0 {
		delta, _ := d.a.Drain(1 << 30)
		d.changes.Objects = append(d.changes.Objects, delta.Objects...)
	}
	if !logged {
		d.a.Collect(nil)
	}
	return d
}

func (d *divergence) write(tb testing.TB, r *replica.Replica, w replica.Write) {
	tb.Helper()
	_, err := r.Write(w)
	require.NoError(tb, err)
}

func (d *divergence) change(tb testing.TB, part, i, kind int) {
	tb.Helper()
	w := replica.Write{Key: movedKey(part, i), Value: movedValue(part, partitionKeys+i)}
	switch kind % 10 {
	case 3, 6:
		w.Key += "/new"
	case 9:
		w.Delete = true
	}
	d.write(tb, d.a, w)
}

// repair brings b what it lacks, and counts what moves.
func (d *divergence) repair(tb testing.TB) {
	tb.Helper()
	theirs := d.b.Clock()
	x := begin(d.a, d.b, false)
	x.bytes += len(theirs.AppendBinary(nil))
	for !x.done {
		x.take(tb, x.answer(tb, 256<<10))
	}
	d.moved, d.steps, d.keys = x.bytes+2*frameBytes*x.steps, x.steps, len(x.keys)
}

func (d *divergence) missing() int {
	return len(d.changes.AppendBinary(nil))
}

func movedKey(part, i int) string {
	return fmt.Sprintf("user/%02d/%08d", part, i)
}

func movedValue(part, i int) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, movedValueSize-8), uint64(part)<<32|uint64(i))
}

// TestRepairMovesLittleMoreThanWhatIsMissing bounds what BenchmarkRepair measures, for one partition of such a table. Of its seven changes of one in ten
// thousand one is a delete.
func TestRepairMovesLittleMoreThanWhatIsMissing(t *testing.T) {
	for _, ratio := range []int{10_000, 100, 10} {
		for _, logged := range []bool{true, false} {
			d := diverge(t, 3, ratio, logged)
			d.repair(t)
			require.LessOrEqual(t, 10*d.moved, 13*d.missing(), "one of %d, logged %v: %d bytes for %d", ratio, logged, d.moved, d.missing())
			requireSame(t, d.a, d.b)
		}
	}
}

// BenchmarkRepair repairs all partitions of a table of a million keys one after the other, of which one in so many was changed at a peer. moved/missing
// is the bytes of all questions and answers, with their frames and clocks, in relation to the encoding of the changed objects alone: key, dot, stamp and value
// of a version, key and dot of a delete.
func BenchmarkRepair(b *testing.B) {
	for _, ratio := range []int{10_000, 100, 10} {
		for _, logged := range []bool{true, false} {
			b.Run(fmt.Sprintf("changed=1of%d/logged=%v", ratio, logged), func(b *testing.B) {
				var moved, missing, steps, rounds int
				b.ReportAllocs()
				for b.Loop() {
					rounds++
					for part := range tableParts {
						b.StopTimer()
						d := diverge(b, part, ratio, logged)
						b.StartTimer()
						d.repair(b)
						moved, missing, steps = moved+d.moved, missing+d.missing(), steps+d.steps
					}
				}
				b.ReportMetric(float64(moved)/float64(missing), "moved/missing")
				b.ReportMetric(float64(moved)/float64(rounds), "moved-B/op")
				b.ReportMetric(float64(steps)/float64(rounds*tableParts), "steps/partition")
			})
		}
	}
}
