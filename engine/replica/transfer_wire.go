package replica

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// Upper bounds of the encoded sizes in bytes of the parts of a question.
const (
	spanSize = 1 + binary.MaxVarintLen64
	heldSize = 2 * lenSize
)

func (h heldDots) size() int {
	return heldSize + len(h.key) + len(h.dots)*dotSize
}

// Bits of the first byte of an answer besides its stage.
const (
	answerHasClock = 1 << 4
	answerHasSums  = 1 << 5
	answerHasGone  = 1 << 6
	answerOwes     = 1 << 7
	answerStage    = 1<<4 - 1
)

// AppendBinary appends the encoding of the question to b:
//
//	version byte, stage byte, then by stage
//	log:     actor, counter
//	walk:    place
//	compare: the clock beyond C0, the spans, the actors of the named versions in the order of their bytes, the keys with their versions
//
// A span is a byte for the number of its bits, and its first bits. A key is its bytes and the dots of its versions, as those of a Delta.
func (q Question) AppendBinary(b []byte) []byte {
	e := encoder{b: append(b, wireVersion, byte(q.Stage)), index: map[clock.Actor]uint64{}}
	switch q.Stage {
	case StageLog:
		e.actor(q.Dot.Actor)
		e.uvarint(q.Dot.Counter)
	case StageWalk:
		e.b = binary.BigEndian.AppendUint64(e.b, q.Place)
	case StageCompare:
		e.b = q.Beyond.AppendBinary(e.b)
		e.uvarint(uint64(len(q.spans)))
		for _, s := range q.spans {
			e.b = append(e.b, byte(s.bits))
			e.uvarint(bitsOf(s))
		}
		e.held(q.held)
	case StageDone:
	}
	return e.b
}

// held appends keys with their versions.
func (e *encoder) held(held []heldDots) {
	for _, h := range held {
		for _, d := range h.dots {
			e.index[d.Actor] = 0
		}
	}
	e.uvarint(uint64(len(e.index)))
	for i, a := range slices.SortedFunc(maps.Keys(e.index), clock.Actor.Compare) {
		e.index[a] = uint64(i)
		e.actor(a)
	}
	e.uvarint(uint64(len(held)))
	for _, h := range held {
		e.text(h.key)
		e.dots(h.dots)
	}
}

// bitsOf returns the first bits of the span, which all its places share.
func bitsOf(s span) uint64 {
	if s.bits == 0 {
		return 0
	}
	return s.lo >> (64 - s.bits)
}

// AppendBinary appends the encoding of the answer to b: a version byte, a byte with the stage and what else there is, where the stage goes on (as in a
// Question), the clock, the number of sums and the sums of eight bytes, the number of verdicts and their bits, and the delta.
func (a *Answer) AppendBinary(b []byte) []byte {
	e := encoder{b: append(b, wireVersion, a.flags())}
	switch a.Stage {
	case StageLog:
		e.actor(a.Dot.Actor)
		e.uvarint(a.Dot.Counter)
	case StageWalk:
		e.b = binary.BigEndian.AppendUint64(e.b, a.Place)
	case StageCompare, StageDone:
	}
	if a.Clock != nil {
		e.b = a.Clock.AppendBinary(e.b)
	}
	if len(a.Sums) > 0 {
		e.uvarint(uint64(len(a.Sums)))
		for _, sum := range a.Sums {
			e.b = binary.BigEndian.AppendUint64(e.b, sum)
		}
	}
	if len(a.Gone) > 0 {
		e.verdicts(a.Gone)
	}
	return a.Delta.AppendBinary(e.b)
}

func (a *Answer) flags() byte {
	flags := byte(a.Stage)
	if a.Clock != nil {
		flags |= answerHasClock
	}
	if len(a.Sums) > 0 {
		flags |= answerHasSums
	}
	if len(a.Gone) > 0 {
		flags |= answerHasGone
	}
	if a.Owes {
		flags |= answerOwes
	}
	return flags
}

