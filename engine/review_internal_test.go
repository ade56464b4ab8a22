package engine

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// NumViews counts the cached views of a table.
func NumViews(e *Engine, name string) int {
	t, err := e.core.space.table(name)
	if err != nil {
		return 0
	}
	t.views.mu.Lock()
	defer t.views.mu.Unlock()
	return len(t.views.m)
}

// anyModule is a resolver for which every module keeps the siblings.
type anyModule struct{}

func (anyModule) Check(context.Context, []byte, Limits) (ModuleInfo, error) {
	return ModuleInfo{}, nil
}

func (anyModule) Load(context.Context, []byte, Limits) (Judge, error) { return anyModule{}, nil }

func (anyModule) Defaults() Limits { return Limits{} }

func (anyModule) Rewriter() int { return 1 }

func (anyModule) Judge(context.Context, string, []replica.Version, *replica.Version) (Verdict, error) {
	return Verdict{Kind: VerdictKeep}, nil
}

func (anyModule) Close() error { return nil }

// solo is one node without a network, whose time the test owns.
type solo struct {
	t   *testing.T
	d   *Driver
	now time.Time
	// seals is the digest that made-up peers send.
	seals uint64
}

func newSolo(t *testing.T, change ...func(*Config)) *solo {
	t.Helper()
	s := &solo{t: t, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	cfg := Config{Name: "a", Actor: clock.ActorFrom([16]byte{1}), Now: func() time.Time { return s.now }}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	s.d, err = NewDriver(cfg, anyModule{})
	require.NoError(t, err)
	s.step()
	return s
}

func (s *solo) core() *Core { return s.d.engine.core }

// step lets one tick pass, after these events.
func (s *solo) step(events ...Input) []Effect {
	s.now = s.now.Add(TickInterval)
	return s.d.Step(s.now, append(events, Tick{})...)
}

func (s *solo) run(d time.Duration) (effects []Effect) {
	for end := s.now.Add(d); s.now.Before(end); {
		effects = append(effects, s.step()...)
	}
	return effects
}

func (s *solo) call(f func(ctx context.Context, e *Engine) error) {
	s.t.Helper()
	_, err := s.d.Call(f, func(int, error) {})
	require.NoError(s.t, err)
}

func (s *solo) create(name string) {
	s.t.Helper()
	s.call(func(ctx context.Context, e *Engine) error {
		_, err := e.CreateTable(ctx, name, TableOptions{})
		return err
	})
}

func (s *solo) install(name, module string) {
	s.t.Helper()
	s.call(func(ctx context.Context, e *Engine) error {
		_, err := e.InstallPlugin(ctx, name, []byte(module), Limits{})
		return err
	})
}

func (s *solo) activate(table, plugin string) {
	s.t.Helper()
	s.call(func(ctx context.Context, e *Engine) error {
		_, err := e.Activate(ctx, table, plugin)
		return err
	})
}

// fork makes siblings of a key of carts that nobody has judged.
func (s *solo) fork(key string) {
	s.t.Helper()
	s.forkIn("carts", key)
}

func (s *solo) forkIn(table, key string) {
	s.t.Helper()
	t, err := s.core().space.table(table)
	require.NoError(s.t, err)
	for _, value := range []string{"x", "y"} {
		s.call(func(ctx context.Context, e *Engine) error {
			kv := KV{Key: key, Value: []byte(value)}
			_, err := e.Put(ctx, table, []KV{kv}, WithAck(AckLocal), WithContext(e.core.token(t, key, clock.Context{})))
			return err
		})
	}
	t.views.drop(key)
}

// judging lists the jobs among effects.
func judging(effects []Effect) (jobs []Job) {
	for _, e := range effects {
		if j, ok := e.(JudgeConflict); ok {
			jobs = append(jobs, j.Job)
		}
	}
	return jobs
}

// trapUnderWay returns a node whose module has used up its restarts, and a job of it that has not ended.
func trapUnderWay(t *testing.T) (*solo, Job) {
	t.Helper()
	return trapAfter(t, func(i int) quarantineRecord {
		return quarantineRecord{Who: "a", Actor: clock.ActorFrom([16]byte{byte(i + 2)})} // earlier incarnations of this node
	})
}

// trapAfter returns a node on which a job has not ended, and three records of traps that members wanted to restart for.
func trapAfter(t *testing.T, who func(i int) quarantineRecord) (*solo, Job) {
	t.Helper()
	s := newSolo(t)
	s.create("carts")
	s.install("carts", "old")
	s.fork("k")
	jobs := judging(s.run(3 * time.Second))
	require.Len(t, jobs, 1)
	for i := range maxRestarts {
		spent := jobs[0]
		spent.key = "spent" + strconv.Itoa(i)
		rec := s.core().quarantineOf(spent, "unreachable", true)
		rec.Who, rec.Actor = who(i).Who, who(i).Actor
		_, _, err := s.core().putCatalogue(quarantineKey(spent), s.core().codec.record(rec), s.core().stamp())
		require.NoError(t, err)
	}
	s.step()
	require.Equal(t, maxRestarts, s.core().restartsOf(jobs[0]))
	return s, jobs[0]
}

func (s *solo) active() handlerRecord {
	t, err := s.core().space.table("carts")
	require.NoError(s.t, err)
	s.core().space.mu.RLock()
	defer s.core().space.mu.RUnlock()
	rec, _ := s.core().space.facts.handler(t)
	return rec
}

func TestTrapOfTheRecordInForceDisablesIt(t *testing.T) {
	s, job := trapUnderWay(t)
	s.step(judged{job: job, err: &Trap{Reason: "unreachable"}})
	require.True(t, s.active().Disabled)
}

func TestTrapWhileMembersDecideWhoRestartsDoesNotDisable(t *testing.T) {
	s, job := trapAfter(t, func(i int) quarantineRecord {
		return quarantineRecord{Who: "b", Actor: clock.ActorFrom([16]byte{byte(i + 2)})} // of these, those that stay will say so
	})
	s.step(judged{job: job, err: &Trap{Reason: "unreachable"}})
	require.False(t, s.active().Disabled)
}

func TestLateTrapOfAnOldRecordDoesNotDisableTheNewOne(t *testing.T) {
	s, job := trapUnderWay(t)
	s.install("good", "good")
	s.activate("carts", "good")
	s.step(judged{job: job, err: &Trap{Reason: "unreachable"}})
	require.Equal(t, "good", s.active().Plugin)
	require.False(t, s.active().Disabled)
	s.core().disable(job)
	require.Equal(t, "good", s.active().Plugin, "also when it is activated in the meantime")
}

func TestLateTrapOfAnOldRecordDoesNotRestart(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run("late "+strconv.FormatBool(late), func(t *testing.T) {
			s := newSolo(t)
			s.create("carts")
			s.install("carts", "old")
			s.fork("k")
			jobs := judging(s.run(3 * time.Second))
			require.Len(t, jobs, 1)
			if late {
				s.install("good", "good")
				s.activate("carts", "good")
			}
			effects := s.step(judged{job: jobs[0], err: &Trap{Reason: "unreachable"}})
			effects = append(effects, s.run(3*time.Second)...)
			require.Equal(t, !late, slices.ContainsFunc(effects, func(e Effect) bool {
				_, restarts := e.(Restart)
				return restarts
			}))
		})
	}
}

