package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// moduleChunk is the size of the pieces in which a module's bytes travel through the catalogue.
const moduleChunk = 128 << 10

var (
	errModuleMissing = errors.New("the module's bytes are not all here: if they do not arrive, install it again or activate another one")
	errBaseMissing   = errors.New("what these versions have overwritten is being fetched from another member")
	errRewriter      = errors.New("this node's metering is of another version than the handler record asks for")
)

// judges keeps the loaded modules. Safe for concurrent use; loading happens with no lock held that others need.
type judges struct {
	space    *space
	resolver Resolver
	now      func() time.Time
	report   func(...Event)

	mu     sync.Mutex
	loaded map[moduleID]*loadedModule
	// doubted are the modules, by SHA-256, that were reported not to be pure.
	doubted map[string]struct{}
	closed  bool
}

// moduleID is what a compiled module depends on.
type moduleID struct {
	sha256 string
	limits Limits
}

func (r handlerRecord) module() moduleID { return moduleID{sha256: r.SHA256, limits: r.Limits} }

// loadedModule is loaded once; done is closed when judge and err are set.
type loadedModule struct {
	done  chan struct{}
	told  bool // watchers were told that it is loaded; guarded by judges.mu
	judge Judge
	err   error
}

func newJudges(s *space, r Resolver, now func() time.Time, report func(...Event)) *judges {
	return &judges{space: s, resolver: r, now: now, report: report, loaded: map[moduleID]*loadedModule{}, doubted: map[string]struct{}{}}
}

func (j *judges) rewriter() int { return j.resolver.Rewriter() }

// run judges one job: the view, or an error that is a *Trap or says why this host cannot run the handler now.
func (j *judges) run(ctx context.Context, job Job) (view, error) {
	if job.handler.Rewriter != j.rewriter() {
		return view{}, errRewriter
	}
	if job.awaitsBase() {
		return view{}, errBaseMissing
	}
	judge, err := j.load(ctx, job.handler)
	if err != nil {
		return view{}, err
	}
	for {
		trusted := doubtOf(judge) == nil
		v, err := j.judge(ctx, judge, job)
		doubt := doubtOf(judge)
		if doubt == nil || !trusted {
			return v, err
		}
		j.distrust(job, doubt)
	}
}

// judge runs the job once, and says with an error too how long that took.
func (j *judges) judge(ctx context.Context, judge Judge, job Job) (view, error) {
	begin := j.now()
	v, err := judge.Judge(ctx, job.key, job.versions, job.given())
	took := j.now().Sub(begin)
	if trap, ok := asTrap(err); ok {
		return view{took: took}, &Trap{Reason: validText(trap.Reason), Fuel: trap.Fuel}
	}
	if err != nil {
		return view{took: took}, fmt.Errorf("judge: %w", err)
	}
	v.Reason = validText(v.Reason)
	w := viewOf(job.versions, v)
	w.took = took
	if !job.isShadow {
		job.cache(w)
	}
	return w, nil
}

// doubtOf says why a judge cannot be trusted, nil when it can.
func doubtOf(judge Judge) error {
	if d, ok := judge.(Doubter); ok {
		return d.Doubt()
	}
	return nil
}

// distrust has the views of a module computed anew that may depend on earlier calls, and reports it once.
func (j *judges) distrust(job Job, doubt error) {
	sha := job.handler.SHA256
	for _, t := range j.space.sortedTables() {
		if rec, ok := j.space.handler(t); ok && rec.SHA256 == sha {
			t.views.clear()
			t.hub.notify(t.conflicts()...)
		}
	}
	if j.doubtsFirst(sha) {
		j.report(Event{Kind: EventImpure, Table: job.t.name, Key: job.key, Err: doubt, Attrs: []slog.Attr{slog.String("plugin", job.handler.Plugin)}})
	}
}

// doubtsFirst notes that a module is not pure, whatever its limits, and says whether that is news.
func (j *judges) doubtsFirst(sha256 string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, known := j.doubted[sha256]
	j.doubted[sha256] = struct{}{}
	return !known
}

// validText makes a text of what a handler gives as a reason: frames and records with other bytes would be refused.
func validText(s string) string { return strings.ToValidUTF8(s, "?") }

// cached returns what was judged before. It goes with the bytes of the module: whether a handler can run is the same everywhere, whoever has loaded it.
func (j *judges) cached(job Job) (view, bool) {
	if !j.space.hasModule(job.handler.SHA256) {
		return view{}, false
	}
	return job.cached()
}

// load returns the module of a handler record, compiled, as long as its bytes are here. Of concurrent callers one compiles and the others wait.
func (j *judges) load(ctx context.Context, r handlerRecord) (Judge, error) {
	for {
		version := j.space.modulesVersion()
		if !j.space.hasModule(r.SHA256) {
			return nil, errModuleMissing
		}
		m, first, err := j.enter(r.module())
		if err != nil {
			return nil, err
		}
		if first {
			m.judge, m.err = j.compile(ctx, r)
			close(m.done)
		}
		select {
		case <-m.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the module: %w", ctx.Err())
		}
		if j.space.modulesVersion() == version {
			return m.judge, m.err
		}
	}
}

