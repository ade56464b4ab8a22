// Package gauge measures a conflict handler in the configuration in which a node runs it: calls per second, how long calls take, fuel,
// memory, and the time to compile.
package gauge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/fixture"
)

// DefaultTime is how long calls are made where nothing else is said.
const DefaultTime = 3 * time.Second

// ErrConfig refuses a Config, naming the field.
var ErrConfig = errors.New("bad gauge configuration")

// Config says what to measure. The zero Config is usable.
type Config struct {
	// Limits are those that the handler will be installed with.
	Limits plugins.Limits
	// Cases are the conflicts that calls are made of, by turns; default one of two values of 64 bytes. Expectations do not count.
	Cases []fixture.Case
	// Time is how long calls are made, at least one for each case; default DefaultTime.
	Time time.Duration
	// Workers is how many goroutines call at once, each with an instance of its own; default GOMAXPROCS, as at a node.
	Workers int
	// Now is the clock, safe for concurrent use; default time.Now.
	Now func() time.Time
}

// Figures are what was measured. Times are in nanoseconds in JSON.
type Figures struct {
	// SHA256 identifies the module, in hex; Size is its length in bytes.
	SHA256 string `json:"sha256"`
	Size   int    `json:"size"`
	// Cold is the time to check, rewrite, compile and initialise the module, Cached the same with what was compiled on disk.
	Cold   time.Duration `json:"compile_cold_ns"`
	Cached time.Duration `json:"compile_cached_ns"`
	// MemoryBytes is the memory of an instance after initialisation, InitFuel what that took.
	MemoryBytes uint64 `json:"memory_bytes"`
	InitFuel    uint64 `json:"init_fuel"`
	// SingleUse says that each call needs a new instance, which is slow.
	SingleUse bool `json:"single_use"`
	// Cases and Workers are how many there were.
	Cases   int `json:"cases"`
	Workers int `json:"workers"`
	// Calls were made in Elapsed; Traps of them trapped, which costs an instance each.
	Calls   uint64        `json:"calls"`
	Traps   uint64        `json:"traps"`
	Elapsed time.Duration `json:"elapsed_ns"`
	// PerSecond is the throughput of all workers together.
	PerSecond float64 `json:"calls_per_second"`
	Latency   Latency `json:"latency"`
	Fuel      Fuel    `json:"fuel"`
}

// Latency is how long calls took, to the thirtieth part of it: half, nine tenths and so on took at most that.
type Latency struct {
	P50 time.Duration `json:"p50_ns"`
	P90 time.Duration `json:"p90_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

// Fuel is what calls used, to the thirtieth part of it, and what they may use.
type Fuel struct {
	P50   uint64 `json:"p50"`
	P99   uint64 `json:"p99"`
	Max   uint64 `json:"max"`
	Limit uint64 `json:"limit"`
}

// Measure compiles a module twice and calls it from several goroutines. Its error is an ErrConfig, one of those of plugins, or ctx's.
func Measure(ctx context.Context, module []byte, c Config) (Figures, error) {
	if err := c.complete(); err != nil {
		return Figures{}, err
	}
	dir, err := os.MkdirTemp("", "kvnode-gauge-")
	if err != nil {
		return Figures{}, fmt.Errorf("%w: %w", plugins.ErrHost, err)
	}
	figures, err := c.measure(ctx, module, dir)
	return figures, errors.Join(err, os.RemoveAll(dir))
}

// complete fills the zero fields.
func (c *Config) complete() error {
	switch {
	case c.Time < 0:
		return fmt.Errorf("%w: Time is %s, want at least 0", ErrConfig, c.Time)
	case c.Workers < 0:
		return fmt.Errorf("%w: Workers is %d, want at least 0", ErrConfig, c.Workers)
	}
	if c.Time == 0 {
		c.Time = DefaultTime
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if len(c.Cases) == 0 {
		c.Cases = []fixture.Case{{Key: []byte("key"), Versions: []plugins.Version{
			{Value: []byte(strings.Repeat("a", 64)), Time: 1, Origin: 1}, {Value: []byte(strings.Repeat("b", 64)), Time: 2, Origin: 2},
		}}}
	}
	return nil
}

func (c *Config) measure(ctx context.Context, module []byte, dir string) (Figures, error) {
	cold, err := c.load(ctx, module, dir, func(*plugins.Module) error { return nil })
	if err != nil {
		return Figures{}, err
	}
	var figures Figures
	cached, err := c.load(ctx, module, dir, func(m *plugins.Module) error {
		var err error
		figures, err = c.call(ctx, m)
		return err
	})
	figures.Cold, figures.Cached = cold, cached
	return figures, err
}

// load calls do with the module, and returns how long loading it took.
func (c *Config) load(ctx context.Context, module []byte, dir string, do func(*plugins.Module) error) (time.Duration, error) {
	host, err := plugins.NewHost(plugins.Config{CacheDir: dir, Workers: c.Workers})
	if err != nil {
		return 0, err
	}
	start := c.Now()
	m, err := host.Load(ctx, module, c.Limits)
	took := c.Now().Sub(start)
	if err == nil {
		err = do(m)
	}
	return took, errors.Join(err, host.Close(context.WithoutCancel(ctx)))
}

// call lets all workers call until the time is over.
func (c *Config) call(ctx context.Context, m *plugins.Module) (Figures, error) {
	workers := make([]worker, c.Workers)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	start := c.Now()
	for i := range workers {
		wg.Go(func() {
			if err := workers[i].run(ctx, c, m, i, start.Add(c.Time)); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	elapsed := c.Now().Sub(start)
	var all worker
	for i := range workers {
		all.add(&workers[i])
	}
	info, err := m.Info(), context.Cause(ctx)
	return Figures{
		SHA256: info.SHA256, Size: info.Size, MemoryBytes: info.MemoryBytes, InitFuel: info.InitFuel, SingleUse: info.SingleUse,
		Cases: len(c.Cases), Workers: c.Workers, Calls: all.latency.count, Traps: all.traps, Elapsed: elapsed,
		PerSecond: float64(all.latency.count) / elapsed.Seconds(),
		Latency: Latency{
			P50: time.Duration(all.latency.quantile(50)), P90: time.Duration(all.latency.quantile(90)),
			P99: time.Duration(all.latency.quantile(99)), Max: time.Duration(all.latency.highest),
		},
		Fuel: Fuel{P50: all.fuel.quantile(50), P99: all.fuel.quantile(99), Max: all.fuel.highest, Limit: m.Limits().Fuel},
	}, err
}

// worker is what one goroutine measures.
type worker struct {
	latency, fuel histogram
	traps         uint64
}

// run calls until the end, and at least once for each case. It begins with the case number first, so that the workers do not all run the same.
func (w *worker) run(ctx context.Context, c *Config, m *plugins.Module, first int, end time.Time) error {
	for n, now := first, c.Now(); ; n++ {
		v, err := m.Resolve(ctx, c.Cases[n%len(c.Cases)].Input())
		after := c.Now()
		trap, trapped := errors.AsType[*plugins.Trap](err)
		switch {
		case trapped:
			w.traps++
			w.fuel.add(trap.Fuel)
		case err != nil:
			return err
		default:
			w.fuel.add(v.Fuel)
		}
		w.latency.add(uint64(after.Sub(now)))
		if now = after; !now.Before(end) && n-first >= len(c.Cases)-1 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (w *worker) add(other *worker) {
	w.latency.merge(&other.latency)
	w.fuel.merge(&other.fuel)
	w.traps += other.traps
}
