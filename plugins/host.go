package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/kvnode/kvnode/plugins/meter"
)

// Rewriter is the version of the rules by which modules are rewritten. Nodes agree on what a module does, and on its
// fuel, when module, limits and Rewriter are the same.
const Rewriter = meter.Version

// Config configures a Host. The zero Config is usable.
type Config struct {
	// CacheDir keeps compiled modules between runs of the process, which makes loading one some ten times faster. It is
	// created with mode 0700, and refused when others can write to it: what lies in it is executed. What exceeds 256 MiB when
	// a host begins is removed, the oldest first. Empty: no cache.
	CacheDir string
	// Logger gets what handlers print, and what the host has to say; nil discards both.
	Logger *slog.Logger
	// Listen gets what handlers print too, at most as much as the Logger; it is called from several goroutines, and must not block. Nil discards.
	Listen func(Line)
	// LinesPerSecond is how many lines of one module reach Logger and Listen in a second; the others are counted. Default 20; below zero, all.
	LinesPerSecond int
	// Workers is how many instances of one module run at once; default GOMAXPROCS. Each takes the memory that its module
	// touches. One module is compiled at a time, by one goroutine.
	Workers int
	// Now is the clock of the log's rate limit; default time.Now. Handlers see no clock.
	Now func() time.Time
	// Random draws a number below n, to choose which calls of modules with ResetNone are repeated; it must be safe for
	// concurrent use. Default math/rand/v2.Uint64N.
	Random func(n uint64) uint64
	// Interpret runs modules without compiling them, some 50 times slower, for comparing the two. An interpreter runs out
	// of stack earlier; all else is the same.
	Interpret bool
}

// Host checks and loads modules. It is safe for concurrent use.
type Host struct {
	config Config
	// compiling has an entry while a module is compiled: one at a time, so that many cost no more memory than one does.
	compiling chan struct{}

	// mu guards all below.
	mu      sync.Mutex
	modules map[*Module]struct{}
	closed  bool
	// impure are the modules, by SHA-256, that are reset strictly whatever their limits say.
	impure map[string]*ImpureError
}

// Info is what is known about a module.
type Info struct {
	// SHA256 identifies the module, in hex; Size is its length in bytes.
	SHA256 string
	Size   int
	// Imports are the host functions that it uses, as "module.name", in the module's order.
	Imports []string
	// MemoryBytes is the memory of an instance after initialisation, InitFuel what that took.
	MemoryBytes, InitFuel uint64
	// SingleUse says that the module changes its tables or drops segments: each call gets a new instance, which is slow.
	SingleUse bool
}

// NewHost returns a host. It returns ErrConfig for a negative number of workers, and ErrCacheDir, saying why, for a
// cache directory that cannot be used.
func NewHost(c Config) (*Host, error) {
	if c.Workers < 0 {
		return nil, fmt.Errorf("%w: Workers is %d, want at least 0", ErrConfig, c.Workers)
	}
	orElse(&c.LinesPerSecond, defaultLines)
	orElse(&c.Workers, runtime.GOMAXPROCS(0))
	orElse(&c.Logger, slog.New(slog.DiscardHandler))
	if c.Listen == nil {
		c.Listen = func(Line) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Uint64N
	}
	if c.CacheDir != "" {
		if err := prepareCacheDir(c.CacheDir); err != nil {
			return nil, err
		}
	}
	return &Host{config: c, compiling: make(chan struct{}, 1), modules: make(map[*Module]struct{}), impure: make(map[string]*ImpureError)}, nil
}

// prepareCacheDir creates the directory, and refuses one that others could put code into.
func prepareCacheDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrCacheDir, err)
	}
	stat, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCacheDir, err)
	}
	if mode := stat.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("%w: %s has mode %#o and holds executable code: chmod 700 it", ErrCacheDir, dir, mode)
	}
	probe, err := os.CreateTemp(dir, "probe-")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCacheDir, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()), trimCache(dir))
}

// Load checks, rewrites and compiles a module, and initialises one instance of it. ctx bounds the wait for other
// compilations; that of a module of 2 MB takes about a second, and none more than some ten. It returns an ErrModule that
// says what to change, ErrConfig for the limits, ErrClosed, or ErrHost when this node cannot load it now. The module's
// bytes are not kept.
func (h *Host) Load(ctx context.Context, module []byte, l Limits) (*Module, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	l = l.withDefaults()
	var prepared *meter.Result
	err := guard("the rewriter", func() (err error) {
		prepared, err = prepare(module, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	m := &Module{
		limits: l, globals: prepared.Globals, singleUse: prepared.Unrestorable, pool: newPool(h.config.Workers),
		throttle: &throttle{logger: h.config.Logger, now: h.config.Now, most: h.config.LinesPerSecond}, info: infoOf(module, prepared),
	}
	m.throttle.logger = h.config.Logger.With("module", m.info.SHA256[:12])
	m.throttle.listen = func(level slog.Level, text string) {
		h.config.Listen(Line{SHA256: m.info.SHA256, Level: level, Text: text})
	}
	if err := h.adopt(m); err != nil {
		return nil, err
	}
	if err := h.build(ctx, m, prepared); err != nil {
		return nil, errors.Join(err, m.Close(ctx))
	}
	return m, nil
}

// infoOf is what is known before an instance exists.
func infoOf(module []byte, prepared *meter.Result) Info {
	sum := sha256.Sum256(module)
	info := Info{SHA256: hex.EncodeToString(sum[:]), Size: len(module), SingleUse: prepared.Unrestorable}
	for _, i := range prepared.Imports {
		info.Imports = append(info.Imports, i.Module+"."+i.Name)
	}
	return info
}

// adopt makes the host responsible for closing m.
func (h *Host) adopt(m *Module) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	h.modules[m] = struct{}{}
	m.forget = func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.modules, m)
	}
	if m.limits.Reset == ResetNone {
		h.reuseLocked(m)
	}
	return nil
}

