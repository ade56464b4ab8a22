package engine

import "sync/atomic"

// Stats counts what a node has done since its first incarnation in this process, and what it holds now.
type Stats struct {
	// Tables are all open tables, by name.
	Tables []TableInfo
	// Quarantines is the number of conflicts that must not be judged again by the handler that trapped on them.
	Quarantines int
	// Runs adds up what came of the runs of all modules.
	Runs RunStats
	// ShadowEqual and ShadowDifferent count the conflicts that this node has compared, by whether they would end differently under the shadow.
	ShadowEqual     uint64
	ShadowDifferent uint64
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
	// RepairsByLog and RepairsByFull count the partitions that this node has brought up to date by a transfer, RepairBytes the encoded bytes that it
	// took by transfers.
	RepairsByLog  uint64
	RepairsByFull uint64
	RepairBytes   uint64
}

// tallies are the counts that the step keeps for Stats.
type tallies struct {
	unconfirmed, behind     atomic.Int64
	byLog, byFull, repaired atomic.Uint64
	// shadowEqual and shadowDifferent count the conflicts on which this node ran a shadow.
	shadowEqual, shadowDifferent atomic.Uint64
}

// Stats counts. It never blocks for long, and answers also while the node is not ready. Safe for concurrent use.
func (e *Engine) Stats() Stats {
	s := e.core.space
	waiting, refused := s.backlog.counts()
	out := Stats{
		Watchers: int(s.watches.open.Load()), WatchersOverloaded: s.watches.overloaded.Load(),
		Unconfirmed: int(s.tallies.unconfirmed.Load()), Behind: int(s.tallies.behind.Load()),
		Waiting: waiting, Refused: refused, Runs: s.runs.all(),
		ShadowEqual: s.tallies.shadowEqual.Load(), ShadowDifferent: s.tallies.shadowDifferent.Load(),
		RepairsByLog: s.tallies.byLog.Load(), RepairsByFull: s.tallies.byFull.Load(), RepairBytes: s.tallies.repaired.Load(),
	}
	for _, t := range s.sortedTables() {
		out.Tables = append(out.Tables, s.info(t))
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	out.Quarantines = len(s.facts.quarantines)
	return out
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
	c.space.tallies.unconfirmed.Store(int64(most))
	c.space.tallies.behind.Store(int64(behind))
}

// countRepair notes a completed transfer.
func (c *Core) countRepair(full bool) {
	if full {
		c.space.tallies.byFull.Add(1)
		return
	}
	c.space.tallies.byLog.Add(1)
}
