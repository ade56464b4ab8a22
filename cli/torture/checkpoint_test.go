package torture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
)

// showing is a picture of one key.
func showing(p place, s shown) picture {
	return picture{digest: "d", keys: map[place]shown{p: s}}
}

func TestNodesThatDifferInAnythingAreApart(t *testing.T) {
	t.Parallel()
	same := shown{ids: []string{"a", "b"}, state: engine.Resolved, value: "a\nb"}
	judged := place{judgedTable, keyOf(1)}
	require.NoError(t, compare([]picture{showing(judged, same), showing(judged, same)}))
	for says, other := range map[string]picture{
		"of judged/k1 n0 has [a b], n1 [a]":           showing(judged, shown{ids: []string{"a"}, state: engine.Resolved, value: "a\nb"}),
		`n0 shows resolved "a\nb", n1 kept "a\nb"`:    showing(judged, shown{ids: same.ids, state: engine.Kept, value: same.value}),
		`n0 shows resolved "a\nb", n1 resolved "b"`:   showing(judged, shown{ids: same.ids, state: engine.Resolved, value: "b"}),
		"n0 has 1 keys, n1 2":                         {digest: "d", keys: map[place]shown{judged: same, {judgedTable, "other"}: same}},
		"of judged/k1 n0 has [a b], n1 []":            {digest: "d", keys: map[place]shown{}},
		"show the same, and know different mutations": {digest: "e", keys: map[place]shown{judged: same}},
	} {
		err := compare([]picture{showing(judged, same), other})
		require.ErrorIs(t, err, errApart)
		require.ErrorContains(t, err, says)
	}
}

func TestViewThatIsWrongEverywhereIsFound(t *testing.T) {
	t.Parallel()
	wrong := shown{ids: []string{"a", "b"}, state: engine.Resolved, value: "b"}
	p := showing(place{judgedTable, keyOf(1)}, wrong)
	require.ErrorContains(t, compare([]picture{p, p}), "not the union")
	p = showing(place{latestTable, keyOf(1)}, wrong)
	require.NoError(t, compare([]picture{p, p}), "another table has no handler")
	long := shown{ids: []string{"a", "b"}, state: engine.Resolved, value: valueOf("a", true) + "\nb"}
	require.True(t, isUnion(long))
	p = showing(place{judgedTable, keyOf(1)}, shown{ids: wrong.ids, state: engine.Unavailable})
	require.ErrorContains(t, compare([]picture{p, p}), "cannot run")
}

func TestNodeIsWholeWhenItIsReadyAndSeesAllOthersReady(t *testing.T) {
	t.Parallel()
	r := &run{cluster: &cluster{nodes: make([]*node, 2)}}
	both := []engine.Member{{Name: "a", Connected: true, Ready: true}, {Name: "b", Connected: true, Ready: true}}
	require.NoError(t, r.whole(engine.Status{Ready: true, Members: both}))
	require.ErrorIs(t, r.whole(engine.Status{Members: both}), errApart)
	require.ErrorIs(t, r.whole(engine.Status{Ready: true, Members: both[:1]}), errApart)
	both[1].Ready = false
	require.ErrorContains(t, r.whole(engine.Status{Ready: true, Members: both}), "b (connected true, ready false)")
}

func TestWatchThatMissesAChangeIsFound(t *testing.T) {
	t.Parallel()
	key, other := place{plainTable, "k1"}, place{plainTable, "k2"}
	w := &watcher{table: plainTable}
	require.False(t, w.base(map[place][]string{key: {"a"}}), "it does not watch yet")
	w.begin()
	w.take(engine.Entry{Key: "k1", Siblings: []engine.Version{{Value: []byte("b")}, {Value: []byte("a")}}})
	_, differs := w.differs(map[place][]string{key: {"a", "b"}, other: {"x"}})
	require.False(t, differs, "it may have begun after the other key was written")
	missed, differs := w.differs(map[place][]string{key: {"c"}})
	require.True(t, differs)
	require.Equal(t, "k1", missed)

	now := map[place][]string{key: {"a", "b"}, other: {"x"}, {judgedTable, "k3"}: {"y"}}
	require.False(t, w.base(now), "it began after the checkpoint before")
	require.True(t, w.base(now))
	missed, differs = w.differs(map[place][]string{key: {"a", "b"}, other: {"z"}})
	require.True(t, differs)
	require.Equal(t, "k2", missed)
	missed, differs = w.differs(map[place][]string{key: {"a", "b"}, other: {"x"}, {plainTable, "k4"}: {"new"}})
	require.True(t, differs)
	require.Equal(t, "k4", missed)
	w.take(engine.Entry{Key: "k2"})
	_, differs = w.differs(map[place][]string{key: {"a", "b"}})
	require.False(t, differs, "k2 is deleted")

	w.forget()
	_, differs = w.differs(map[place][]string{key: {"c"}})
	require.False(t, differs, "the watch broke")
}

