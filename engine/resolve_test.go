package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// openConflict is the one conflict that is open.
func openConflict(t *testing.T, n *enginetest.Node) engine.Conflict {
	t.Helper()
	all, err := n.Conflicts(t.Context(), engine.OnlyOpen())
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

func TestResolvingByHandReplacesTheSiblingsEverywhere(t *testing.T) {
	for want, r := range map[string]engine.Resolution{
		"by hand":         {Value: []byte("by hand")},
		"":                {Value: []byte{}},
		"1":               {Pick: 1},
		"2":               {Pick: 2},
		"(key not found)": {Delete: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := open(t, "keep", "a", "b", "c")
			fork(t, c.Node("a"), "k", "1", "2")
			c.Pass(5 * time.Second)
			id := openConflict(t, c.Node("b")).ID
			written, err := c.Node("b").Resolve(t.Context(), id[:6], r)
			require.NoError(t, err)
			require.Equal(t, 3, written.Acked, "at the table's level")
			require.Len(t, written.Previous[0].Siblings, 2)
			everywhere(t, c, "k", want)
			for _, name := range c.Names() {
				entry, err := c.Node(name).Conflict(t.Context(), id)
				require.NoError(t, err)
				require.False(t, entry.Open)
				require.Zero(t, info(t, c.Node(name), "carts").Conflicts)
			}
			_, err = c.Node("a").Resolve(t.Context(), id, r)
			require.ErrorIs(t, err, engine.ErrNotOpen)
		})
	}
}

func TestAConflictThatGotAnotherVersionIsNotResolvedAsTheOldOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "keep", "a", "b")
		before := token(t, c.Node("a"), "carts", "k")
		for _, v := range []string{"1", "2"} {
			put(t, c.Node("a"), "carts", "k", v, engine.WithContext(before))
		}
		old := openConflict(t, c.Node("a"))
		put(t, c.Node("a"), "carts", "k", "3", engine.WithContext(before))
		_, err := c.Node("a").Resolve(t.Context(), old.ID, engine.Resolution{Delete: true})
		require.ErrorIs(t, err, engine.ErrNotOpen)
		require.Len(t, get(t, c.Node("b"), "k").Siblings, 3)
		require.NotEqual(t, old.ID, openConflict(t, c.Node("a")).ID)
		require.NoError(t, c.Node("a").DropTable(t.Context(), "carts"))
		_, err = c.Node("a").Resolve(t.Context(), old.ID, engine.Resolution{Delete: true})
		require.ErrorIs(t, err, engine.ErrNotOpen)
	})
}

func TestAResolutionLeavesWhatTheOtherSideOfASplitWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		isolate(c)
		put(t, c.Node("b"), "carts", "k", "b")
		_, err := c.Node("a").Resolve(t.Context(), openConflict(t, c.Node("a")).ID, engine.Resolution{Value: []byte("a")})
		require.NoError(t, err)
		c.Converge()
		everywhere(t, c, "k", "a,b")
	})
}

func TestAResolutionThatSaysNothingOrTooMuchIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "keep", "a")
		fork(t, c.Node("a"), "k", "1", "2")
		id := openConflict(t, c.Node("a")).ID
		for _, r := range []engine.Resolution{{}, {Pick: 3}, {Pick: -1}, {Pick: 1, Delete: true}, {Value: []byte("v"), Pick: 1}} {
			_, err := c.Node("a").Resolve(t.Context(), id, r)
			require.ErrorIs(t, err, engine.ErrBadResolution)
		}
		_, err := c.Node("a").Resolve(t.Context(), id, engine.Resolution{Value: make([]byte, engine.MaxValueBytes+1)})
		require.ErrorIs(t, err, engine.ErrValueTooLarge)
		_, err = c.Node("a").Resolve(t.Context(), "ffff", engine.Resolution{Pick: 1})
		require.ErrorIs(t, err, engine.ErrNoConflict)
		require.Len(t, get(t, c.Node("a"), "k").Siblings, 2)
	})
}

func TestSettlingWritesWhatReadersSee(t *testing.T) {
	for handler, want := range map[string]struct {
		value string
		done  engine.Settlement
	}{
		"union":  {"1,2", engine.Settlement{Settled: 3, Single: 1}},
		"delete": {"(key not found)", engine.Settlement{Settled: 3, Single: 1}},
		"keep":   {"2", engine.Settlement{Kept: 2, Settled: 1, Single: 1}},
		"fail":   {"2", engine.Settlement{Failed: 2, Settled: 1, Single: 1}},
		"broken": {"2", engine.Settlement{Unavailable: 2, Settled: 1, Single: 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := open(t, handler, "a", "b", "c")
			for _, key := range []string{"k", "l"} {
				fork(t, c.Node("a"), key, "1", "2")
			}
			isolate(c)
			for _, name := range []string{"a", "b"} {
				put(t, c.Node(name), "carts", "same", "v")
			}
			put(t, c.Node("b"), "carts", "plain", "v")
			c.Converge()
			done, err := c.Node("b").Settle(t.Context(), "carts", "k", "l", "same", "plain")
			require.NoError(t, err)
			require.Equal(t, want.done, done)
			everywhere(t, c, "k", want.value)
			everywhere(t, c, "same", "v")
			require.Equal(t, 3-done.Settled, info(t, c.Node("c"), "carts").Conflicts)
		})
	}
}