// enter joins the latest attempt to load a module. The first to come, also after one whose bytes went meanwhile, makes it.
func (j *judges) enter(id moduleID) (m *loadedModule, first bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, false, ErrClosed
	}
	if m, ok := j.loaded[id]; ok && (!m.failed() || !errors.Is(m.err, errModuleMissing)) {
		return m, false, nil
	}
	m = &loadedModule{done: make(chan struct{})}
	j.loaded[id] = m
	return m, true, nil
}

func (j *judges) compile(ctx context.Context, r handlerRecord) (Judge, error) {
	module, err := j.space.module(r.SHA256)
	if err != nil {
		return nil, err
	}
	judge, err := j.resolver.Load(context.WithoutCancel(ctx), module, r.Limits)
	if err != nil {
		return nil, fmt.Errorf("load module %.12s: %w", r.SHA256, err)
	}
	return judge, nil
}

// prepare loads the modules in force, also those that could not be loaded before, and closes the others. It returns those that have been loaded,
// by whomever, since it was last called, and those whose bytes have gone.
func (j *judges) prepare(ctx context.Context) (changed []moduleID, err error) {
	j.forgetFailures()
	inForce := j.space.handlersInForce()
	changed = j.gone()
	errs := []error{j.closeOthers(inForce, changed)}
	for _, r := range inForce {
		if r.Disabled || r.Rewriter != j.rewriter() {
			continue
		}
		switch _, err := j.load(ctx, r); {
		case err == nil && j.isNews(r.module()):
			changed = append(changed, r.module())
		case err != nil && !errors.Is(err, errModuleMissing) && !errors.Is(err, ErrClosed):
			errs = append(errs, err)
		}
	}
	return changed, errors.Join(errs...)
}

// isNews reports whether a module is loaded and this has not been asked before.
func (j *judges) isNews(id moduleID) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	m, ok := j.loaded[id]
	if !ok || m.told {
		return false
	}
	m.told = true
	return true
}

// forgetFailures lets the next caller try again.
func (j *judges) forgetFailures() {
	j.mu.Lock()
	defer j.mu.Unlock()
	maps.DeleteFunc(j.loaded, func(_ moduleID, m *loadedModule) bool { return m.failed() })
}

// maxIdleModules is how many modules that are not in force stay loaded, for a quick way back.
const maxIdleModules = 4

// gone lists the loaded modules whose bytes are not here any more.
func (j *judges) gone() []moduleID {
	j.mu.Lock()
	loaded := slices.Collect(maps.Keys(j.loaded))
	j.mu.Unlock()
	return slices.DeleteFunc(loaded, func(id moduleID) bool { return j.space.hasModule(id.sha256) })
}

// closeOthers closes modules that are gone, and those that no record in force uses, beyond a few.
func (j *judges) closeOthers(inForce []handlerRecord, gone []moduleID) error {
	j.mu.Lock()
	var idle []Judge
	kept := 0
	for id, m := range j.loaded {
		isGone := slices.Contains(gone, id)
		used := !isGone && slices.ContainsFunc(inForce, func(r handlerRecord) bool { return r.module() == id })
		if used || !m.finished() {
			continue
		}
		if kept++; kept > maxIdleModules || isGone {
			delete(j.loaded, id)
			idle = append(idle, m.judge)
		}
	}
	j.mu.Unlock()
	return closeAll(idle)
}

func (m *loadedModule) finished() bool {
	select {
	case <-m.done:
		return m.err == nil
	default:
		return false
	}
}

func (m *loadedModule) failed() bool {
	select {
	case <-m.done:
		return m.err != nil
	default:
		return false
	}
}

// close closes all modules; later runs answer ErrClosed.
func (j *judges) close() error {
	j.mu.Lock()
	j.closed = true
	loaded := slices.Collect(maps.Values(j.loaded))
	j.loaded = map[moduleID]*loadedModule{}
	j.mu.Unlock()
	var idle []Judge
	for _, m := range loaded {
		<-m.done
		if m.err == nil {
			idle = append(idle, m.judge)
		}
	}
	return closeAll(idle)
}

func closeAll(idle []Judge) error {
	var errs []error
	for _, judge := range idle {
		errs = append(errs, judge.Close())
	}
	return errors.Join(errs...)
}

// handlersInForce lists the handler records of all open tables, those of shadows too.
func (s *space) handlersInForce() []handlerRecord {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []handlerRecord
	for _, name := range slices.Sorted(maps.Keys(s.tables)) {
		if r, ok := s.facts.handler(s.tables[name]); ok && !slices.Contains(out, r) {
			out = append(out, r)
		}
		if r, ok := s.facts.shadow(s.tables[name]); ok && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}
