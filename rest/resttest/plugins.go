package resttest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/kvnode/kvnode/engine"
)

// InstallPlugin implements rest.Store.
func (s *Store) InstallPlugin(ctx context.Context, name string, module []byte, l engine.Limits, opts ...engine.InstallOption) (engine.PluginInfo, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.PluginInfo{}, err
	}
	defer leave()
	if !strings.HasPrefix(string(module), "\x00asm") {
		return engine.PluginInfo{}, fmt.Errorf("%w: it does not begin like WebAssembly", engine.ErrBadModule)
	}
	p := engine.PluginInfo{
		Name: name, SHA256: hash(module), Number: 1 + len(s.named(name)), Size: len(module), Installed: epoch(), Limits: l, Rewriter: 1, Here: true,
		Tables: []string{}, Imports: []string{"kvnode.log"},
	}
	if p.Check = engine.GatherInstallOptions(opts...).Check; len(p.Check) > 0 {
		summary, err := engine.ReadCheck(p.Check, p.SHA256)
		if err != nil {
			return engine.PluginInfo{}, err
		}
		p.Checked = &summary
	}
	s.plugins = append(s.plugins, p)
	return short(p), nil
}

// short leaves out what only Plugin tells.
func short(p engine.PluginInfo) engine.PluginInfo {
	p.Check, p.Imports = nil, nil
	return p
}

// named are the modules of a name.
func (s *Store) named(name string) []engine.PluginInfo {
	return slices.DeleteFunc(slices.Clone(s.plugins), func(p engine.PluginInfo) bool { return p.Name != name })
}

// Plugins implements rest.Store.
func (s *Store) Plugins(ctx context.Context) ([]engine.PluginInfo, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []engine.PluginInfo
	for _, p := range s.plugins {
		out = append(out, short(p))
	}
	return out, nil
}

// Plugin implements rest.Store.
func (s *Store) Plugin(ctx context.Context, plugin string) ([]engine.PluginInfo, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if all := s.named(plugin); len(all) > 0 {
		return all, nil
	}
	i, err := s.find(plugin)
	if err != nil {
		return nil, err
	}
	return s.plugins[i : i+1], nil
}

// find is the place of the module that a reference names.
func (s *Store) find(plugin string) (int, error) {
	for i, p := range slices.Backward(s.plugins) {
		if plugin != "" && (p.Name == plugin || p.Name+"@"+strconv.Itoa(p.Number) == plugin || strings.HasPrefix(p.SHA256, plugin)) {
			return i, nil
		}
	}
	return 0, engine.ErrNoPlugin
}

// pair is a table, and the place of the module that shall judge it.
func (s *Store) pair(name, plugin string) (*table, int, error) {
	t, ok := s.tables[name]
	if !ok {
		return nil, 0, engine.ErrNoTable
	}
	i, err := s.find(plugin)
	return t, i, err
}

// Activate implements rest.Store.
func (s *Store) Activate(ctx context.Context, name, plugin string) (engine.Handler, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.Handler{}, err
	}
	defer leave()
	t, i, err := s.pair(name, plugin)
	if err != nil {
		return engine.Handler{}, err
	}
	if t.info.Active != nil {
		t.info.Earlier = append(t.info.Earlier, *t.info.Active)
	}
	p := s.plugins[i]
	s.enforce(t, engine.Handler{Plugin: p.Name, SHA256: p.SHA256, Number: p.Number, Time: epoch()})
	return *t.info.Active, nil
}

// enforce puts a handler in force.
func (s *Store) enforce(t *table, record engine.Handler) {
	s.seq++
	record.Epoch = s.seq
	t.info.Active = &record
	for i := range s.plugins {
		p := &s.plugins[i]
		p.Tables = slices.DeleteFunc(slices.Clone(p.Tables), func(table string) bool { return table == t.info.Name })
		if p.Name == record.Plugin && p.SHA256 == record.SHA256 && !record.Disabled {
			p.Tables = append(p.Tables, t.info.Name)
		}
	}
}

// Rollback implements rest.Store.
func (s *Store) Rollback(ctx context.Context, name string) (engine.Handler, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.Handler{}, err
	}
	defer leave()
	t, ok := s.tables[name]
	if !ok {
		return engine.Handler{}, engine.ErrNoTable
	}
	last := len(t.info.Earlier) - 1
	if last < 0 {
		return engine.Handler{}, engine.ErrNoEarlier
	}
	before := t.info.Earlier[last]
	t.info.Earlier = slices.Clone(t.info.Earlier[:last])
	s.enforce(t, before)
	return *t.info.Active, nil
}