func TestSettlingATableSettlesAllItsConflictsAndNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		keys := make([]engine.KV, 600)
		for i := range keys {
			keys[i] = engine.KV{Key: string(rune('A' + i)), Value: []byte("a")}
		}
		isolate(c)
		_, err := c.Node("a").Put(t.Context(), "carts", keys)
		require.NoError(t, err)
		for i := range keys {
			keys[i].Value = []byte("b")
		}
		_, err = c.Node("b").Put(t.Context(), "carts", keys)
		require.NoError(t, err)
		c.Converge()
		done, err := c.Node("a").Settle(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, engine.Settlement{Settled: 600}, done)
		for _, name := range c.Names() {
			require.Zero(t, info(t, c.Node(name), "carts").Conflicts)
		}
		everywhere(t, c, "A", "a,b")
		again, err := c.Node("b").Settle(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, engine.Settlement{}, again)
	})
}

func TestSettlingOnBothSidesOfASplitEndsInOneValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2")
		isolate(c)
		for _, name := range c.Names() {
			done, err := c.Node(name).Settle(t.Context(), "carts")
			require.NoError(t, err)
			require.Equal(t, 1, done.Settled)
		}
		c.Converge()
		everywhere(t, c, "k", "1,2")
		require.Equal(t, engine.Single, get(t, c.Node("a"), "k").State, "equal bytes are no conflict")
	})
}

func TestSettlingNeedsATableAndKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		_, err := c.Node("a").Settle(t.Context(), "nosuch")
		require.ErrorIs(t, err, engine.ErrNoTable)
		_, err = c.Node("a").Settle(t.Context(), "carts", "")
		require.ErrorIs(t, err, engine.ErrBadKey)
	})
}

func TestTheJournalIsNarrowedDownNewestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "keep", "a")
		create(t, c.Node("a"), "lists", "")
		for _, key := range []string{"k", "l", "m"} {
			fork(t, c.Node("a"), key, "1", "2")
		}
		put(t, c.Node("a"), "carts", "m", "over")
		keysOf := func(opts ...engine.JournalOption) (keys []string) {
			all, err := c.Node("a").Conflicts(t.Context(), opts...)
			require.NoError(t, err)
			for _, entry := range all {
				keys = append(keys, entry.Key)
			}
			return keys
		}
		require.Equal(t, []string{"m", "l", "k"}, keysOf())
		require.Equal(t, []string{"l", "k"}, keysOf(engine.OnlyOpen(), engine.OfTable("carts")))
		require.Equal(t, []string{"l"}, keysOf(engine.OnlyOpen(), engine.AtMost(1)))
		require.Empty(t, keysOf(engine.OfTable("lists")))
		_, err := c.Node("a").Conflicts(t.Context(), engine.OfTable("list"))
		require.ErrorIs(t, err, engine.ErrNoTable, "a misspelt name is not an empty journal")
	})
}

func TestRunsOfAModuleAreCounted(t *testing.T) {
	for module, want := range map[string]engine.RunStats{
		"union":  {Runs: 1, Values: 1},
		"delete": {Runs: 1, Deletes: 1},
		"keep":   {Runs: 1, Keeps: 1},
		"fail":   {Runs: 1, Errors: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := open(t, module, "a")
			fork(t, c.Node("a"), "k", "1", "2")
			for range 3 { // the view is computed once
				_, _ = c.Node("a").Get(t.Context(), "carts", "k")
			}
			full, err := c.Node("a").Plugin(t.Context(), "carts")
			require.NoError(t, err)
			require.Equal(t, &want, full[0].Runs)
		})
	}
}

func TestRunsAreCountedOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "trap", "a")
		fork(t, c.Node("a"), "k", "1", "2")
		restart(t, c, 1)
		full, err := c.Node("a").Plugin(t.Context(), "carts")
		require.NoError(t, err)
		require.Equal(t, &engine.RunStats{Runs: 1, Traps: 1}, full[0].Runs)
	})
}

func TestAnEntryKnowsWhatAHandlerIsGiven(t *testing.T) {
	entry := engine.Conflict{Versions: []engine.Version{{Value: []byte("1"), Stamp: 1}, {Value: []byte("2"), Stamp: 2}, {Value: []byte("1"), Stamp: 3}}}
	require.Equal(t, entry.Versions[1:], entry.Inputs())
}
