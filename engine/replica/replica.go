// Package replica is one partition of a table at one node: which versions of its keys are known, which mutations are known, and what peers
// still need. It is a pure state machine: it starts no goroutine, takes no lock, reads no clock, draws no random number and does no I/O. The
// caller holds a lock around every call; calls that only read (Get, Context, Check, Len, the iterators) may run side by side.
//
// The algorithms are those of DottedDB (Gonçalves, Almeida, Baquero, Fonte, SRDS 2017) under full replication: a node-wide dotted clock, objects
// whose contexts are stored stripped of what that clock says, deletes without tombstones, and anti-entropy by the mutations that a peer lacks.
package replica

import (
	"iter"
	"slices"
	"strings"

	"github.com/kvnode/kvnode/clock"
	"github.com/tidwall/btree"
)

// Defaults of Options.
const (
	DefaultMaxDotKeys      = 65536
	DefaultMaxSiblings     = 256
	DefaultMaxSiblingBytes = 16 << 20
	DefaultListKeys        = 6
)

// Options shape a replica. A field that is zero has its default.
type Options struct {
	// Ordered keeps the keys in a B-tree, so that iteration is in key order and cheap from any key; otherwise they are in a hash map.
	// Default false. It costs about twice the time of a read or write.
	Ordered bool
	// MaxDotKeys bounds the log of mutations that are not yet known to be everywhere, in entries of about 150 bytes. Default 65536. Past it the
	// oldest go, and a peer that lacks one of those must take everything. If the nodes that have such a mutation then die before any peer took
	// everything, peers can differ under equal clocks; Sum shows it, and a full transfer each way mends it.
	MaxDotKeys int
	// MaxSiblings is the number of siblings of a key from which on a write that replaces none is refused. Default 256.
	MaxSiblings int
	// MaxSiblingBytes is the size in bytes of the siblings of a key from which on a write that replaces none is refused. Default 16 MiB.
	MaxSiblingBytes int
	// ListKeys is the number of keys up to which a full transfer compares versions one by one, and above which it compares the sums of spans of
	// keys. Default 6. Fewer cost more round trips, more cost bytes for a lone difference.
	ListKeys int
}

// Replica is one partition of a table at one node. Make it with New.
type Replica struct {
	self    clock.Actor
	options Options

	clock  clock.Clock
	hybrid clock.Hybrid
	hash   *uint64 // the clock's hash; nil when the clock changed since

	objects   store
	places    places
	intake    *Intake // the transfer that is under way here, or nil
	live      int     // keys with a value
	bytes     int64   // size of those keys and their values
	sum       sum128
	conflicts btree.Set[string]
	contested int // keys with two or more values
	scratch   []byte
	aged      btree.Set[string] // keys with versions that have pasts
	sweep     sweep
	forgotten *Past         // stands for all pasts that are not remembered
	known     []clock.Actor // the known members, as of the last collection; nil before the first

	waits   map[clock.Actor]*btree.BTreeG[wait]
	writers map[clock.Actor]int                 // how many versions are here of each actor
	sealed  map[clock.Actor]clock.Entry         // dead actors and those of their mutations that count
	sealing map[clock.Actor]struct{}            // those of sealed whose entries are not closed yet
	vague   bool                                // some lost mutations of the dead are known here without their keys
	lone    map[clock.Actor]*btree.BTreeG[wait] // keys of which deletes are left alone, by the first of these
	sights  map[clock.Actor]*sight              // what the members have seen, while there are such keys, or pasts

	dots   *dotKeys
	outbox outbox
	marks  map[clock.Actor]*clock.Clock // what each other member is known to have
}

// New returns an empty replica at the incarnation self, which must not be the zero Actor.
func New(self clock.Actor, o Options) *Replica {
	if self.IsZero() {
		panic("replica: self is the zero actor")
	}
	o = o.withDefaults()
	return &Replica{
		self:      self,
		options:   o,
		forgotten: &Past{},
		objects:   newStore(o.Ordered),
		waits:     map[clock.Actor]*btree.BTreeG[wait]{},
		writers:   map[clock.Actor]int{},
		sealed:    map[clock.Actor]clock.Entry{},
		sealing:   map[clock.Actor]struct{}{},
		lone:      map[clock.Actor]*btree.BTreeG[wait]{},
		sights:    map[clock.Actor]*sight{},
		dots:      newDotKeys(o.MaxDotKeys),
		marks:     map[clock.Actor]*clock.Clock{},
	}
}

func (o Options) withDefaults() Options {
	if o.MaxDotKeys <= 0 {
		o.MaxDotKeys = DefaultMaxDotKeys
	}
	if o.MaxSiblings <= 0 {
		o.MaxSiblings = DefaultMaxSiblings
	}
	if o.MaxSiblingBytes <= 0 {
		o.MaxSiblingBytes = DefaultMaxSiblingBytes
	}
	if o.ListKeys <= 0 {
		o.ListKeys = DefaultListKeys
	}
	return o
}