// conflicted returns a node that has looked at each of many conflicts.
func conflicted(t *testing.T, conflicts int) *solo {
	t.Helper()
	s := newSolo(t)
	s.create("carts")
	for i := range conflicts {
		s.fork(strconv.Itoa(i))
	}
	s.run(5 * time.Second)
	require.Empty(t, s.core().cases.pending)
	require.False(t, s.core().cases.rescan)
	return s
}

func TestOneStepConsidersABoundedNumberOfConflicts(t *testing.T) {
	const conflicts = 3 * maxConsidered
	s := conflicted(t, conflicts)
	s.create("other")
	s.d.Step(s.now)
	require.True(t, s.core().cases.rescan)
	for left := conflicts - maxConsidered; left >= 0; left -= maxConsidered {
		s.step()
		require.Len(t, s.core().cases.pending, left)
	}
}

func TestCatalogueWriteThatJudgesNothingConsidersNoConflict(t *testing.T) {
	s := conflicted(t, 10)
	version := s.core().space.facts.version
	s.core().enlist()
	s.d.Step(s.now)
	require.Greater(t, s.core().space.facts.version, version)
	require.False(t, s.core().cases.rescan)
}

func TestSameJobRunsOnceAtATimeAlthoughAllIsLookedAtAgain(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	s.install("carts", "slow")
	s.fork("k")
	jobs := judging(s.run(3 * time.Second))
	require.Len(t, jobs, 1)
	for range 10 {
		s.core().cases.rescan = true
		require.Empty(t, judging(s.run(time.Second)), "the first run has not ended")
	}
	s.step(s.d.Judge(jobs[0]))
	s.core().cases.rescan = true
	require.Empty(t, judging(s.run(time.Second)), "there is a verdict")
	s.fork("k")
	require.Len(t, judging(s.run(time.Second)), 1, "other siblings are another job")
}

