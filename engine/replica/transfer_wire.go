package replica

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// Encoded sizes in bytes of the parts of a question: an item without its verdicts, and what it has for each of these.
const (
	itemSize = 8
	heldSize = 12
)

// Bits of the first byte of an answer besides its stage.
const (
	answerHasClock    = 1 << 4
	answerHasVerdicts = 1 << 5
	answerStage       = 1<<4 - 1
)

// AppendBinary appends the encoding of the question to b:
//
//	version byte, stage byte, then by stage
//	log:     actor, counter
//	walk:    place
//	compare: the clock beyond C0, the actors of the listed versions in the order of their bytes, the items
//
// An item is the number of bits of its span and its first bits, and then either the sums of its quarters or the versions (distance of the place from
// the one before, place of the actor in the list, counter). Sums are eight bytes big-endian.
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
		e.listedActors(q.items)
		e.uvarint(uint64(len(q.items)))
		for _, it := range q.items {
			e.item(it)
		}
	case StageDone:
	}
	return e.b
}

// listedActors appends the actors of the listed versions.
func (e *encoder) listedActors(items []item) {
	var actors []clock.Actor
	for _, it := range items {
		for _, h := range it.held {
			if _, known := e.index[h.dot.Actor]; !known {
				e.index[h.dot.Actor] = 0
				actors = append(actors, h.dot.Actor)
			}
		}
	}
	slices.SortFunc(actors, clock.Actor.Compare)
	e.uvarint(uint64(len(actors)))
	for i, a := range actors {
		e.index[a] = uint64(i)
		e.actor(a)
	}
}

func (e *encoder) item(it item) {
	e.uvarint(uint64(it.span.bits)<<1 | isList(it))
	e.uvarint(bitsOf(it.span))
	if it.held == nil {
		for _, sum := range it.sums {
			e.b = binary.BigEndian.AppendUint64(e.b, sum)
		}
		return
	}
	e.uvarint(uint64(len(it.held)))
	last := it.span.lo
	for _, h := range it.held {
		e.uvarint(h.place - last)
		e.uvarint(e.index[h.dot.Actor])
		e.uvarint(h.dot.Counter)
		last = h.place
	}
}

func isList(it item) uint64 {
	if it.held != nil {
		return 1
	}
	return 0
}

// bitsOf returns the first bits of the span, which all its places share.
func bitsOf(s span) uint64 {
	if s.bits == 0 {
		return 0
	}
	return s.lo >> (64 - s.bits)
}

// AppendBinary appends the encoding of the answer to b: a version byte, a byte with the stage and what else there is, where the stage goes on (as in a
// Question), the clock, the number of verdicts and their bits, and the delta.
func (a *Answer) AppendBinary(b []byte) []byte {
	flags := byte(a.Stage)
	if a.Clock != nil {
		flags |= answerHasClock
	}
	if a.Verdicts != nil {
		flags |= answerHasVerdicts
	}
	e := encoder{b: append(b, wireVersion, flags)}
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
	if a.Verdicts != nil {
		e.verdicts(a.Verdicts)
	}
	return a.Delta.AppendBinary(e.b)
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
		d.listedActors()
		q.items = d.items()
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

func (d *decoder) listedActors() {
	d.actors = make([]clock.Actor, d.count(clock.ActorSize))
	var last clock.Actor
	for i := range d.actors {
		last = d.nextActor(last)
		d.actors[i] = last
	}
}

func (d *decoder) items() []item {
	var out []item
	for range d.count(minItemSize) {
		it := d.item()
		if d.err != nil {
			return nil
		}
		out = append(out, it)
	}
	return out
}

// Least encoded sizes in bytes of an item and of a listed version.
const (
	minItemSize = 6
	minHeldSize = 3
)

func (d *decoder) item() item {
	head := d.uvarint()
	it := item{span: d.span(head >> 1)}
	if head&1 == 0 {
		for i := range it.sums {
			it.sums[i] = d.uint64()
		}
		if it.span.bits+spanBits > 64 {
			d.fail("span that has no quarters")
		}
		return it
	}
	it.held = make([]heldVersion, d.count(minHeldSize))
	last := it.span.lo
	for i := range it.held {
		gap, actor, counter := d.uvarint(), d.place(), d.uvarint()
		if d.err == nil && gap > it.span.hi()-last {
			d.fail("version outside its span")
		}
		if d.err != nil {
			return item{}
		}
		last += gap
		it.held[i] = heldVersion{last, clock.Dot{Actor: d.actors[actor], Counter: counter}}
	}
	if len(it.held) == 0 {
		d.fail("item without versions")
	}
	return it
}

// span reads the first bits of a span.
func (d *decoder) span(bits uint64) span {
	first := d.uvarint()
	switch {
	case d.err != nil:
	case bits > 64 || bits%spanBits != 0:
		d.fail("size of a span")
	case bits < 64 && first>>bits > 0:
		d.fail("bits outside a span")
	case bits == 0:
	default:
		return span{lo: first << (64 - bits), bits: int(bits)}
	}
	return span{}
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
	a := &Answer{Stage: d.stage(flags & answerStage)}
	if flags&^(answerStage|answerHasClock|answerHasVerdicts) != 0 {
		d.fail("unknown parts")
	}
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
	if flags&answerHasVerdicts != 0 {
		a.Verdicts = d.verdicts()
	}
	return a
}

func (d *decoder) verdicts() []bool {
	n := d.uvarint()
	if d.err != nil || n > math.MaxInt32 {
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
