package engine

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

const (
	// scrubInterval is the pause between the beginnings of two looks at all data. With more data than fits into it, they follow one another.
	scrubInterval = 4 * time.Second
	// scrubKeys and scrubBytes bound what one tick looks at.
	scrubKeys  = 4096
	scrubBytes = 4 << 20
	// scrubTurnKeys and scrubTurnBytes bound what is looked at while a partition's lock is held.
	scrubTurnKeys  = 256
	scrubTurnBytes = 256 << 10
	// maxBroken bounds the broken keys that are seen to at a time; the next pass finds the others.
	maxBroken = 1024
	// fullPause is how long after a FULL transfer a difference under equal clocks is taken for one of values.
	fullPause = 5 * time.Second
	// surveyPause is the least pause between two searches for such differences in a partition.
	surveyPause = time.Second
)

var (
	errCorrupt  = errors.New("the data are not those that were stored: check this machine's memory")
	errUnmended = errors.New("no connected member has what was stored: write the key again, or connect a member that has it")
	errAudit    = errors.New("equal clocks with different data")
)

// audit is the state of the self-audit. It has two halves. Each node holds its own data against the fingerprints that were stored with them (scrub); and
// members whose clocks are equal hold their sums against each other (diverged). What is found becomes an inquiry among the connected members.
type audit struct {
	pass      uint64
	scrubbing []*partition // what this pass has not looked at; the first is under way
	at        replica.Scrub
	nextPass  time.Time

	broken    map[brokenID]*brokenKey
	diverging map[*partition]divergence
	inquiries map[*partition]*inquiry
	next      uint64 // number of the next inquiry
	// findings counts broken keys and differing partitions, for Status.
	findings atomic.Int64
}

type brokenID struct {
	p   *partition
	key string
}

// brokenKey is a key whose data are not what was stored.
type brokenKey struct {
	seen, asked uint64 // passes in which it was last found, and members were last asked
	given       bool   // nobody could help; that is reported
}

// divergence is a partition of which members hold different data under equal clocks.
type divergence struct {
	full  time.Time // when a FULL transfer was begun for it
	again time.Time // when values are compared at the earliest
}

func newAudit() audit {
	return audit{broken: map[brokenID]*brokenKey{}, diverging: map[*partition]divergence{}, inquiries: map[*partition]*inquiry{}}
}

// scrub holds some of the data against their fingerprints, those of local tables too.
func (c *Core) scrub() {
	a := &c.audit
	if len(a.scrubbing) == 0 {
		if c.now.Before(a.nextPass) {
			return
		}
		a.pass++
		a.nextPass = c.now.Add(scrubInterval)
		a.scrubbing = c.allPartitions()
	}
	for keys, bytes := scrubKeys, int64(scrubBytes); keys > 0 && bytes > 0 && len(a.scrubbing) > 0; {
		done := c.scrubTurn(a.scrubbing[0])
		keys -= done.Keys + 1
		bytes -= done.Bytes
	}
	if len(a.scrubbing) == 0 {
		c.endPass()
	}
}

// allPartitions lists every partition of this node, those of local tables included.
func (c *Core) allPartitions() []*partition {
	out := []*partition{c.space.catalogue}
	for _, t := range c.space.sortedTables() {
		out = append(out, t.parts[:]...)
	}
	return out
}

// scrubTurn goes on with a partition, and with the next one when that is done.
func (c *Core) scrubTurn(p *partition) replica.Scrubbed {
	a := &c.audit
	p.mu.RLock()
	done := p.rep.Scrub(&a.at, scrubTurnKeys, scrubTurnBytes)
	p.mu.RUnlock()
	c.foundBroken(p, done.Broken)
	if done.Done {
		a.scrubbing, a.at = a.scrubbing[1:], replica.Scrub{}
	}
	return done
}

// endPass forgets what was not found again: writes have replaced it, or its table is gone.
func (c *Core) endPass() {
	a := &c.audit
	maps.DeleteFunc(a.broken, func(_ brokenID, b *brokenKey) bool { return b.seen < a.pass })
	maps.DeleteFunc(a.diverging, func(_ *partition, d divergence) bool { return c.now.Sub(d.full) > fullPause })
}

// foundBroken notes broken keys, says so when they are new, and asks the other members for them.
func (c *Core) foundBroken(p *partition, keys []string) {
	for _, key := range keys {
		id := brokenID{p, key}
		b, known := c.audit.broken[id]
		switch {
		case known:
		case len(c.audit.broken) >= maxBroken:
			continue
		default:
			b = &brokenKey{}
			c.audit.broken[id] = b
			c.audit.findings.Add(1)
			c.report(c.auditEvent(EventCorrupt, p, key, errCorrupt))
		}
		b.seen = c.audit.pass
	}
	c.inquireBroken(p)
}

func (c *Core) auditEvent(kind EventKind, p *partition, key string, err error) Event {
	return Event{Kind: kind, Table: p.id.Table, Key: key, Err: err, Attrs: []slog.Attr{slog.Int("partition", p.id.Index)}}
}

// inquireBroken asks for the partition's broken keys that were not asked for in this pass.
func (c *Core) inquireBroken(p *partition) {
	if c.audit.inquiries[p] != nil {
		return
	}
	var keys []string
	for id, b := range c.audit.broken {
		if id.p == p && b.asked < c.audit.pass {
			keys = append(keys, id.key)
		}
	}
	if len(keys) == 0 {
		return
	}
	slices.Sort(keys)
	keys = keys[:min(len(keys), maxInspected)]
	for _, key := range keys {
		c.audit.broken[brokenID{p, key}].asked = c.audit.pass
	}
	c.inspect(c.newInquiry(p), keys)
}

// withholds reports whether the partition has a broken key for which the members are being asked. Until they have answered, nothing is transferred from
// here: what is broken would go along.
func (a *audit) withholds(p *partition) bool {
	for id, b := range a.broken {
		if id.p == p && !b.given {
			return true
		}
	}
	return false
}

// diverged deals with a member that holds other data under an equal clock. A FULL transfer is the cure for versions that one has and the other lacks.
// It does not touch versions that both have: what differs afterwards is searched for value by value.
func (c *Core) diverged(from clock.Actor, p *partition) {
	_, busy := c.repair.taking[p.id]
	if busy || c.audit.inquiries[p] != nil {
		return
	}
	d, known := c.audit.diverging[p]
	switch {
	case !known || c.now.Sub(d.full) > fullPause:
		c.audit.diverging[p] = divergence{full: c.now}
		c.audit.findings.Add(1)
		e := c.auditEvent(EventDiverged, p, "", errAudit)
		e.Peer = from.Short()
		c.report(e)
		c.take(from, p, true)
	case !c.now.Before(d.again):
		d.again = c.now.Add(surveyPause)
		c.audit.diverging[p] = d
		c.survey(from, p)
	}
}