// reuseLocked lets m's instances be used again as calls leave them, unless it is known to depend on that.
func (h *Host) reuseLocked(m *Module) {
	if d, ok := h.impure[m.info.SHA256]; ok {
		m.doubt.Store(d)
		return
	}
	m.reused = &reused{pool: newPool(h.config.Workers), random: h.config.Random, distrust: func(d *ImpureError) { h.distrust(m.info.SHA256, d) }}
}

// distrust has all that is loaded of a module reset from now on. The first finding stays.
func (h *Host) distrust(sha256 string, d *ImpureError) {
	h.mu.Lock()
	var same []*Module
	if _, known := h.impure[sha256]; !known {
		h.impure[sha256] = d
		for m := range h.modules {
			if m.info.SHA256 == sha256 && m.reused != nil {
				m.doubt.Store(d)
				same = append(same, m)
			}
		}
	}
	h.mu.Unlock()
	for _, m := range same {
		m.dropReused()
	}
}

// build compiles m and makes its first instance.
func (h *Host) build(ctx context.Context, m *Module, prepared *meter.Result) error {
	if err := h.compileInTurn(ctx, m, prepared.Module); err != nil {
		return err
	}
	if err := instantiateImports(ctx, m.runtime, prepared.Imports); err != nil {
		return fmt.Errorf("%w: instantiate imports: %w", ErrHost, err)
	}
	return m.first()
}

// compileInTurn compiles when no other module is being compiled, and in this goroutine alone: the other processors serve, and
// a panic of the compiler can be recovered from.
func (h *Host) compileInTurn(ctx context.Context, m *Module, code []byte) error {
	select {
	case h.compiling <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: wait to compile: %w", ErrHost, ctx.Err())
	}
	defer func() { <-h.compiling }()
	if ctx.Err() != nil {
		return fmt.Errorf("%w: compile: %w", ErrHost, ctx.Err())
	}
	return guard("the compiler", func() error {
		return h.compile(experimental.WithCompilationWorkers(ctx, 1), m, code)
	})
}

// guard makes a panic over a module an error about it.
func guard(who string, work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s gives up: %v", ErrMalformed, who, p)
		}
	}()
	return work()
}

// compile fills m's runtime. A cache that fails is done without: it must not decide what runs.
func (h *Host) compile(ctx context.Context, m *Module, code []byte) error {
	cached := h.config.CacheDir != ""
	err := h.compileWith(ctx, m, code, cached)
	if err != nil && cached && ctx.Err() == nil {
		if again := errors.Join(m.closeRuntime(ctx), h.compileWith(ctx, m, code, false)); again == nil {
			h.config.Logger.Warn("compilation cache not usable", "directory", h.config.CacheDir, "error", err)
			return nil
		}
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: compile: %w", ErrHost, ctx.Err())
	default:
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
}

// compileWith compiles with or without the cache. Each module has a runtime and a cache of its own: closing one of two
// that share them would take the other's code away.
func (h *Host) compileWith(ctx context.Context, m *Module, code []byte, cached bool) error {
	c := wazero.NewRuntimeConfig()
	if h.config.Interpret {
		c = wazero.NewRuntimeConfigInterpreter()
	}
	// The memory itself keeps its limit, see linear: so it knows when it was asked for more.
	c = c.WithCoreFeatures(api.CoreFeaturesV2 &^ api.CoreFeatureSIMD).WithDebugInfoEnabled(false)
	if cached {
		cache, err := wazero.NewCompilationCacheWithDir(h.config.CacheDir)
		if err != nil {
			return err
		}
		m.cache = cache
		c = c.WithCompilationCache(cache)
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, c)
	var err error
	m.compiled, err = m.runtime.CompileModule(ctx, code)
	return err
}

// Close closes every module, waiting for the calls that run. Later loads return ErrClosed. Closing again does nothing.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	modules := make([]*Module, 0, len(h.modules))
	for m := range h.modules {
		modules = append(modules, m)
	}
	h.mu.Unlock()
	var errs []error
	for _, m := range modules {
		errs = append(errs, m.Close(ctx))
	}
	return errors.Join(errs...)
}
