package engine

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// Partitions is the number of replicas of a table at every node; the same in the whole cluster.
const Partitions = 16

// partition is one replica with its lock.
type partition struct {
	id partitionID
	// mu guards rep and waiting. Several partitions are locked in the order of their index.
	mu  sync.RWMutex
	rep *replica.Replica
	// waiting is how much of the space's backlog is this partition's.
	waiting int
	dirty   atomic.Bool
}

// table is one open table: a name with an epoch.
type table struct {
	name    string
	epoch   uint64
	options TableOptions
	parts   [Partitions]*partition
	views   *viewCache
	hub     *hub
}

func newTable(name string, epoch uint64, o TableOptions, self clock.Actor, watches *watchCounts) *table {
	t := &table{name: name, epoch: epoch, options: o, views: newViewCache(), hub: newHub(watches)}
	for i := range t.parts {
		t.parts[i] = &partition{
			id:  partitionID{Table: name, Epoch: epoch, Index: i},
			rep: replica.New(self, replica.Options{Ordered: o.Type == OrderedSet}),
		}
	}
	return t
}

func (t *table) partition(key string) *partition {
	return t.parts[xxh3.HashString(key)%Partitions]
}

// space holds what this node stores: the catalogue and the tables. It is shared by the state machine, the readers and the writers.
type space struct {
	self clock.Actor
	// catalogue is the built-in replica of tables, handlers, modules, quarantines and members.
	catalogue *partition
	// mu guards tables and facts. A partition's lock is taken after it, never before.
	mu     sync.RWMutex
	tables map[string]*table
	facts  *facts
	// retired are the incarnations that no clock names any more; the set is replaced, never changed.
	retired atomic.Pointer[map[clock.Actor]struct{}]

	watches watchCounts
	tallies tallies
	runs    *runs
	shadows *shadowBook
	backlog *backlog

	dirtyMu sync.Mutex
	dirty   []*partition
}

func newSpace(self clock.Actor) *space {
	s := &space{
		self:      self,
		catalogue: &partition{rep: replica.New(self, replica.Options{Ordered: true, MaxDotKeys: 1 << 20})},
		tables:    map[string]*table{},
		facts:     newFacts(),
		backlog:   newBacklog(),
		runs:      newRuns(),
		shadows:   newShadowBook(),
	}
	s.setRetired(nil)
	return s
}

// adopt makes everything that an earlier incarnation held this one's. Calls of the earlier one that are still under way find that it is over.
func (s *space) adopt(self clock.Actor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.self = self
	s.adoptPartition(s.catalogue)
	for _, t := range s.tables {
		for _, p := range t.parts {
			s.adoptPartition(p)
		}
		t.hub.reopen()
	}
}

// adoptPartition hands one replica over; what waits in its outbox goes out under the new incarnation.
func (s *space) adoptPartition(p *partition) {
	p.mu.Lock()
	p.rep.Adopt(s.self)
	pending := p.rep.Pending() > 0
	p.mu.Unlock()
	if pending {
		s.touch(p)
	}
}

func (s *space) table(name string) (*table, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.tables[name]
	if !ok {
		return nil, ErrNoTable
	}
	return t, nil
}

// current returns the table as it is now: its options may have changed since t was found. A table that is dropped stays as it was.
func (s *space) current(t *table) *table {
	if now, err := s.table(t.name); err == nil && now.epoch == t.epoch {
		return now
	}
	return t
}

// sortedTables returns the open tables by name.
func (s *space) sortedTables() []*table {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*table, 0, len(s.tables))
	for _, t := range s.tables {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *table) int { return strings.Compare(a.name, b.name) })
	return out
}

// handler returns the record in force for an open table; see facts.handler.
func (s *space) handler(t *table) (handlerRecord, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.facts.handler(t)
}

// modulesVersion counts the changes of modules' bytes that are known here.
func (s *space) modulesVersion() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.facts.modules
}

// seals returns the records of dead incarnations, in the order of their actors.
func (s *space) seals() []sealRecord {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := maps.Clone(s.facts.seals)
	for a := range s.facts.told {
		all[a], _ = s.facts.seal(a)
	}
	return slices.SortedFunc(maps.Values(all), func(a, b sealRecord) int { return a.Actor.Compare(b.Actor) })
}

// seal returns the record of a dead incarnation.
func (s *space) seal(a clock.Actor) (sealRecord, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.facts.seal(a)
}

// tell adds a record that the catalogue here does not know yet, and returns whether it is news.
func (s *space) tell(t toldSeal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, known := s.facts.seal(t.Seal.Actor)
	if known && (held.Retired || !t.Seal.Retired) || s.isOutdatedLocked(t) {
		return false
	}
	s.facts.told[t.Seal.Actor] = t
	s.facts.version++
	return true
}

// isOutdatedLocked says whether the catalogue here has a record that says as much as the one that was told, or knows what has become of that.
func (s *space) isOutdatedLocked(t toldSeal) bool {
	if s.facts.hasSeal(t.Seal) {
		return true
	}
	s.catalogue.mu.RLock()
	defer s.catalogue.mu.RUnlock()
	return !slices.ContainsFunc(t.Dots, func(d clock.Dot) bool {
		return s.catalogue.rep.IsLost(d) || !s.catalogue.rep.Knows(s.self, d) && !s.isRetired(d.Actor)
	})
}

