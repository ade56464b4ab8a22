package engine

// Stats counts what an incarnation has done, and what it holds now.
type Stats struct {
	// Watchers are open now; WatchersOverloaded have ended because they did not keep up.
	Watchers           int
	WatchersOverloaded uint64
}

// Stats returns what this incarnation has counted; watches since the first incarnation in this process.
func (e *Engine) Stats() Stats {
	s := e.core.space
	return Stats{Watchers: int(s.watches.open.Load()), WatchersOverloaded: s.watches.overloaded.Load()}
}