// Adopt hands the replica to the next incarnation of its node. Data, clock and log stay; mutations that were not sent yet stay in the outbox,
// and travel with everything that is not stable of their keys, as news of another actor do. self must never have written anywhere.
func (r *Replica) Adopt(self clock.Actor) {
	if self.IsZero() {
		panic("replica: self is the zero actor")
	}
	r.self = self
	r.intake = nil
	r.outbox.touchAll()
	r.ForgetMember(self)
}

// Self returns the incarnation that writes here.
func (r *Replica) Self() clock.Actor {
	return r.self
}

// Clock returns a copy of the clock: the mutations that this replica has.
func (r *Replica) Clock() clock.Clock {
	return r.clock.Clone()
}

// Entry returns what is known of an actor's mutations, as a copy.
func (r *Replica) Entry(a clock.Actor) clock.Entry {
	return r.clock.Entry(a).Clone()
}

// Actors returns the actors of whose mutations any are known, in the order of their bytes.
func (r *Replica) Actors() []clock.Actor {
	return r.clock.Actors()
}

// ClockHash returns the hash of the clock. It remembers it until the clock changes, so that it counts as a call that writes.
func (r *Replica) ClockHash() uint64 {
	if r.hash == nil {
		h := r.clock.Hash()
		r.hash = &h
	}
	return *r.hash
}

// Len returns the number of keys with a value.
func (r *Replica) Len() int {
	return r.live
}

// Bytes returns the size in bytes of the keys with a value and of their values.
func (r *Replica) Bytes() int64 {
	return r.bytes
}

// NumConflicts returns the number of keys with two or more versions, one of which is a value.
func (r *Replica) NumConflicts() int {
	return r.conflicts.Len()
}

// NumContested returns the number of keys with two or more versions that are values: NumConflicts without the keys at which a lone value meets deletes.
func (r *Replica) NumContested() int {
	return r.contested
}

// NumUnstable returns the number of mutations in the log: those that some known member may still lack.
func (r *Replica) NumUnstable() int {
	return r.dots.len()
}

// Sum returns the audit sum: the sum over all keys of a hash of the key, its dots, stamps and values, modulo 2^128, high word first. Replicas
// with equal clocks have equal sums; anything else is a bug or broken memory.
func (r *Replica) Sum() [2]uint64 {
	return r.sum
}

// Get returns the versions of the key sorted by dot, deletes included, nil when it has none. The slice stays valid and is never changed.
func (r *Replica) Get(key string) []Version {
	e, _ := r.objects.get(key)
	return e.Versions
}

// Context returns everything that this replica knows of the key, as a new map: what a write must name to replace what Get returns.
func (r *Replica) Context(key string) clock.Context {
	e, _ := r.objects.get(key)
	return r.filled(e.Object)
}

// All yields every key that has a value, with its versions: in key order when the replica is ordered, in no order otherwise. The replica must not be changed
// during the iteration.
func (r *Replica) All() iter.Seq2[string, []Version] {
	return living(r.objects.all())
}

// Ascend yields the keys with a value from the given key on, in key order. A replica that is not ordered sorts all its keys first.
func (r *Replica) Ascend(from string) iter.Seq2[string, []Version] {
	return living(r.objects.ascend(from))
}

// Prefix yields the keys that have a value and begin with prefix, in key order. A replica that is not ordered sorts all its keys first.
func (r *Replica) Prefix(prefix string) iter.Seq2[string, []Version] {
	return func(yield func(string, []Version) bool) {
		for key, versions := range r.Ascend(prefix) {
			if !strings.HasPrefix(key, prefix) || !yield(key, versions) {
				return
			}
		}
	}
}

// Keys returns up to limit keys that have a value and come after the given key, in key order. A replica that is not ordered sorts all its
// keys first.
func (r *Replica) Keys(after string, limit int) []string {
	var keys []string
	if limit <= 0 {
		return nil
	}
	for key := range r.Ascend(after + "\x00") {
		keys = append(keys, key)
		if len(keys) == limit {
			break
		}
	}
	return keys
}

// Conflicts yields the keys with two or more versions, one of which is a value, in key order. It costs nothing for the keys that have one.
func (r *Replica) Conflicts() iter.Seq[string] {
	return r.conflicts.Scan
}

// filled returns the context of o joined with the bases of the clock.
func (r *Replica) filled(o Object) clock.Context {
	ctx := r.clock.Bases()
	ctx.Join(o.Context)
	return ctx
}

// living leaves out the entries that have no value.
func living(entries iter.Seq2[string, entry]) iter.Seq2[string, []Version] {
	return func(yield func(string, []Version) bool) {
		for key, e := range entries {
			if !IsAbsent(e.Versions) && !yield(key, e.Versions) {
				return
			}
		}
	}
}

// having returns the keys that have a version for which is is true, deletes included, sorted.
func (r *Replica) having(is func(Version) bool) []string {
	var keys []string
	for key, e := range r.objects.all() {
		if slices.ContainsFunc(e.Versions, is) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
