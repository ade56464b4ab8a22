package engine

import "github.com/kvnode/kvnode/clock"

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

// LoseModule makes a module's first bytes go, as when the node that had them died before they spread.
func LoseModule(e *Engine, sha256 string) error {
	_, events, err := e.core.deleteCatalogue(chunkKey(sha256, 0), e.core.stamp())
	e.core.report(events...)
	return err
}
