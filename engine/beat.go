package engine

import (
	"bytes"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/kvnode/kvnode/clock"
)

// helloEvery is how many heartbeats apart whole hellos are while there is no news.
const helloEvery = 16

// beats is the state of this node's heartbeats. A hello says everything; as long as nothing of it changes, a beat stands for it.
type beats struct {
	last       []byte // the last hello, without what always changes
	digest     uint64 // of its tables
	generation uint64 // of the members that it was said to
	due        time.Time
	asked      bool // somebody missed it
}

// beatFrame is a heartbeat without news.
type beatFrame struct {
	_        struct{} `cbor:",toarray"`
	Sequence uint64   // last mutation frame sent
	Digest   uint64   // of the tables of the last hello
	Ask      bool     // the receiver's last hello is not known here
}

// sayHello tells everyone that this node lives, and how far it is.
func (c *Core) sayHello() {
	c.nextHello = c.now.Add(c.cfg.HelloInterval)
	if c.leaving != nil && c.leaving.gone {
		return // it has said goodbye
	}
	h := c.hello()
	news := h
	news.Uptime, news.Sequence = 0, 0
	b, last := &c.beats, c.codec.record(news)
	if len(c.members.sorted) > 0 && !b.asked && b.generation == c.members.generation && c.now.Before(b.due) && bytes.Equal(last, b.last) {
		c.broadcast(c.codec.frame(frameBeat, beatFrame{Sequence: h.Sequence, Digest: b.digest}))
		return
	}
	*b = beats{last: last, digest: c.tablesHash(h), generation: c.members.generation, due: c.now.Add(helloEvery * c.cfg.HelloInterval)}
	c.broadcast(c.codec.frame(frameHello, h))
}

func (c *Core) hello() helloFrame {
	return helloFrame{
		Cluster: c.cfg.Cluster, Name: c.cfg.Name, Actor: c.cfg.Actor, Partitions: Partitions,
		Uptime: uint64(c.now.Sub(c.started).Milliseconds()), Ready: c.boot.ready, Leaving: c.leaving != nil,
		HTTP: c.cfg.HTTP, Route: c.cfg.Route, Restarts: c.cfg.Restarts, Rewriter: c.judges.rewriter(),
		Sequence: c.outgoing.sequence, Tables: c.digests(),
	}
}

func (c *Core) tablesHash(h helloFrame) uint64 {
	return xxh3.Hash(c.codec.record(h.Tables))
}

// onBeat learns that a member lives on and is as far as it last said. Whoever has not heard that asks for a hello.
func (c *Core) onBeat(from clock.Actor, f beatFrame) error {
	if f.Ask {
		c.beats.asked, c.nextHello = true, c.now
		return nil
	}
	p, known := c.members.peers[from]
	if !known || c.tablesHash(p.hello) != f.Digest {
		c.askHello(from)
		return nil
	}
	c.noteSequence(p, f.Sequence)
	c.compareDigests(p)
	return nil
}

// askHello asks a node who it is, unless it is known to be none of ours.
func (c *Core) askHello(from clock.Actor) {
	_, gone := c.members.replaced[from]
	_, foreign := c.members.foreign[from]
	if !gone && !foreign {
		c.send(from, LaneFast, c.codec.frame(frameBeat, beatFrame{Ask: true}))
	}
}

// noteSequence repairs at once when the tail of what a peer sent was lost.
func (c *Core) noteSequence(p *peer, sequence uint64) {
	if sequence > p.sequence {
		p.sequence = sequence
		p.nextSync = c.now
	}
}