func TestSecondRestartForOneConflictIsOneTooManyWhenAllWasCalm(t *testing.T) {
	t.Parallel()
	l := restartLedger{by: map[string][]string{}, limits: map[string]int{}}
	conflict := engine.Conflict{ID: "x", Key: poisonKey, SHA256: "s", Restarted: "n0"}
	require.Equal(t, 1, l.add(conflict, true, 5))
	require.Equal(t, 0, l.add(conflict, true, 5), "another node tells the same")
	require.Empty(t, l.tooMany())
	conflict.Restarted = "n1"
	require.Equal(t, 0, l.add(conflict, true, 5))
	require.Len(t, l.tooMany(), 1)

	l = restartLedger{by: map[string][]string{}, limits: map[string]int{}}
	require.Equal(t, 1, l.add(conflict, false, 5))
	conflict.Restarted = "n0"
	require.Equal(t, 0, l.add(conflict, false, 5))
	require.Empty(t, l.tooMany(), "each island may have one")
}

func TestLogOfANodeIsKeptAndAnAlarmInItIsABrokenPromise(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "n0.log")
	log, err := os.Create(path)
	require.NoError(t, err)
	n, h := &node{name: "n0", log: log}, newHistory(2)
	w := newLineWriter(func(line string) { n.hear(line, h) })
	text := `node n0 of cluster c: HTTP on 127.0.0.1:1, routes on 127.0.0.1:2, known to others as 127.0.0.1:3
level=INFO msg="member down" node=n0 peer=n1 incarnation=x
`
	for _, part := range []string{text[:20], text[20:150], text[150:]} {
		written, err := w.Write([]byte(part))
		require.NoError(t, err)
		require.Equal(t, len(part), written)
	}
	require.Equal(t, [2]string{"127.0.0.1:1", "127.0.0.1:2"}, <-w.listens)
	require.Equal(t, []string{"n1"}, n.takeDowns())
	require.Empty(t, n.takeDowns())
	require.Empty(t, h.violations())
	_, err = w.Write([]byte("level=ERROR msg=alarm node=n0\n"))
	require.NoError(t, err)
	require.Len(t, h.violations(), 1)
	require.Contains(t, h.violations()[0], "node n0 says")
	require.NoError(t, log.Close())
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, text+"level=ERROR msg=alarm node=n0\n", string(kept))
}

func TestNodesAreNotConfiguredByTheEnvironment(t *testing.T) {
	t.Setenv("KVNODE_NATS_URL", "nats://elsewhere")
	for _, entry := range environment() {
		require.False(t, strings.HasPrefix(entry, "KVNODE_"), entry)
	}
	require.NotEmpty(t, environment())
}

func TestOptionsThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{Nodes: 1}, {Nodes: 10}, {Duration: -1}, {Clients: -1}} {
		_, err := Run(t.Context(), o)
		require.ErrorIs(t, err, ErrOptions)
	}
}

func TestProgramThatIsNoNodeIsAnErrorAndNoBrokenPromise(t *testing.T) {
	t.Parallel()
	report, err := Run(t.Context(), Options{Program: "true", Logs: t.TempDir(), Nodes: 2})
	require.ErrorIs(t, err, ErrCluster)
	require.Empty(t, report.Violations)
	_, err = Run(t.Context(), Options{Program: "/nosuch", Logs: t.TempDir(), Nodes: 2})
	require.ErrorIs(t, err, os.ErrNotExist)
}