func (e *encoder) verdicts(verdicts []bool) {
	e.uvarint(uint64(len(verdicts)))
	bits := make([]byte, (len(verdicts)+7)/8)
	for i, v := range verdicts {
		if v {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	e.b = append(e.b, bits...)
}

// ParseQuestion reads what Question.AppendBinary wrote; anything else is ErrMalformed. Nothing of b is kept. What is allocated is bounded by the length
// of b.
func ParseQuestion(b []byte) (Question, error) {
	d := decoder{rest: b}
	q := d.question()
	if d.err == nil && len(d.rest) > 0 {
		d.fail("bytes after the end")
	}
	if d.err != nil {
		return Question{}, fmt.Errorf("parse question at byte %d of %d: %w", len(b)-len(d.rest), len(b), d.err)
	}
	return q, nil
}

func (d *decoder) question() Question {
	d.version()
	q := Question{Stage: d.stage(d.byte())}
	switch q.Stage {
	case StageLog:
		q.Dot = d.position()
	case StageWalk:
		q.Place = d.uint64()
	case StageCompare:
		q.Beyond = d.clock()
		q.spans = d.spans()
		q.held = d.held()
	case StageDone:
		d.fail("question after the end")
	}
	return q
}

// byte reads one byte.
func (d *decoder) byte() byte {
	if b := d.bytes(1); d.err == nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.bytes(8); d.err == nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) stage(b byte) Stage {
	if d.err == nil && Stage(b) > StageDone {
		d.fail("unknown stage")
	}
	return Stage(b)
}

// position reads a dot that may be the zero Dot.
func (d *decoder) position() clock.Dot {
	id := d.bytes(clock.ActorSize)
	counter := d.uvarint()
	if d.err != nil {
		return clock.Dot{}
	}
	return clock.Dot{Actor: clock.ActorFrom([clock.ActorSize]byte(id)), Counter: counter}
}

func (d *decoder) clock() clock.Clock {
	if d.err != nil {
		return clock.Clock{}
	}
	c, rest, err := clock.ParseClock(d.rest)
	if err != nil {
		d.err = fmt.Errorf("%w: %w", ErrMalformed, err)
		return clock.Clock{}
	}
	d.rest = rest
	return c
}

// Least encoded sizes in bytes of a span and of a key with its versions.
const (
	minSpanSize = 2
	minHeldSize = 4
)

func (d *decoder) spans() []span {
	n := d.count(minSpanSize)
	if n > maxSpans {
		d.fail("too many spans")
	}
	if d.err != nil || n == 0 {
		return nil
	}
	out := make([]span, n)
	for i := range out {
		out[i] = d.span()
	}
	return out
}

// span reads a span that has parts.
func (d *decoder) span() span {
	bits, first := int(d.byte()), d.uvarint()
	switch {
	case d.err != nil:
	case bits >= 64 || bits%placeBits != 0:
		d.fail("size of a span")
	case first>>bits > 0:
		d.fail("bits outside a span")
	case bits > 0:
		return span{lo: first << (64 - bits), bits: bits}
	}
	return span{}
}

func (d *decoder) held() []heldDots {
	d.actors = make([]clock.Actor, d.count(clock.ActorSize))
	var last clock.Actor
	for i := range d.actors {
		last = d.nextActor(last)
		d.actors[i] = last
	}
	n := d.count(minHeldSize)
	if n == 0 {
		return nil
	}
	out := make([]heldDots, n)
	for i := range out {
		out[i] = heldDots{d.text(), d.dots()}
		if len(out[i].dots) == 0 {
			d.fail("key without versions")
		}
		if d.err != nil {
			return nil
		}
	}
	return out
}

// ParseAnswer reads what Answer.AppendBinary wrote; anything else is ErrMalformed. The values of the delta are parts of b. What is allocated is
// bounded by the length of b.
func ParseAnswer(b []byte) (*Answer, error) {
	d := decoder{rest: b}
	a := d.answer()
	if d.err != nil {
		return nil, fmt.Errorf("parse answer at byte %d of %d: %w", len(b)-len(d.rest), len(b), d.err)
	}
	delta, err := ParseDelta(d.rest)
	if err != nil {
		return nil, fmt.Errorf("parse answer: %w", err)
	}
	a.Delta = delta
	return a, nil
}

func (d *decoder) answer() *Answer {
	d.version()
	flags := d.byte()
	a := &Answer{Stage: d.stage(flags & answerStage), Owes: flags&answerOwes != 0}
	switch a.Stage {
	case StageLog:
		a.Dot = d.position()
	case StageWalk:
		a.Place = d.uint64()
	case StageCompare, StageDone:
	}
	if flags&answerHasClock != 0 {
		c := d.clock()
		a.Clock = &c
	}
	if flags&answerHasSums != 0 {
		a.Sums = d.sums()
	}
	if flags&answerHasGone != 0 {
		a.Gone = d.verdicts()
	}
	return a
}

func (d *decoder) sums() []uint64 {
	out := make([]uint64, d.count(8))
	for i := range out {
		out[i] = d.uint64()
	}
	if len(out) == 0 {
		d.fail("number of sums")
	}
	return out
}

func (d *decoder) verdicts() []bool {
	n := d.uvarint()
	if d.err != nil || n == 0 || n > math.MaxInt32 {
		d.fail("number of verdicts")
		return nil
	}
	bits := d.bytes(int(n+7) / 8)
	if d.err != nil {
		return nil
	}
	out := make([]bool, n)
	for i := range out {
		out[i] = bits[i/8]&(1<<(i%8)) != 0
	}
	if n%8 != 0 && bits[n/8]>>(n%8) != 0 {
		d.fail("bits after the last verdict")
	}
	return out
}
