package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PluginInfo describes one installed module.
type PluginInfo struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	// Number counts the modules of this name in the order in which they were installed. It is for people: two sides of a split may give it twice.
	Number    int       `json:"number"`
	Size      int       `json:"size"`
	Installed time.Time `json:"installed"`
	Limits    Limits    `json:"limits"`
	Rewriter  int       `json:"rewriter"`
	// Builtin says that it is the handler that this node brings along under the name.
	Builtin bool `json:"builtin,omitempty"`
	// Here says whether all its bytes have arrived at this node.
	Here bool `json:"here"`
	// Tables are those whose conflicts it judges now.
	Tables []string `json:"tables"`
	// Shadows are those in which it runs beside the handler in force, without effect.
	Shadows []string `json:"shadows,omitempty"`
	// Checked counts what the module's check report says; nil without a report.
	Checked *CheckSummary `json:"checked,omitempty"`
	// Check is the whole report, Imports are the functions of the host that the module uses, Runs counts what came of it at this node. Only Plugin fills
	// them.
	Check   json.RawMessage `json:"check,omitempty"`
	Imports []string        `json:"imports,omitempty"`
	Runs    *RunStats       `json:"runs,omitempty"`
}

// InstallOption changes one installation.
type InstallOption func(*InstallOptions)

// InstallOptions is what the options of an installation come to.
type InstallOptions struct {
	Check json.RawMessage
}

// WithCheck lets a check report come along with the module; see ReadCheck. An empty one is none.
func WithCheck(report []byte) InstallOption {
	return func(o *InstallOptions) { o.Check = report }
}

// GatherInstallOptions applies options in order.
func GatherInstallOptions(opts ...InstallOption) InstallOptions {
	var o InstallOptions
	for _, f := range opts {
		f(&o)
	}
	return o
}

// InstallPlugin checks a module and replicates its bytes, in chunks, to all nodes, also to those that join later. Installing the same bytes under the same
// name again changes nothing, but brings bytes back that were lost with the node that first had them, and replaces the check report and the limits where
// they are given, all limits together: ResetStrict alone is all defaults. New limits are in force at once, in all tables that the module judges and whose shadow it is: their conflicts are judged anew.
// The first module under a table's handler name is in force at once, later ones after Activate. Where a table uses the module, this node has compiled it
// when the call returns. Errors: ErrBadPluginName, ErrBuiltinName, ErrBadModule, ErrBadLimits, ErrBadCheck, ErrNotReady.
func (e *Engine) InstallPlugin(ctx context.Context, name string, module []byte, l Limits, opts ...InstallOption) (PluginInfo, error) {
	switch {
	case !validName(name):
		return PluginInfo{}, ErrBadPluginName
	case len(module) > MaxModuleBytes:
		return PluginInfo{}, fmt.Errorf("%w (this one has %d bytes)", ErrModuleTooLarge, len(module))
	case e.core.isTaken(name, module):
		return PluginInfo{}, fmt.Errorf("%w (asked for %q)", ErrBuiltinName, name)
	}
	isLimited := l != Limits{}
	if l.Reset == ResetStrict {
		l.Reset = "" // equal limits are equal records
	}
	rec := e.core.newPlugin(name, module, l, isLimited)
	if rec.Check = GatherInstallOptions(opts...).Check; len(rec.Check) > 0 {
		if _, err := ReadCheck(rec.Check, rec.SHA256); err != nil {
			return PluginInfo{}, err
		}
	}
	if err := e.AwaitReady(ctx); err != nil {
		return PluginInfo{}, err
	}
	info, err := e.core.judges.resolver.Check(ctx, module, l)
	if err != nil {
		return PluginInfo{}, err
	}
	rec.Imports = boundedImports(info.Imports)
	return e.install(ctx, rec, module)
}

// install writes what there is not yet of a module that was checked.
func (e *Engine) install(ctx context.Context, rec pluginRecord, module []byte) (PluginInfo, error) {
	s := e.core.space
	held, known := s.plugin(rec.key())
	if rec.Number = held.Number; !known {
		rec.Number = s.nextNumber(rec.Name)
	}
	var dots []waitDot
	missing := !known || !s.hasModule(rec.SHA256)
	if missing {
		var err error
		if dots, err = e.core.storeModule(rec, module); err != nil {
			return PluginInfo{}, err
		}
	}
	rec, written, err := e.core.writePlugin(rec, missing) // with bytes also as it was: a removal elsewhere has not seen them
	if err != nil {
		return PluginInfo{}, err
	}
	if dots = append(dots, written...); len(dots) > 0 {
		err = e.awaitRecord(ctx, dots...)
	}
	return e.installed(ctx, rec, err)
}

// renewed is the record of a module that is installed again: with the report, and the limits, that come with that if any do, and the metering of this node.
func (r pluginRecord) renewed(again pluginRecord) (_ pluginRecord, changed bool) {
	before := r
	if len(again.Check) > 0 {
		r.Check = again.Check
	}
	if again.Given > 0 && again.Limits != r.Limits {
		r.Limits, r.Given = again.Limits, max(again.Given, r.Given+1)
	}
	r.Rewriter = again.Rewriter
	return r, r.Limits != before.Limits || r.Rewriter != before.Rewriter || !bytes.Equal(r.Check, before.Check)
}

// newPlugin is the record of a module; isLimited says that its limits were given.
func (c *Core) newPlugin(name string, module []byte, l Limits, isLimited bool) pluginRecord {
	rec := pluginRecord{
		Name: name, SHA256: hashOf(module), Size: len(module), Chunks: (len(module) + moduleChunk - 1) / moduleChunk,
		Time: c.unixMilli(), Limits: l, Rewriter: c.judges.rewriter(),
	}
	if isLimited {
		rec.Given = rec.Time
	}
	return rec
}

