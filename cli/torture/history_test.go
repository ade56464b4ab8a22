package torture

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
)

// story drives a history of one key as clients of two nodes would.
type story struct {
	*history

	t *testing.T
}

func at() place { return place{plainTable, keyOf(1)} }

func newStory(t *testing.T) story {
	t.Helper()
	return story{t: t, history: newHistory(3)}
}

// wrote records a write with its whole answer. Without a token it replaces what the node held.
func (s story) wrote(id string, acked int, t *token, previous ...string) {
	s.t.Helper()
	e := &event{id: id, place: at(), what: id}
	s.begin(e, t)
	s.end(e, t, false, answer{outcome: written, acked: acked, told: true, previous: previous})
}

func (s story) deletes(id string, acked int, t *token, previous ...string) {
	s.t.Helper()
	e := &event{id: id, place: at(), what: id, deleted: true}
	s.begin(e, t)
	s.end(e, t, false, answer{outcome: written, acked: acked, told: true, previous: previous})
}

// sends records a write without an answer that tells.
func (s story) sends(id string, o outcome) {
	s.t.Helper()
	e := &event{id: id, place: at(), what: id}
	s.begin(e, nil)
	s.end(e, nil, false, answer{outcome: o, why: errors.New("why")})
}

func (s story) reads(values ...string) *token {
	s.t.Helper()
	now := s.moment()
	return &token{seen: s.read(at(), "a node", values), at: now}
}

func (s story) loses() { s.endLoss(s.beginLoss()) }

func (s story) holds(values ...string) {
	s.t.Helper()
	agreed := map[place][]string{}
	if len(values) > 0 {
		agreed[at()] = values
	}
	s.checkpoint(agreed)
}

func (s story) isClean() {
	s.t.Helper()
	require.Empty(s.t, s.violations())
}

func (s story) isCaught(says string) {
	s.t.Helper()
	require.Contains(s.t, strings.Join(s.violations(), "\n"), says)
}

func TestConcurrentWritesStayAndCoveredOnesGo(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.wrote("a", 3, nil)
	seen := s.reads("a")
	s.wrote("b", 2, seen, "a")
	s.wrote("c", 2, seen, "b")
	s.reads("b", "c")
	s.holds("b", "c")
	s.wrote("d", 3, s.reads("b", "c"), "b", "c")
	s.deletes("e", 3, nil, "d")
	s.holds()
	s.isClean()
}

func TestAcknowledgedWriteThatIsMissingIsFound(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.wrote("a", 2, nil)
	s.loses()
	s.holds()
	s.isCaught("a is lost")
}

func TestWriteThatACheckpointFoundIsEverywhere(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.wrote("a", 1, nil)
	s.holds("a")
	s.loses()
	s.loses()
	s.holds()
	s.isCaught("a is lost")
}

func TestWriteOfWhichEveryHolderLostItsMemoryMayBeMissing(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.wrote("a", 2, nil)
	s.loses()
	s.loses()
	s.holds()
	s.isClean()
}

func TestLossThatWasOverBeforeAWriteBeganDoesNotCount(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.loses()
	s.wrote("a", 1, nil)
	s.holds()
	s.isCaught("a is lost")
}

func TestLossUnderWayCountsForWritesThatBeginMeanwhile(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	l := s.beginLoss()
	s.wrote("a", 1, nil)
	s.endLoss(l)
	s.holds()
	s.isClean()
}

func TestMissingWriteIsExcusedByWhatMayHaveReplacedIt(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(s story) []string{
		"a put that is there": func(s story) []string {
			s.wrote("b", 1, nil, "a")
			return []string{"b"}
		},
		"a put through another": func(s story) []string {
			s.wrote("b", 1, nil, "a")
			s.wrote("c", 1, nil, "b")
			return []string{"c"}
		},
		"a delete": func(s story) []string {
			s.deletes("b", 1, nil, "a")
			return nil
		},
		"a put of unknown outcome that is there": func(s story) []string {
			s.sends("b", unknown)
			return []string{"b"}
		},
		"a put through one of unknown outcome": func(s story) []string {
			s.sends("b", unknown)
			s.wrote("c", 1, nil, "b")
			return []string{"c"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			s.wrote("a", 3, nil)
			s.holds(replace(s)...)
			s.isClean()
		})
	}
}