func TestReadyButLeavingDonorMakesNobodyFirst(t *testing.T) {
	for _, serves := range []bool{false, true} {
		t.Run("donor ready "+strconv.FormatBool(serves), func(t *testing.T) {
			s := newSolo(t, func(cfg *Config) { cfg.ExpectPeers = true })
			donor := clock.ActorFrom([16]byte{2})
			require.Negative(t, s.core().cfg.Actor.Compare(donor))
			hello := helloFrame{Cluster: "kvnode", Name: "donor", Actor: donor, Partitions: Partitions, Ready: serves, Leaving: true, Rewriter: 1}
			for range 100 {
				s.step(Arrived{From: donor.String(), Payload: s.core().codec.frame(frameHello, hello)})
			}
			require.Equal(t, !serves, s.d.engine.Ready())
		})
	}
}

func TestJournalIsBoundedByTheBytesThatItKeepsAlive(t *testing.T) {
	half := make([]byte, maxJournalBytes/16)
	j := newJournal()
	for i := range 20 {
		j.note(Conflict{ID: strconv.Itoa(i), Versions: []Version{{Value: half}}})
		j.note(Conflict{ID: strconv.Itoa(i), State: Resolved, Value: half})
	}
	require.Equal(t, []string{"19", "18", "17", "16", "15", "14", "13", "12"}, listed(j))
}

func TestJournalKeepsTheNewestConflictHoweverLarge(t *testing.T) {
	huge := make([]byte, maxJournalBytes+1)
	j := newJournal()
	for i := range 3 {
		j.note(Conflict{ID: strconv.Itoa(i), Value: huge})
	}
	require.Equal(t, []string{"2"}, listed(j))
}

// listed names the entries of a journal, newest first.
func listed(j *journal) (ids []string) {
	for _, entry := range j.list() {
		ids = append(ids, entry.ID)
	}
	return ids
}

func TestWriterThatWaitsWhenItsNodeEndsIsToldThatItsWriteIsApplied(t *testing.T) {
	s := newSolo(t)
	var outcome error
	s.step(await{&waiter{level: AckOne, timeout: time.Minute, dots: []waitDot{{p: s.core().space.catalogue}}, done: func(_ int, err error) { outcome = err }}})
	_, _, err := s.d.Close(s.now)
	require.NoError(t, err)
	require.ErrorIs(t, outcome, ErrClosed)
	require.ErrorIs(t, outcome, ErrNotAcknowledged)
}