// hashOf names a module by its bytes: their SHA-256, in hex.
func hashOf(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}

// maxImports bounds the imports that are shown of a module: a module may import one function many times.
const maxImports = 64

func boundedImports(imports []string) []string {
	out := slices.Compact(slices.Sorted(slices.Values(imports)))
	return out[:min(len(out), maxImports)]
}

// nextNumber is the number of the next module of a name.
func (s *space) nextNumber(name string) int {
	next := 1
	for _, p := range s.plugins() {
		if p.Name == name {
			next = max(next, p.Number+1)
		}
	}
	return next
}

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
	if hashOf(out) != sha {
		return nil, errModuleMissing
	}
	return out, nil
}

// hasModule says whether all bytes of a module are here. They are put together once for each change of them.
func (s *space) hasModule(sha string) bool {
	s.mu.RLock()
	complete, known := s.facts.complete[sha]
	version := s.facts.modules
	s.mu.RUnlock()
	if known {
		return complete
	}
	_, err := s.module(sha)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.facts.modules == version { // else what was put together may be out of date by now
		s.facts.complete[sha] = err == nil
	}
	return err == nil
}

// Plugins lists the installed modules: those of one name in the order of their installation, the earliest names first.
func (e *Engine) Plugins(ctx context.Context) ([]PluginInfo, error) {
	if err := e.AwaitReady(ctx); err != nil {
		return nil, err
	}
	out := []PluginInfo{}
	for _, r := range e.core.space.plugins() {
		out = append(out, e.core.pluginInfo(r))
	}
	return out, nil
}

// Plugin describes in full all modules of a name, earliest first, or the one that NAME@NUMBER, NAME@SHA-256, a SHA-256, or an unambiguous beginning of
// one names. ErrNoPlugin when there is none.
func (e *Engine) Plugin(ctx context.Context, plugin string) ([]PluginInfo, error) {
	if err := e.AwaitReady(ctx); err != nil {
		return nil, err
	}
	s := e.core.space
	records := slices.DeleteFunc(s.plugins(), func(r pluginRecord) bool { return r.Name != plugin })
	if len(records) == 0 {
		found, err := s.findPlugin(plugin)
		if err != nil {
			return nil, e.core.explain(plugin, err)
		}
		records = append(records, found)
	}
	out := make([]PluginInfo, len(records))
	for i, r := range records {
		out[i] = e.core.pluginInfo(r)
		ran := s.runs.of(r.SHA256)
		out[i].Check, out[i].Imports, out[i].Runs = r.Check, r.Imports, &ran
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

func (c *Core) pluginInfo(r pluginRecord) PluginInfo {
	s := c.space
	out := PluginInfo{
		Name: r.Name, SHA256: r.SHA256, Number: r.Number, Size: r.Size, Installed: time.UnixMilli(int64(r.Time)).UTC(), Limits: r.Limits,
		Rewriter: r.Rewriter, Here: s.hasModule(r.SHA256), Tables: []string{}, Builtin: c.isBuiltin(r),
	}
	if checked, err := ReadCheck(r.Check, r.SHA256); err == nil {
		defaults := c.judges.resolver.Defaults()
		checked.OtherLimits = checked.limits != nil && checked.limits.filled(defaults) != r.Limits.filled(defaults)
		out.Checked = &checked
	}
	for _, t := range s.sortedTables() {
		h, ok := s.handler(t)
		if ok && !h.Disabled && h.SHA256 == r.SHA256 && h.Plugin == r.Name {
			out.Tables = append(out.Tables, t.name)
		}
		if w, ok := s.shadow(t); ok && w.SHA256 == r.SHA256 && w.Plugin == r.Name {
			out.Shadows = append(out.Shadows, t.name)
		}
	}
	return out
}

// minHashPrefix is the shortest beginning of a SHA-256 that names a module.
const minHashPrefix = 4

// findPlugin finds a module by name (the newest of that name), by NAME@NUMBER, or by SHA-256 or an unambiguous beginning of it, with NAME@ before it or
// not.
func (s *space) findPlugin(ref string) (pluginRecord, error) {
	found := s.namedBy(ref)
	switch {
	case len(found) == 0:
		return pluginRecord{}, fmt.Errorf("%w (asked for %.80q)", ErrNoPlugin, ref)
	case found[0].Name != ref && slices.ContainsFunc(found, func(r pluginRecord) bool { return r.SHA256 != found[0].SHA256 }):
		return pluginRecord{}, fmt.Errorf("%w (asked for %.80q)", ErrAmbiguous, ref)
	}
	return found[len(found)-1], nil
}

// namedBy lists the modules that a reference stands for, in the order of their installation: those of a name, or those that the rest of it means.
func (s *space) namedBy(ref string) []pluginRecord {
	all := s.plugins()
	if slices.ContainsFunc(all, func(r pluginRecord) bool { return r.Name == ref }) {
		return slices.DeleteFunc(all, func(r pluginRecord) bool { return r.Name != ref })
	}
	name, version, named := strings.Cut(ref, "@")
	if !named {
		version = ref
	}
	return slices.DeleteFunc(all, func(r pluginRecord) bool { return named && r.Name != name || !r.is(version, named) })
}

// is says whether a number, or a beginning of a SHA-256, names the module. Numbers count only behind a name.
func (r pluginRecord) is(version string, named bool) bool {
	if named && version == strconv.Itoa(r.Number) {
		return true
	}
	return len(version) >= minHashPrefix && strings.HasPrefix(r.SHA256, strings.ToLower(version))
}
