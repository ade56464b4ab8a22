package replica

import (
	"slices"

	"github.com/kvnode/kvnode/clock"
)

// outbox is the keys that were written here and have not been sent since, in the order of their first write. A key stands in it once: what
// travels is the state of the key, not the writes.
type outbox struct {
	queue   []pending
	at      keyed[int] // key -> index in queue plus drained
	drained int        // how many keys have left the queue's front
}

// pending is one key of the outbox.
type pending struct {
	key   string
	first clock.Dot // the first mutation that was made since the key was last sent
	more  []clock.Dot
	// lean is true while the last thing that touched the key was a local write which covers every mutation of the key that is not known to
	// be everywhere. Only then may its object travel without the dots of those: the write's own dot stands for what they did.
	lean bool
}

// wrote records the mutation d of the key.
func (o *outbox) wrote(key string, d clock.Dot, lean bool) {
	if at, ok := o.at.get(key); ok {
		p := &o.queue[at-o.drained]
		p.more = append(p.more, d)
		p.lean = lean
		return
	}
	o.at.set(key, o.drained+len(o.queue))
	o.queue = append(o.queue, pending{key: key, first: d, lean: lean})
}

// touch records that something else than a local write changed what is known of the key.
func (o *outbox) touch(key string) {
	if at, ok := o.at.get(key); ok {
		o.queue[at-o.drained].lean = false
	}
}

// touchAll is touch for every key.
func (o *outbox) touchAll() {
	for i := range o.queue {
		o.queue[i].lean = false
	}
}

// pop takes the first key out.
func (o *outbox) pop() {
	o.at.remove(o.queue[0].key)
	o.queue[0] = pending{}
	o.queue = o.queue[1:]
	o.drained++
	if len(o.queue) == 0 {
		o.queue = nil
	}
}

// own returns the mutations of p.
func (p pending) own() []clock.Dot {
	return append([]clock.Dot{p.first}, p.more...)
}

// Pending returns the number of keys that wait to be sent.
func (r *Replica) Pending() int {
	return len(r.outbox.queue)
}

// Drain takes keys out of the outbox, in the order in which they were first written, until their encoding would exceed maxBytes, but at least
// one if there is any. It returns their objects as they are now, and the mutations made here that travel with them, which the caller may track
// for acknowledgements; after Adopt some may be of the earlier incarnation. The delta shares the replica's values, which never change.
func (r *Replica) Drain(maxBytes int) (Delta, []clock.Dot) {
	if len(r.outbox.queue) == 0 {
		return Delta{}, nil
	}
	out := r.packer(maxBytes)
	var own []clock.Dot
	for len(r.outbox.queue) > 0 {
		p := r.outbox.queue[0]
		dots := p.own()
		if !p.lean {
			dots = append(dots, r.dots.of(p.key)...)
		}
		packed := r.pack(p.key, dots)
		packed.told = r.isTold(packed.Object.Versions, p.lean && len(p.more) == 0)
		if !out.add(packed) {
			break
		}
		own = append(own, p.first)
		own = append(own, p.more...)
		r.outbox.pop()
	}
	return out.delta, own
}

// pack returns the object of the key for travelling, with those of the dots that are not versions of it. It may reorder dots.
func (r *Replica) pack(key string, dots []clock.Dot) Packed {
	e, _ := r.objects.get(key)
	slices.SortFunc(dots, clock.Dot.Compare)
	dots = slices.DeleteFunc(slices.Compact(dots), func(d clock.Dot) bool { return hasDot(e.Versions, d) })
	if len(dots) == 0 {
		dots = nil
	}
	return Packed{Key: key, Object: e.Object, Dots: dots}
}

func hasDot(vs []Version, d clock.Dot) bool {
	return slices.ContainsFunc(vs, func(v Version) bool { return v.Dot == d })
}

// packer gathers objects up to a number of encoded bytes. Base and all objects must be read under one lock.
type packer struct {
	delta Delta
	room  int
}

func (r *Replica) packer(maxBytes int) *packer {
	d := Delta{Base: r.clock.Bases()}
	return &packer{delta: d, room: maxBytes - d.sizeOfHead()}
}

// add adds p unless there is no room for it; the first always fits.
func (k *packer) add(p Packed) bool {
	k.room -= k.delta.sizeOf(p)
	if k.room < 0 && len(k.delta.Objects) > 0 {
		return false
	}
	k.delta.Objects = append(k.delta.Objects, p)
	return true
}
