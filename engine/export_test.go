package engine

import (
	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// ForgeToken makes a well-formed token of any context, as only a member can.
func ForgeToken(e *Engine, table, key string, seen clock.Context) (string, error) {
	t, err := e.core.space.table(table)
	if err != nil {
		return "", err
	}
	return e.core.token(t, key, seen), nil
}

// NumQuarantines counts the quarantine records of the catalogue.
func NumQuarantines(e *Engine) int {
	e.core.space.mu.RLock()
	defer e.core.space.mu.RUnlock()
	return len(e.core.space.facts.quarantines)
}

// Unstable counts the mutations, those of the catalogue included, that are not known to be at every known member.
func Unstable(e *Engine) int {
	n := 0
	for _, p := range e.core.everyPartition() {
		p.mu.RLock()
		n += p.rep.NumUnstable()
		p.mu.RUnlock()
	}
	return n
}

// LoseModule makes a module's first bytes go, as when the node that had them died before they spread.
func LoseModule(e *Engine, sha256 string) error {
	_, events, err := e.core.deleteCatalogue(chunkKey(sha256, 0), e.core.stamp())
	e.core.report(events...)
	return err
}

// Break flips a bit of a value that a node holds, as bad memory does. The catalogue is the table without a name.
func Break(e *Engine, table, key string, sibling int) {
	p := auditedPartition(e, table, key)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rep.Get(key)[sibling].Value[0] ^= 1
}

// Forge makes a node hold another value under the dot of a key's version, with all sums to match.
func Forge(e *Engine, table, key, value string) {
	p := auditedPartition(e, table, key)
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.rep.Get(key)[0]
	p.rep.Correct(key, []replica.Version{{Dot: v.Dot, Stamp: v.Stamp, Value: []byte(value)}})
}

// Remove makes a node lose the versions of a key, as if it had taken a write that covers them whose dot it knew already.
func Remove(e *Engine, table, key string) {
	p := auditedPartition(e, table, key)
	p.mu.Lock()
	defer p.mu.Unlock()
	gone := replica.Packed{Key: key, Object: replica.Object{Context: p.rep.Context(key)}}
	if _, err := p.rep.Receive(replica.Delta{Objects: []replica.Packed{gone}}); err != nil {
		panic("remove: " + err.Error())
	}
}

// Give lets a node receive objects of a key, as if a member had sent them.
func Give(e *Engine, table, key string, deltas ...replica.Delta) error {
	t, err := e.core.space.table(table)
	if err != nil {
		return err
	}
	p := t.partition(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range deltas {
		if _, err := p.rep.Receive(d); err != nil {
			return err
		}
	}
	e.post(noticed{t: t, key: key})
	return nil
}

// Sums returns the audit sum of a key's partition at a node.
func Sums(e *Engine, table, key string) [2]uint64 {
	p := auditedPartition(e, table, key)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.rep.Sum()
}

// CatalogueKey returns the first key of the catalogue with a prefix.
func CatalogueKey(e *Engine, prefix string) string {
	p := e.core.space.catalogue
	p.mu.RLock()
	defer p.mu.RUnlock()
	for key := range p.rep.Prefix(prefix) {
		return key
	}
	return ""
}

func auditedPartition(e *Engine, table, key string) *partition {
	if table == "" {
		return e.core.space.catalogue
	}
	t, err := e.core.space.table(table)
	if err != nil {
		panic("no table " + table)
	}
	return t.partition(key)
}

// WatchLog is the number of changes that are kept for a table's watchers, outdated ones included.
func WatchLog(e *Engine, table string) int {
	t, err := e.core.space.table(table)
	if err != nil {
		return 0
	}
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	return len(t.hub.log)
}

// NumSeals counts the records of dead incarnations that a node knows.
func NumSeals(e *Engine) int { return len(e.core.space.seals()) }

// NumShadowPages counts the tables whose shadows a node remembers something of.
func NumShadowPages(e *Engine) int {
	b := e.core.space.shadows
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.m)
}

// NumLone counts the keys of all tables of which nothing but deletes is left.
func NumLone(e *Engine) int { return e.core.space.numLone() }
