package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine/replica"
)

// slow takes a second to load, and ten milliseconds to judge.
type slow struct {
	anyModule

	now *time.Time
}

func (s slow) Load(context.Context, []byte, Limits) (Judge, error) {
	*s.now = s.now.Add(time.Second)
	return s, nil
}

func (s slow) Judge(context.Context, string, []replica.Version, *replica.Version) (Verdict, error) {
	*s.now = s.now.Add(10 * time.Millisecond)
	return Verdict{Kind: VerdictKeep}, nil
}

func TestWhatARunTookIsWithoutTheLoadingOfTheModule(t *testing.T) {
	s := newSolo(t)
	now := time.Unix(1, 0)
	s.core().judges = newJudges(s.core().space, slow{now: &now}, func() time.Time { return now }, s.core().report)
	s.create("carts")
	s.install("carts", "module")
	s.forkIn("carts", "k")
	s.value("carts", "k")
	require.Equal(t, time.Unix(1, 0).Add(time.Second+10*time.Millisecond), now, "it was loaded for this run")
	entry := s.core().journal.list()[0]
	require.Equal(t, "keep", entry.Verdict)
	require.Equal(t, 10*time.Millisecond, entry.Took)
	require.Equal(t, 10*time.Millisecond, s.core().space.runs.all().Took)
}

// late is a node with the tables carts and bills, each with a conflict, whose module has lost its bytes before it was ever loaded.
func late(t *testing.T) *solo {
	t.Helper()
	s := newSolo(t)
	s.create("carts")
	s.create("bills")
	s.install("carts", "module")
	s.activate("bills", "carts")
	closed := s.core().judges
	s.core().judges = newJudges(s.core().space, anyModule{}, s.core().cfg.Now, s.core().report)
	require.NoError(t, closed.close())
	sum := sha256.Sum256([]byte("module"))
	require.NoError(t, LoseModule(s.d.engine, hex.EncodeToString(sum[:])))
	s.step()
	s.forkIn("carts", "k")
	s.forkIn("bills", "k")
	return s
}

// mumbler gives reasons that are no texts.
type mumbler struct{ anyModule }

func (mumbler) Load(context.Context, []byte, Limits) (Judge, error) { return mumbler{}, nil }

func (mumbler) Judge(_ context.Context, key string, _ []replica.Version, _ *replica.Version) (Verdict, error) {
	if key == "trap" {
		return Verdict{}, &Trap{Reason: "no \xff\xfe cart", Fuel: 7}
	}
	return Verdict{Kind: VerdictError, Reason: "no \xff\xfe cart"}, nil
}

func TestReasonsThatTravelAreTexts(t *testing.T) {
	s := newSolo(t)
	s.core().judges = newJudges(s.core().space, mumbler{}, s.core().cfg.Now, s.core().report)
	s.create("carts")
	s.install("carts", "module")
	for _, key := range []string{"trap", "fail"} {
		s.fork(key)
		carts, err := s.core().space.table("carts")
		require.NoError(t, err)
		job, _ := s.core().job(carts, key, carts.siblings(key))
		v, err := s.core().judges.run(t.Context(), job)
		if trap, ok := asTrap(err); ok {
			require.Equal(t, "trap", key)
			require.Equal(t, &Trap{Reason: "no ? cart", Fuel: 7}, trap)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, "fail", key)
		require.Equal(t, "no ? cart", v.reason)
	}
}

// state is how a reader is shown the key k of a table.
func (s *solo) state(table string) (state State) {
	s.t.Helper()
	s.call(func(ctx context.Context, e *Engine) error {
		entry, err := e.Get(ctx, table, "k")
		state = entry.State
		return err
	})
	return state
}

func TestReaderTriesAModuleAgainOnceItsBytesHaveArrived(t *testing.T) {
	s := late(t)
	require.Equal(t, Unavailable, s.state("carts"))
	s.install("carts", "module")
	require.Equal(t, Kept, s.state("carts"), "handlers were not prepared again meanwhile")
}

func TestReaderSeesNoVerdictOfAModuleWhoseBytesHaveGone(t *testing.T) {
	s := late(t)
	s.install("carts", "module")
	require.Equal(t, Kept, s.state("carts"))
	require.NoError(t, LoseModule(s.d.engine, s.core().space.handlersInForce()[0].SHA256))
	require.Equal(t, Unavailable, s.state("carts"), "handlers were not prepared again meanwhile")
	s.install("carts", "module")
	require.Equal(t, Kept, s.state("carts"))
}

func TestModuleWhoseBytesAreMissingIsNotLookedForUntilMoreArrive(t *testing.T) {
	s := late(t)
	require.Equal(t, Unavailable, s.state("carts"))
	sha := s.core().space.handlersInForce()[0].SHA256
	s.create("other")
	require.Contains(t, s.core().space.facts.complete, sha, "that they are missing is known")
	require.Equal(t, Unavailable, s.state("carts"))
	require.Empty(t, s.core().judges.loaded, "nobody has tried to load it")
}

func TestWatchersOfAllTablesAreToldOfAModuleThatAReaderLoadedFirst(t *testing.T) {
	s := late(t)
	watches := map[string]*Subscription{}
	for _, table := range []string{"carts", "bills"} {
		w, err := s.d.Watch(table, Pattern{})
		require.NoError(t, err)
		watches[table] = w
		require.Equal(t, Unavailable, s.state(table))
	}
	s.install("carts", "module")
	require.Equal(t, Kept, s.state("carts"))
	s.d.Prepare()
	for table, w := range watches {
		changes, err := w.Changes()
		require.NoError(t, err)
		require.Len(t, changes, 1, table)
		require.Equal(t, Kept, changes[0].Entry.State, table)
	}
	s.d.Prepare()
	changes, err := watches["carts"].Changes()
	require.NoError(t, err)
	require.Empty(t, changes, "they are told once")
}
