package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/plugins/examples"
)

// Options say what to run. Zero fields but Program and Logs mean the defaults.
type Options struct {
	// Program is the path of the binary whose command "start" runs a node.
	Program string
	// Logs is the directory that gets the logs of the nodes, the episodes, and what is wrong. It must exist.
	Logs string
	// Nodes is the size of the cluster, from 2 to 9. Default 5.
	Nodes int
	// Duration is how long to go on; the last checkpoint comes after it. Default one minute.
	Duration time.Duration
	// Seed gives the episodes and the clients' choices. Default: a random one.
	Seed uint64
	// Faults are the kinds of trouble. Default: all.
	Faults []Fault
	// Clients is how many clients each node has. Default 3.
	Clients int
	// Progress, when set, is called by one goroutine at a time, about ten times a second.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Elapsed, Of time.Duration
	Doing       string
	Counts      Counts
	Violations  int
}

// Report is what came of a run.
type Report struct {
	Counts

	Seed     uint64
	Elapsed  time.Duration
	Episodes int
	// Faults counts what was done to the nodes.
	Faults map[Fault]int
	// Restarts counts the restarts after traps that checkpoints saw, Watches the watches that lived from one checkpoint to the next and missed nothing.
	Restarts, Watches int
	// Refusals counts the refused writes by the beginning of the reason.
	Refusals map[string]int
	// Violations are the broken promises, each with the story of its key.
	Violations []string
}

