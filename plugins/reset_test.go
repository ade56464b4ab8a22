package plugins_test

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/plugintest"
)

// unreset loads a module whose instances are not restored. The first call of each 1,024 is repeated.
func unreset(tb testing.TB, module []byte) (*plugins.Module, recorder) {
	tb.Helper()
	log := newRecorder()
	h := newHost(tb, plugins.Config{
		CacheDir: cacheDir, Logger: slog.New(log), Workers: 1, Random: func(uint64) uint64 { return 0 }, Now: everySecond(),
	})
	m, err := h.Load(tb.Context(), module, plugins.Limits{Reset: plugins.ResetNone})
	require.NoError(tb, err)
	return m, log
}

// everySecond is a clock that is asked once a second, so that no log line is dropped.
func everySecond() func() time.Time {
	var mu sync.Mutex
	now := time.Unix(0, 0)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

func TestPureHandlersAnswerAlikeWithAndWithoutReset(t *testing.T) {
	for name, module := range map[string][]byte{
		"newest": examples.Newest(), "moods": plugintest.Module(t, "moods"),
	} {
		t.Run(name, func(t *testing.T) {
			strict := load(t, module, plugins.Limits{})
			m, _ := unreset(t, module)
			for n := range 3000 {
				in := conflict("steady", strings.Repeat("a\n", n%50), "b")
				require.Equal(t, resolve(t, strict, in), resolve(t, m, in))
			}
			require.NoError(t, m.Doubt())
		})
	}
}

func TestHandlersThatDependOnEarlierCallsAreFoundAtTheSecondCall(t *testing.T) {
	for name, module := range stateful(t) {
		t.Run(name, func(t *testing.T) {
			strict := load(t, module, plugins.Limits{})
			m, _ := unreset(t, module)
			for _, key := range []string{"k", "k", "other", "k"} {
				require.Equal(t, resolve(t, strict, conflict(key, "a", "b")), resolve(t, m, conflict(key, "a", "b")))
			}
			require.ErrorIs(t, m.Doubt(), plugins.ErrImpure)
			require.ErrorContains(t, m.Doubt(), `on key "k" a reused instance came to`)
		})
	}
}

func TestASampleFindsAHandlerThatTurnsLate(t *testing.T) {
	m, _ := unreset(t, plugintest.Module(t, "moods"))
	pick := resolve(t, load(t, plugintest.Module(t, "moods"), plugins.Limits{}), conflict("late", "a", "b"))
	require.Equal(t, plugins.Pick, pick.Kind)
	for n := 1; n < 1024; n++ {
		want := plugins.Pick
		if n >= 600 {
			want = plugins.Keep
		}
		require.Equal(t, want, resolve(t, m, conflict("late", "a", "b")).Kind, "call %d is not sampled", n)
		require.NoError(t, m.Doubt())
	}
	for range 2000 {
		require.Equal(t, pick, resolve(t, m, conflict("late", "a", "b")), "the pristine instance's verdict counts")
	}
	require.ErrorIs(t, m.Doubt(), plugins.ErrImpure)
}

func TestOneCallInEveryThousandIsSampledWhereverTheDrawFalls(t *testing.T) {
	for _, draw := range []uint64{0, 1, 511, 1023} {
		h := newHost(t, plugins.Config{Random: func(n uint64) uint64 { return min(draw, n-1) }, Workers: 1})
		m, err := h.Load(t.Context(), plugintest.Module(t, "moods"), plugins.Limits{Reset: plugins.ResetNone})
		require.NoError(t, err)
		calls := 0
		for ; m.Doubt() == nil; calls++ {
			resolve(t, m, conflict("late", "a", "b"))
		}
		require.Equal(t, 1024+int(draw), calls)
	}
}

func TestTrapsOfAReusedInstanceAreBelievedWhenAPristineOneTrapsToo(t *testing.T) {
	m, _ := unreset(t, plugintest.Module(t, "moods"))
	pick := resolve(t, m, conflict("trap", "a", "b"))
	for range 10 {
		require.Equal(t, pick, resolve(t, m, conflict("trap", "a", "b")))
	}
	require.ErrorContains(t, m.Doubt(), `came to the trap "unreachable"`)

	m, _ = unreset(t, plugintest.Module(t, "verdicts"))
	first := trap(t, m, conflict("U", "a", "b"))
	for range 10 {
		require.Equal(t, first, trap(t, m, conflict("U", "a", "b")))
	}
	require.NoError(t, m.Doubt())
}

func TestErrorsOfAReusedInstanceAreBelievedWhenAPristineOneFailsToo(t *testing.T) {
	m, _ := unreset(t, plugintest.Module(t, "moods"))
	first := resolve(t, m, conflict("heap", "a", "b"))
	for range 200 {
		require.Equal(t, first, resolve(t, m, conflict("heap", "a", "b")))
	}
	require.ErrorContains(t, m.Doubt(), "came to failed")

	m, _ = unreset(t, plugintest.Module(t, "verdicts"))
	failed := resolve(t, m, conflict("f", "a", "b"))
	require.Equal(t, plugins.Failed, failed.Kind)
	require.Equal(t, failed, resolve(t, m, conflict("f", "a", "b")))
	require.NoError(t, m.Doubt())
}

func TestAHandlerThatOnlyTakesOtherFuelIsNotPure(t *testing.T) {
	m, _ := unreset(t, plugintest.Module(t, "moods"))
	first := resolve(t, m, conflict("fuel", "a", "b"))
	require.Equal(t, first, resolve(t, m, conflict("fuel", "a", "b")))
	require.ErrorIs(t, m.Doubt(), plugins.ErrImpure)
	require.ErrorContains(t, m.Doubt(), `on key "fuel" same verdict, other fuel: a reused instance came to`)
	require.NotContains(t, m.Doubt().Error(), "depends on earlier calls")
}

func TestAnInstanceThatIsNotResetServesTenThousandCalls(t *testing.T) {
	m, log := unreset(t, plugintest.Module(t, "moods"))
	instances := func() int {
		ups := slices.DeleteFunc(log.all(), func(r record) bool { return r != "INFO handler says up" })
		return len(ups)
	}
	for calls := 1; calls <= 20_001; calls++ {
		resolve(t, m, conflict("steady", "a", "b"))
		require.Equal(t, 2+(calls-1)/10_000, instances(), "after %d calls: the pristine instance and those of the calls", calls)
	}
}

func TestAnInstanceThatIsNotResetKeepsWhatItHasGrown(t *testing.T) {
	m, _ := unreset(t, plugintest.Module(t, "moods"))
	strict := load(t, plugintest.Module(t, "moods"), plugins.Limits{})
	want := resolve(t, strict, conflict("grow", "a", "b"))
	for range 600 {
		require.Equal(t, want, resolve(t, m, conflict("grow", "a", "b")), "growing beyond the limit fails inside the handler")
	}
	require.NoError(t, m.Doubt())
}

func TestFramesWithABufferOfTheirOwnAlwaysRunInAPristineInstance(t *testing.T) {
	m, _ := unreset(t, plugintest.Module(t, "verdicts"))
	strict := load(t, plugintest.Module(t, "verdicts"), plugins.Limits{})
	for _, n := range []int{10, 70_000, 10, 200_000, 70_000, 10} {
		in := conflict("s", strings.Repeat("v", n), "b")
		require.Equal(t, resolve(t, strict, in), resolve(t, m, in))
	}
	require.NoError(t, m.Doubt())
}

func TestAHostRemembersWhichModulesAreNotPure(t *testing.T) {
	h := newHost(t, plugins.Config{})
	limits := plugins.Limits{Reset: plugins.ResetNone}
	for round := range 2 {
		m, err := h.Load(t.Context(), plugintest.Module(t, "counter"), limits)
		require.NoError(t, err)
		require.Equal(t, round == 1, m.Doubt() != nil)
		first := resolve(t, m, conflict("k", "a", "b"))
		for range 10 {
			require.Equal(t, first, resolve(t, m, conflict("k", "a", "b")))
		}
		require.ErrorIs(t, m.Doubt(), plugins.ErrImpure)
		require.NoError(t, m.Close(t.Context()))
	}
}

func TestOneFindingIsAboutAllThatIsLoadedOfAModule(t *testing.T) {
	h := newHost(t, plugins.Config{Workers: 1})
	var loaded []*plugins.Module
	for _, fuel := range []uint64{1_000_000, 2_000_000} {
		m, err := h.Load(t.Context(), plugintest.Module(t, "counter"), plugins.Limits{Reset: plugins.ResetNone, Fuel: fuel})
		require.NoError(t, err)
		loaded = append(loaded, m)
	}
	other, err := h.Load(t.Context(), examples.Newest(), plugins.Limits{Reset: plugins.ResetNone})
	require.NoError(t, err)
	for _, m := range append(loaded, other) {
		resolve(t, m, conflict("k", "a", "b"))
		require.NoError(t, m.Doubt())
		require.Equal(t, 1, plugins.NumReused(m), "an instance waits as the call has left it")
	}
	resolve(t, loaded[0], conflict("k", "a", "b"))
	for _, m := range loaded {
		require.ErrorIs(t, m.Doubt(), plugins.ErrImpure)
		require.Zero(t, plugins.NumReused(m), "it is closed")
	}
	require.Same(t, loaded[0].Doubt(), loaded[1].Doubt(), "the finding is one")
	require.NoError(t, other.Doubt())
	require.Equal(t, 1, plugins.NumReused(other))
}

func TestReusedInstancesServeManyCallersAtOnce(t *testing.T) {
	m, err := newHost(t, plugins.Config{Workers: 3}).Load(t.Context(), examples.Newest(), plugins.Limits{Reset: plugins.ResetNone})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				v, err := m.Resolve(t.Context(), conflict("k", "a", "b"))
				if err != nil || string(v.Value) != "b" {
					t.Errorf("got %v, %v", v, err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, m.Doubt())
}

func TestUnknownResetsAreRefused(t *testing.T) {
	require.NoError(t, plugins.Limits{Reset: plugins.ResetNone}.Validate())
	require.ErrorIs(t, plugins.Limits{Reset: "sometimes"}.Validate(), plugins.ErrConfig)
}
