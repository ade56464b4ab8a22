package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// RemovePlugin removes one module from all nodes, with its bytes unless they are installed under another name too. The plugin is a name that has one module,
// NAME@NUMBER, a SHA-256, or an unambiguous beginning of one. Errors: ErrNoPlugin, ErrAmbiguous, ErrPluginInUse while it judges a table or is a table's shadow,
// ErrNotReady. Where it is activated on the other side of a split meanwhile, it stays in force without its bytes: readers see the siblings, until it is
// installed again or another one is activated.
func (e *Engine) RemovePlugin(ctx context.Context, plugin string) error {
	if err := e.AwaitReady(ctx); err != nil {
		return err
	}
	s := e.core.space
	rec, err := s.onePlugin(plugin)
	if err != nil {
		return e.core.explain(plugin, err)
	}
	if users := s.users(rec); len(users) > 0 {
		return fmt.Errorf("%w (by %s)", ErrPluginInUse, strings.Join(users, ", "))
	}
	var dots []waitDot
	for _, key := range s.keysOf(rec) {
		dot, events, err := e.core.deleteCatalogue(key, e.core.stamp())
		e.core.report(events...)
		if err != nil {
			return err
		}
		if !dot.Actor.IsZero() {
			dots = append(dots, waitDot{p: s.catalogue, dot: dot})
		}
	}
	return e.awaitRecord(ctx, dots...)
}

// onePlugin finds the one module that a reference names.
func (s *space) onePlugin(ref string) (pluginRecord, error) {
	if len(s.namedBy(ref)) > 1 {
		return pluginRecord{}, fmt.Errorf("%w (asked for %.80q)", ErrAmbiguous, ref)
	}
	return s.findPlugin(ref)
}

// users are the tables that a module judges, or whose shadow it is. Where it is disabled it judges nothing.
func (s *space) users(r pluginRecord) []string {
	var out []string
	for _, t := range s.sortedTables() {
		h, judged := s.handler(t)
		w, shadowed := s.shadow(t)
		if judged && !h.Disabled && h.runs(r) || shadowed && w.runs(r) {
			out = append(out, t.name)
		}
	}
	return out
}

// keysOf are the records of the catalogue that are the module's alone.
func (s *space) keysOf(r pluginRecord) []string {
	keys := []string{r.key()}
	others := func(other pluginRecord) bool { return other.SHA256 == r.SHA256 && other.Name != r.Name }
	if slices.ContainsFunc(s.plugins(), others) {
		return keys
	}
	s.catalogue.mu.RLock()
	defer s.catalogue.mu.RUnlock()
	for key := range s.catalogue.rep.Prefix(keyModule + r.SHA256 + "/") {
		keys = append(keys, key)
	}
	return keys
}