func (o Options) withDefaults() Options {
	if o.Nodes == 0 {
		o.Nodes = 5
	}
	if o.Duration == 0 {
		o.Duration = time.Minute
	}
	for o.Seed == 0 {
		o.Seed = uint64(rand.Uint32()) // short enough to type
	}
	if o.Faults == nil {
		o.Faults = Faults()
	}
	if o.Clients == 0 {
		o.Clients = 3
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o
}

// run is one run under way.
type run struct {
	o        Options
	ctx      context.Context //nolint:containedctx // the run's own lifetime: it tells an interrupt from a time that is over
	began    time.Time
	cluster  *cluster
	history  *history
	watchers []*watcher
	log      *os.File
	// pace is held for reading by each client's call, and for writing by a checkpoint.
	pace sync.RWMutex

	// What follows belongs to the goroutine that plays the episodes; traps to the one lane of an episode that has traps.
	report   Report
	pictures []picture
	before   []int // restarts at the last checkpoint, by node
	restarts restartLedger
	traps    int

	mu     sync.Mutex // guards doing and faults
	doing  string
	faults map[Fault]int
}

// Run runs a cluster, troubles it until the time is over or a promise is broken, and says what it found. All processes have ended when it returns.
// The error says that it could not be done, ErrOptions or ErrCluster, or that ctx ended; the report counts what was done until then.
func Run(ctx context.Context, o Options) (Report, error) {
	o = o.withDefaults()
	if o.Nodes < 2 || o.Nodes > 9 || o.Duration < 0 || o.Clients < 0 {
		return Report{Seed: o.Seed}, fmt.Errorf("%w: 2 to 9 nodes, a positive time", ErrOptions)
	}
	r := &run{
		o: o, began: time.Now(), history: newHistory(o.Nodes), before: make([]int, o.Nodes), faults: map[Fault]int{},
		restarts: restartLedger{by: map[string][]string{}, limits: map[string]int{}},
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.ctx = ctx
	err := r.open(ctx)
	if err == nil {
		err = r.torture(ctx)
	}
	if r.cluster != nil {
		err = errors.Join(err, r.cluster.close())
	}
	return r.finish(err)
}

// finish closes the log and fills the report.
func (r *run) finish(err error) (Report, error) {
	r.report.Counts, r.report.Violations = r.history.count(), r.history.violations()
	r.report.Refusals = r.history.refusals()
	r.report.Seed, r.report.Faults, r.report.Elapsed = r.o.Seed, r.faults, time.Since(r.began)
	for _, v := range r.report.Violations {
		r.note("VIOLATION %s", v)
	}
	if r.log != nil {
		err = errors.Join(err, r.log.Close())
	}
	return r.report, err
}

// open starts the nodes, and gives them tables and a handler.
func (r *run) open(ctx context.Context) (err error) {
	if r.log, err = os.Create(filepath.Join(r.o.Logs, "torture.log")); err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	r.do("start %d nodes", r.o.Nodes)
	name := "torture-" + strconv.FormatUint(r.o.Seed, 10) + "-" + strconv.Itoa(os.Getpid())
	if r.cluster, err = newCluster(r.o.Program, name, r.o.Logs, r.o.Nodes, r.history); err != nil {
		return err
	}
	starts := make([]error, r.o.Nodes)
	var wg sync.WaitGroup
	for i, n := range r.cluster.nodes {
		wg.Go(func() { starts[i] = r.cluster.start(ctx, n) })
	}
	wg.Wait()
	if err := errors.Join(starts...); err != nil {
		return err
	}
	return r.furnish(ctx)
}

// furnish waits until the nodes have met, and makes the tables.
func (r *run) furnish(ctx context.Context) error {
	for _, n := range r.cluster.nodes {
		if !n.awaitReady(ctx, calmPatience) {
			return fmt.Errorf("%w: node %s does not become ready", ErrCluster, n.name)
		}
	}
	api, err := r.cluster.nodes[0].ask(ctx)
	if err != nil {
		return err
	}
	for _, table := range tableNames() {
		if _, err := api.CreateTable(ctx, table, optionsOf(table)); err != nil {
			return fmt.Errorf("create table %s: %w", table, err)
		}
	}
	if _, err := api.InstallPlugin(ctx, judgedTable, examples.Trap(), engine.Limits{}); err != nil {
		return fmt.Errorf("install handler: %w", err)
	}
	if _, ok := r.agree(ctx); !ok {
		return fmt.Errorf("%w: the nodes do not meet", ErrCluster)
	}
	return nil
}

// torture plays episodes, each followed by a checkpoint.
func (r *run) torture(ctx context.Context) error {
	working, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	r.employ(working, &work)
	plan := planner{rand: rand.New(rand.NewPCG(r.o.Seed, 0)), nodes: r.o.Nodes, faults: r.o.Faults}
	for ctx.Err() == nil && time.Since(r.began) < r.o.Duration && len(r.history.violations()) == 0 {
		e := plan.next()
		r.report.Episodes++
		r.do("%s", e)
		r.play(ctx, e)
		r.do("all heals, and the nodes are compared")
		r.checkpoint(ctx, e)
		r.rearm(ctx)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	r.pace.Lock() // for good: the clients' work is done
	stop()
	r.pace.Unlock()
	if len(r.history.violations()) == 0 {
		r.do("all that is confirmed is forgotten")
		r.checkStable(ctx)
	}
	return nil
}

// employ starts the clients and the watchers.
func (r *run) employ(ctx context.Context, work *sync.WaitGroup) {
	for i, n := range r.cluster.nodes {
		for j := range r.o.Clients {
			number := i*r.o.Clients + j
			c := &client{name: "c" + strconv.Itoa(number), home: i, run: r, rand: rand.New(rand.NewPCG(r.o.Seed, uint64(number)+1))}
			work.Go(func() { c.work(ctx) })
		}
		w := &watcher{run: r, node: n, table: tableNames()[i%len(tableNames())]}
		r.watchers = append(r.watchers, w)
		work.Go(func() { w.work(ctx) })
	}
	work.Go(func() { r.tell(ctx) })
}

// tell reports progress until ctx ends.
func (r *run) tell(ctx context.Context) {
	poll(ctx, func() bool {
		r.mu.Lock()
		doing := r.doing
		r.mu.Unlock()
		r.o.Progress(Progress{
			Elapsed: time.Since(r.began), Of: r.o.Duration, Doing: doing, Counts: r.history.count(), Violations: len(r.history.violations()),
		})
		return false
	})
}

// do says what is being done.
func (r *run) do(format string, args ...any) {
	r.mu.Lock()
	r.doing = fmt.Sprintf(format, args...)
	r.mu.Unlock()
	r.note(format, args...)
}

// note writes a line to the run's own log. When that cannot be written, the report still says what is wrong.
func (r *run) note(format string, args ...any) {
	if r.log != nil {
		_, _ = fmt.Fprintf(r.log, "%s %s\n", time.Now().UTC().Format("15:04:05.000"), strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

// rearm makes the handler judge again after it was disabled for trapping too often.
func (r *run) rearm(ctx context.Context) {
	api, err := r.cluster.nodes[0].ask(ctx)
	if err != nil {
		return
	}
	info, err := api.Table(ctx, judgedTable)
	if err != nil || info.Active == nil || !info.Active.Disabled {
		return
	}
	// Siblings that trapped already would trap again, and be taken for the same conflict.
	w := write{place: place{judgedTable, poisonKey}, level: engine.AckAll}
	r.traps++
	r.write(ctx, r.cluster.nodes[0], api, w, fmt.Sprintf("antidote-%d", r.traps), false)
	if _, err := api.Activate(ctx, judgedTable, judgedTable); err != nil && ctx.Err() == nil {
		r.history.fail("the handler cannot be activated again: %v", err)
	}
}