func TestMissingWriteIsNotExcusedByWhatCannotHaveReplacedIt(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]func(s story) []string{
		"a concurrent put": func(s story) []string {
			s.wrote("b", 3, &token{})
			return []string{"b"}
		},
		"a delete that had not seen it": func(s story) []string {
			s.deletes("b", 3, &token{})
			return nil
		},
		"a refused write": func(s story) []string {
			s.sends("b", refused)
			return nil
		},
		"a write of unknown outcome that is not there": func(s story) []string {
			s.sends("b", unknown)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			s.wrote("a", 3, nil)
			s.holds(others(s)...)
			s.isCaught("a is lost")
		})
	}
}

func TestWriteThatBeganAfterAnUnknownOneEndedIsNotExcusedByIt(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.sends("b", unknown)
	s.wrote("a", 3, nil)
	s.holds("b")
	s.isCaught("a is lost")
}

func TestReplacedVersionThatIsThereIsFound(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.wrote("a", 3, nil)
	s.wrote("b", 2, nil, "a")
	s.wrote("c", 2, nil, "b")
	s.holds("a")
	s.isCaught("a, which c has replaced")
}

func TestDeletedVersionThatIsThereIsFound(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.wrote("a", 3, nil)
	s.deletes("b", 2, s.reads("a"), "a")
	s.holds("a")
	s.isCaught("a, which b has replaced or deleted")
}

func TestDeleteThatMayBeLostExcusesTheVersion(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.wrote("a", 3, nil)
	s.deletes("b", 1, s.reads("a"), "a")
	s.loses()
	s.holds("a")
	s.isClean()
}

func TestVersionBesideWhatReplacedItIsFoundAtOnce(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.wrote("a", 1, nil)
	s.wrote("b", 1, nil, "a")
	s.reads("a", "b")
	s.isCaught("a beside a version that has replaced it")
}

func TestVersionThatComesBackAfterACheckpointIsFound(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.wrote("a", 1, nil)
	s.deletes("b", 1, nil, "a")
	s.holds()
	s.isClean()
	s.reads("a")
	s.isCaught("shows a again")
}

func TestWriteOfUnknownOutcomeMayComeLate(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.sends("a", unknown)
	s.holds()
	s.reads("a")
	s.holds("a")
	s.isClean()
	s.sends("b", unknown)
	s.holds("a")
	s.holds("a")
	s.isClean()
	s.reads("b")
	s.isCaught("shows b again")
}

func TestWhatNobodyWroteIsFound(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.reads("a")
	s.isCaught("which nobody wrote there")

	s = newStory(t)
	e := &event{id: "a", place: place{plainTable, "other"}}
	s.begin(e, nil)
	s.reads("a")
	s.isCaught("which nobody wrote there")

	s = newStory(t)
	s.checkpoint(map[place][]string{at(): {"a"}})
	s.isCaught("which nobody wrote there")
}

func TestRefusedWriteThatIsThereIsFound(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.sends("a", refused)
	s.reads("a")
	s.isCaught("a, which was refused")

	s = newStory(t)
	e := &event{id: "a", place: at()}
	s.begin(e, nil)
	s.reads("a")
	s.isClean()
	s.end(e, nil, false, answer{outcome: refused, why: errors.New("why")})
	s.isCaught("a was refused, and somebody has seen it")
}

func TestConditionalWriteThatReplacedWhatItsClientCannotHaveSeenIsFound(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.wrote("a", 3, nil)
	seen := s.reads("a")
	s.wrote("b", 3, nil, "a")
	e := &event{id: "c", place: at()}
	s.begin(e, seen)
	s.end(e, seen, true, answer{outcome: written, acked: 3, told: true, previous: []string{"b"}})
	s.isCaught("the conditional write c was taken, although the node held b")
}

func TestViolationTellsTheStoryOfItsKey(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.wrote("a", 3, nil)
	s.wrote("b", 3, &token{}, "a")
	s.holds("b")
	s.isCaught("plain/k1: a is lost")
	require.Equal(t, 2, strings.Count(s.violations()[0], "\n"))
	require.Contains(t, s.violations()[0], "b: written, at 3 nodes, replaces []")
}

func TestErrorsSayWhatTheyPromise(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]outcome{
		nil:                       written,
		engine.ErrNotAcknowledged: written,
		engine.ErrNoQuorum:        refused,
		engine.ErrConflict:        refused,
		engine.ErrNotReady:        refused,
		engine.ErrClosed:          refused,
		rest.ErrUnreachable:       unknown,
		rest.ErrPeerFailed:        unknown,
	} {
		require.Equal(t, want, judge(err).outcome, "%v", err)
	}
	require.Equal(t, 1, judge(engine.ErrNotAcknowledged).acked)
}
