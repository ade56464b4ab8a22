package sim

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/kvnode/kvnode/engine"
)

// trace hashes everything that happens, and writes down what people want to read of it.
type trace struct {
	hash *xxh3.Hasher
	out  io.Writer // nil: nobody reads
}

func newTrace(out io.Writer) *trace { return &trace{hash: xxh3.New(), out: out} }

// line records something that happened.
func (t *trace) line(at time.Duration, format string, args ...any) {
	text := fmt.Sprintf("%9.3fs  %s\n", at.Seconds(), fmt.Sprintf(format, args...))
	t.add([]byte(text))
	if t.out != nil {
		_, _ = io.WriteString(t.out, text) // a trace that is cut off fails no test
	}
}

// add records bytes that are nothing for people.
func (t *trace) add(b []byte) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(b)))
	_, _ = t.hash.Write(size[:]) // never fails
	_, _ = t.hash.Write(b)
}

// sum identifies the history.
func (t *trace) sum() uint64 { return t.hash.Sum64() }

// input records what a node is told.
func (t *trace) input(n *node, in engine.Input) {
	switch e := in.(type) {
	case engine.Arrived:
		t.add([]byte(n.name + " from " + e.From))
		t.add(e.Payload)
	default:
		t.add(fmt.Appendf(nil, "%s %T", n.name, in))
	}
}

// effect records what a node does.
func (t *trace) effect(n *node, out engine.Effect) {
	switch e := out.(type) {
	case engine.Transmit:
		t.add(fmt.Appendf(nil, "%s lane %d to %s", n.name, e.Lane, e.To))
		t.add(e.Payload)
	case engine.JudgeConflict:
		t.add([]byte(n.name + " judges " + e.Job.Table() + "/" + e.Job.Key()))
	case engine.ShadowConflict:
		t.add([]byte(n.name + " lets the shadow judge " + e.Job.Table() + "/" + e.Job.Key()))
	default:
		t.add(fmt.Appendf(nil, "%s %T%+v", n.name, out, out))
	}
}
