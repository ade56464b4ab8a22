package engine

import "sync/atomic"

// Stats counts what an incarnation has done, and what it holds now. Bytes are those of keys, values and clocks as they are encoded.
type Stats struct {
	// Watchers are open now; WatchersOverloaded have ended because they did not keep up.
	Watchers           int
	WatchersOverloaded uint64
	// Unconfirmed is, of the member that owes most, the number of bytes that were sent to it and are not confirmed. Behind counts the members that
	// do not keep up and take by repair what they miss.
	Unconfirmed int
	Behind      int
	// Waiting is the number of bytes that were written here and wait to be sent. Refused counts the writes that found no room there.
	Waiting int
	Refused uint64
	// Repairs by log and by FULL that this node has completed, and the bytes that it took by repairs.
	RepairsByLog  uint64
	RepairsByFull uint64
	RepairBytes   uint64
}

// tallies are the counts that the step keeps for Stats.
type tallies struct {
	unconfirmed, behind     atomic.Int64
	byLog, byFull, repaired atomic.Uint64
}

// Stats returns what this incarnation has counted since it was opened; watches and refusals since the first incarnation in this process.
func (e *Engine) Stats() Stats {
	c := e.core
	waiting, refused := c.space.backlog.counts()
	return Stats{
		Watchers: int(c.space.watches.open.Load()), WatchersOverloaded: c.space.watches.overloaded.Load(),
		Unconfirmed: int(c.tallies.unconfirmed.Load()), Behind: int(c.tallies.behind.Load()),
		Waiting: waiting, Refused: refused,
		RepairsByLog: c.tallies.byLog.Load(), RepairsByFull: c.tallies.byFull.Load(), RepairBytes: c.tallies.repaired.Load(),
	}
}

// countWindows notes how far the members are behind what was sent to them.
func (c *Core) countWindows() {
	most, behind := 0, 0
	for _, p := range c.members.sorted {
		most = max(most, p.window.bytes)
		if p.window.behind {
			behind++
		}
	}
	c.tallies.unconfirmed.Store(int64(most))
	c.tallies.behind.Store(int64(behind))
}

// countRepair notes a completed transfer.
func (c *Core) countRepair(full bool) {
	if full {
		c.tallies.byFull.Add(1)
		return
	}
	c.tallies.byLog.Add(1)
}