// Disable implements rest.Store.
func (s *Store) Disable(ctx context.Context, name string) (engine.Handler, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.Handler{}, err
	}
	defer leave()
	t, ok := s.tables[name]
	switch {
	case !ok:
		return engine.Handler{}, engine.ErrNoTable
	case t.info.Active == nil:
		return engine.Handler{}, engine.ErrNoHandler
	}
	record := *t.info.Active
	record.Disabled, record.Reason = true, "disabled"
	s.enforce(t, record)
	return record, nil
}

// ActivateShadow implements rest.Store.
func (s *Store) ActivateShadow(ctx context.Context, name, plugin string) (engine.Handler, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.Handler{}, err
	}
	defer leave()
	t, i, err := s.pair(name, plugin)
	if err != nil {
		return engine.Handler{}, err
	}
	p := &s.plugins[i]
	t.info.Shadow = &engine.Handler{Plugin: p.Name, SHA256: p.SHA256, Number: p.Number, Epoch: 1, Time: epoch()}
	p.Shadows = append(p.Shadows, name)
	return *t.info.Shadow, nil
}

// Shadow implements rest.Store. A shadow finds that each conflict of the journal would end differently.
func (s *Store) Shadow(ctx context.Context, name string) (engine.ShadowReport, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.ShadowReport{}, err
	}
	defer leave()
	return s.shadowOf(name)
}

func (s *Store) shadowOf(name string) (engine.ShadowReport, error) {
	t, ok := s.tables[name]
	switch {
	case !ok:
		return engine.ShadowReport{}, engine.ErrNoTable
	case t.info.Shadow == nil:
		return engine.ShadowReport{}, engine.ErrNoShadow
	}
	r := engine.ShadowReport{Table: name, Handler: *t.info.Shadow}
	for _, c := range s.conflicts {
		r.Compared++
		r.Different++
		r.Differences = append(r.Differences, engine.Difference{
			ID: c.ID, Key: c.Key, Live: engine.Outcome{State: c.State, Verdict: c.Verdict, Reason: c.Reason},
			Shadow: engine.Outcome{State: engine.Resolved, Verdict: "value", Value: []byte("\xffnew")}, Time: epoch(),
		})
	}
	return r, nil
}

// EndShadow implements rest.Store.
func (s *Store) EndShadow(ctx context.Context, name string) (engine.ShadowReport, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.ShadowReport{}, err
	}
	defer leave()
	r, err := s.shadowOf(name)
	if err == nil {
		s.tables[name].info.Shadow = nil
		for i := range s.plugins {
			p := &s.plugins[i]
			p.Shadows = slices.DeleteFunc(slices.Clone(p.Shadows), func(table string) bool { return table == name })
		}
	}
	return r, err
}

// Say makes a handler of the store print a line.
func (s *Store) Say(line engine.LogLine) { s.log.Add(line) }

// HandlerLog implements rest.Store.
func (s *Store) HandlerLog(ctx context.Context, plugin string, follow bool) iter.Seq2[engine.LogLine, error] {
	if plugin == "" {
		return s.log.Lines(ctx, follow, func(engine.LogLine) bool { return true })
	}
	named, err := s.Plugin(ctx, plugin)
	if err != nil {
		return func(yield func(engine.LogLine, error) bool) { yield(engine.LogLine{}, err) }
	}
	return s.log.Lines(ctx, follow, func(line engine.LogLine) bool {
		return slices.ContainsFunc(named, func(p engine.PluginInfo) bool { return p.SHA256 == line.SHA256 })
	})
}

// RemovePlugin implements rest.Store.
func (s *Store) RemovePlugin(ctx context.Context, plugin string) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	i, err := s.find(plugin)
	switch {
	case err != nil:
		return err
	case len(s.plugins[i].Tables)+len(s.plugins[i].Shadows) > 0:
		return engine.ErrPluginInUse
	}
	s.plugins = slices.Delete(s.plugins, i, i+1)
	return nil
}

// Replay implements rest.Store. Every conflict ends as the value "new" now.
func (s *Store) Replay(ctx context.Context, q engine.ReplayQuery) ([]engine.Replayed, error) {
	conflicts, err := s.Conflicts(ctx, engine.OfTable(q.Table), engine.AtMost(q.Limit))
	if q.ID != "" {
		var one engine.Conflict
		one, err = s.Conflict(ctx, q.ID)
		conflicts = []engine.Conflict{one}
	}
	if err != nil {
		return nil, err
	}
	var out []engine.Replayed
	for _, c := range conflicts {
		out = append(out, engine.Replayed{
			ID: c.ID, Table: c.Table, Key: c.Key, Before: c.Outcome(),
			After: engine.Outcome{State: engine.Resolved, Verdict: "value", Value: []byte("new")}, Changed: c.Outcome().Verdict != "", Fuel: 7,
		})
	}
	return out, nil
}