// lostTold returns the records that were told, and whose mutations are lost: nothing else will bring them into the catalogue.
func (s *space) lostTold() (lost []sealRecord) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.catalogue.mu.RLock()
	defer s.catalogue.mu.RUnlock()
	for a := range s.facts.told {
		if t, saysMore := s.facts.toldMore(a); saysMore && slices.ContainsFunc(t.Dots, s.catalogue.rep.IsLost) {
			lost = append(lost, t.Seal)
		}
	}
	slices.SortFunc(lost, func(a, b sealRecord) int { return a.Actor.Compare(b.Actor) })
	return lost
}

// forgetTold drops what was told and is in the catalogue by now, or was, and says whether there was any.
func (s *space) forgetTold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.facts.told)
	maps.DeleteFunc(s.facts.told, func(_ clock.Actor, t toldSeal) bool { return s.isOutdatedLocked(t) })
	return len(s.facts.told) < before
}

// tellable returns the records of dead incarnations as other members are told of them, in the order of their actors.
func (s *space) tellable() []toldSeal {
	var out []toldSeal
	for _, rec := range s.seals() {
		s.mu.RLock()
		told, isTold := s.facts.toldMore(rec.Actor)
		s.mu.RUnlock()
		if !isTold {
			told = toldSeal{Seal: rec, Dots: s.catalogueDots(keySeal + rec.Actor.String())}
		}
		out = append(out, told)
	}
	return out
}

// catalogueDots names the mutations that a record of the catalogue consists of.
func (s *space) catalogueDots(key string) (dots []clock.Dot) {
	s.catalogue.mu.RLock()
	defer s.catalogue.mu.RUnlock()
	for _, v := range s.catalogue.rep.Get(key) {
		dots = append(dots, v.Dot)
	}
	return dots
}

// setRetired says which incarnations no clock names any more.
func (s *space) setRetired(actors map[clock.Actor]struct{}) {
	set := maps.Clone(actors)
	s.retired.Store(&set)
}

// isRetired says whether no clock names the incarnation any more.
func (s *space) isRetired(a clock.Actor) bool {
	_, retired := (*s.retired.Load())[a]
	return retired
}

// secrets are what tokens are authenticated with, the current one first. They must not be changed.
func (s *space) secrets() [][]byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.facts.secrets
}

// holdsLocal says whether a table that is not replicated has keys.
func (s *space) holdsLocal() bool {
	return slices.ContainsFunc(s.sortedTables(), func(t *table) bool { return t.options.Local && slices.ContainsFunc(t.parts[:], (*partition).hasKeys) })
}

func (p *partition) hasKeys() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.rep.Len() > 0
}

// find returns the partition that a frame names, nil when this node has no such table of this epoch.
func (s *space) find(id partitionID) *partition {
	if id.Table == "" {
		return s.catalogue
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.tables[id.Table]
	if !ok || t.epoch != id.Epoch || t.options.Local || id.Index < 0 || id.Index >= Partitions {
		return nil
	}
	return t.parts[id.Index]
}

// replicated returns the partitions of a table that peers hold too; of the catalogue for the empty name.
func (s *space) replicated(name string, epoch uint64) []*partition {
	if name == "" {
		return []*partition{s.catalogue}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.tables[name]
	if !ok || t.epoch != epoch || t.options.Local {
		return nil
	}
	return t.parts[:]
}

// touch notes that p has mutations to send.
func (s *space) touch(p *partition) {
	if p.dirty.Swap(true) {
		return
	}
	s.dirtyMu.Lock()
	defer s.dirtyMu.Unlock()
	s.dirty = append(s.dirty, p)
}

// takeDirty returns the partitions that have mutations to send, in a fixed order.
func (s *space) takeDirty() []*partition {
	s.dirtyMu.Lock()
	out := s.dirty
	s.dirty = nil
	s.dirtyMu.Unlock()
	slices.SortFunc(out, func(a, b *partition) int { return comparePartitions(a.id, b.id) })
	return out
}

// putBack returns partitions that could not be sent.
func (s *space) putBack(ps []*partition) {
	s.dirtyMu.Lock()
	defer s.dirtyMu.Unlock()
	s.dirty = append(s.dirty, ps...)
}

func comparePartitions(a, b partitionID) int {
	return cmp.Or(strings.Compare(a.Table, b.Table), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Index, b.Index))
}

// refresh derives the facts that depend on these catalogue keys, and opens and closes tables to match.
func (s *space) refresh(keys []string) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var events []Event
	for _, key := range keys {
		s.catalogue.mu.RLock()
		versions := replica.Canonical(s.catalogue.rep.Get(key))
		s.catalogue.mu.RUnlock()
		name, differ := s.facts.learn(key, versions)
		if name == "" {
			continue
		}
		events = append(events, differ...)
		events = append(events, s.alignLocked(name)...)
	}
	return events
}

// alignLocked opens, replaces or closes the table so that it is what the catalogue says. Tables are replaced, never altered: readers hold them.
func (s *space) alignLocked(name string) []Event {
	want, known := s.facts.tables[name]
	have, open := s.tables[name]
	live := known && want.Live
	var events []Event
	if open && (!live || have.epoch != want.Epoch) {
		delete(s.tables, name)
		have.hub.close()
		open = false
		events = append(events, Event{Kind: EventTableDropped, Table: name})
	}
	switch {
	case live && !open:
		s.tables[name] = newTable(name, want.Epoch, want.Options, s.self, &s.watches)
	case live && have.options != want.Options:
		same := *have // the other side's options win; the index that the keys are in stays as it was built here
		same.options = want.Options
		s.tables[name] = &same
		same.hub.notify(same.conflicts()...) // the policy shows something else of these
	}
	return events
}
