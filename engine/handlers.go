package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kvnode/kvnode/engine/replica"
)

// InstallPlugin checks a module and replicates its bytes, in chunks, to all nodes, also to those that join later. Installing the same bytes under the
// same name again changes nothing, but brings bytes back that were lost with the node that first had them. The first module under a table's handler name is in force at once, later ones after Activate. The error wraps
// ErrBadModule when the module cannot be a handler.
func (e *Engine) InstallPlugin(ctx context.Context, name string, module []byte, l Limits) (PluginInfo, error) {
	switch {
	case !validName(name):
		return PluginInfo{}, ErrBadPluginName
	case len(module) > MaxModuleBytes:
		return PluginInfo{}, fmt.Errorf("%w (this one has %d bytes)", ErrModuleTooLarge, len(module))
	}
	if err := e.AwaitReady(ctx); err != nil {
		return PluginInfo{}, err
	}
	if err := e.core.judges.resolver.Check(ctx, module, l); err != nil {
		return PluginInfo{}, err
	}
	sum := sha256.Sum256(module)
	rec := pluginRecord{
		Name: name, SHA256: hex.EncodeToString(sum[:]), Size: len(module), Chunks: (len(module) + moduleChunk - 1) / moduleChunk,
		Time: uint64(e.core.cfg.Now().UnixMilli()), Limits: l, Rewriter: e.core.judges.rewriter(),
	}
	if held, ok := e.core.space.plugin(rec.key()); ok && e.core.space.pluginInfo(held).Here {
		return e.core.space.pluginInfo(held), nil
	}
	chunks, err := e.core.storeModule(rec, module)
	if err != nil {
		return PluginInfo{}, err
	}
	if err := e.record(ctx, rec.key(), rec, chunks...); err != nil {
		return PluginInfo{}, err
	}
	return e.core.space.pluginInfo(rec), nil
}

func (r pluginRecord) key() string { return keyPlugin + r.Name + "/" + r.SHA256 }

func chunkKey(sha string, i int) string { return fmt.Sprintf("%s%s/%05d", keyModule, sha, i) }

// storeModule writes the module's chunks into the catalogue, before the record that names it.
func (c *Core) storeModule(r pluginRecord, module []byte) ([]waitDot, error) {
	var dots []waitDot
	for chunk := range slices.Chunk(slices.Clone(module), moduleChunk) {
		dot, _, err := c.putCatalogue(chunkKey(r.SHA256, len(dots)), chunk, c.stamp())
		if err != nil {
			return nil, fmt.Errorf("store module: %w", err)
		}
		dots = append(dots, waitDot{p: c.space.catalogue, dot: dot})
	}
	return dots, nil
}

// module puts a module together from its chunks and checks it against its hash.
func (s *space) module(sha string) ([]byte, error) {
	var out []byte
	s.catalogue.mu.RLock()
	for key, versions := range s.catalogue.rep.Prefix(keyModule + sha + "/") {
		if key != chunkKey(sha, len(out)/moduleChunk) || len(versions) == 0 {
			break
		}
		out = append(out, versions[0].Value...)
	}
	s.catalogue.mu.RUnlock()
	if sum := sha256.Sum256(out); hex.EncodeToString(sum[:]) != sha {
		return nil, errModuleMissing
	}
	return out, nil
}

// Plugins lists the installed modules, earliest first.
func (e *Engine) Plugins(ctx context.Context) ([]PluginInfo, error) {
	if err := e.AwaitReady(ctx); err != nil {
		return nil, err
	}
	out := []PluginInfo{}
	for _, r := range e.core.space.plugins() {
		out = append(out, e.core.space.pluginInfo(r))
	}
	return out, nil
}

func (s *space) plugin(key string) (pluginRecord, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.facts.plugins[key]
	return r, ok
}

func (s *space) plugins() []pluginRecord {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.facts.sortedPlugins()
}

func (s *space) pluginInfo(r pluginRecord) PluginInfo {
	_, err := s.module(r.SHA256)
	out := PluginInfo{
		Name: r.Name, SHA256: r.SHA256, Size: r.Size, Installed: time.UnixMilli(int64(r.Time)).UTC(), Here: err == nil, Tables: []string{},
	}
	for _, t := range s.sortedTables() {
		h, ok := s.handler(t)
		if ok && !h.Disabled && h.SHA256 == r.SHA256 && h.Plugin == r.Name {
			out.Tables = append(out.Tables, t.name)
		}
	}
	return out
}

// minHashPrefix is the shortest beginning of a SHA-256 that names a module.
const minHashPrefix = 4

// findPlugin finds a module by name (the newest of that name), by SHA-256, or by an unambiguous beginning of it.
func (s *space) findPlugin(ref string) (pluginRecord, error) {
	var found pluginRecord
	all := s.plugins()
	for _, r := range all {
		if r.Name == ref {
			found = r
		}
	}
	if found.Name != "" {
		return found, nil
	}
	for _, r := range all {
		if len(ref) < minHashPrefix || !strings.HasPrefix(r.SHA256, strings.ToLower(ref)) {
			continue
		}
		if found.Name != "" && found.SHA256 != r.SHA256 {
			return pluginRecord{}, fmt.Errorf("%w %q: several modules begin like this, give more of the SHA-256", ErrNoPlugin, ref)
		}
		found = r
	}
	if found.Name == "" {
		return found, fmt.Errorf("%w (asked for %.80q)", ErrNoPlugin, ref)
	}
	return found, nil
}

// Activate makes a module the judge of a table's conflicts, everywhere: what readers see of conflicts is computed anew, and quarantines of the old
// record end. The plugin is a name (its newest module), a SHA-256, or an unambiguous beginning of one.
func (e *Engine) Activate(ctx context.Context, table, plugin string) (Handler, error) {
	if err := e.AwaitReady(ctx); err != nil {
		return Handler{}, err
	}
	t, err := e.core.space.table(table)
	if err != nil {
		return Handler{}, err
	}
	p, err := e.core.space.findPlugin(plugin)
	if err != nil {
		return Handler{}, err
	}
	rec := handlerRecord{
		TableEpoch: t.epoch, Plugin: p.Name, SHA256: p.SHA256, Time: uint64(e.core.cfg.Now().UnixMilli()), Limits: p.Limits, Rewriter: p.Rewriter,
	}
	err = e.decide(ctx, keyHandler+table, func(held []replica.Version) ([]byte, error) {
		before, _ := handlerOf(e.core.codec, held, t.epoch)
		rec.Epoch = before.Epoch + 1
		return e.core.codec.record(rec), nil
	})
	if err != nil {
		return Handler{}, err
	}
	e.core.report(Event{Kind: EventHandlerActive, Table: table})
	if err := e.prepareHandlers(ctx); err != nil {
		return rec.public(), errors.Join(errors.New("activated, but this node cannot run it now"), err)
	}
	return rec.public(), nil
}
