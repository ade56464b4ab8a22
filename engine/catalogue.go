package engine

import (
	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// putCatalogue writes one record of the catalogue, over all that this node knows of it.
func (c *Core) putCatalogue(key string, record []byte, now clock.Timestamp) (clock.Dot, []Event, error) {
	return c.decideCatalogue(key, now, func([]replica.Version) ([]byte, error) { return record, nil })
}

// deleteCatalogue removes one record of the catalogue.
func (c *Core) deleteCatalogue(key string, now clock.Timestamp) (clock.Dot, []Event, error) {
	return c.decideCatalogue(key, now, func([]replica.Version) ([]byte, error) { return nil, nil })
}

// reportWritten reports what came of a record that the node has written by itself.
func (c *Core) reportWritten(events []Event, err error) {
	c.report(events...)
	if err != nil {
		c.report(Event{Kind: EventError, Err: err})
	}
}

// decision makes a catalogue record out of the versions held, given in canonical order: nil deletes it, an error leaves it as it is.
type decision func(held []replica.Version) ([]byte, error)

// decideCatalogue replaces a record by what decide makes of it. Decision and write are one step, so that nothing is covered that the decision has not
// seen.
func (c *Core) decideCatalogue(key string, now clock.Timestamp, decide decision) (clock.Dot, []Event, error) {
	done, err := c.decideLocked(c.space.catalogue, key, now, decide)
	if err != nil {
		return clock.Dot{}, nil, err
	}
	c.space.touch(c.space.catalogue)
	return done.Dot, c.space.refresh([]string{key}), nil
}

// decideLocked decides and writes under the partition's lock. ErrClosed when a later incarnation has taken the replica over.
func (c *Core) decideLocked(p *partition, key string, now clock.Timestamp, decide decision) (replica.Written, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rep.Self() != c.cfg.Actor {
		return replica.Written{}, ErrClosed
	}
	record, err := decide(replica.Canonical(p.rep.Get(key)))
	if err != nil {
		return replica.Written{}, err
	}
	return p.rep.Write(replica.Write{Key: key, Value: record, Delete: record == nil, Now: now})
}
