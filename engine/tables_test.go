package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

func TestCreateTableIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		put(t, c.Node("a"), "carts", "k", "1")
		again, err := c.Node("b").CreateTable(t.Context(), "carts", engine.TableOptions{})
		require.NoError(t, err)
		require.Equal(t, uint64(1), again.Epoch)
		everywhere(t, c, "k", "1")
	})
}

func TestCreateTableWithOtherOptionsIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		before := digest(t, c.Node("b"))
		_, err := c.Node("b").CreateTable(t.Context(), "carts", engine.TableOptions{Unresolved: engine.LWW})
		require.ErrorIs(t, err, engine.ErrTableExists)
		require.Equal(t, before, digest(t, c.Node("b")))
		require.Equal(t, engine.Keep, info(t, c.Node("b"), "carts").Options.Unresolved)
	})
}

func TestBothSidesOfASplitCreateOneTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b", "c")
		isolate(c)
		create(t, c.Node("a"), "carts", "")
		create(t, c.Node("b"), "carts", "")
		put(t, c.Node("a"), "carts", "ka", "a")
		put(t, c.Node("c"), "carts", "kc", "c")
		c.Converge()
		everywhere(t, c, "ka", "a")
		everywhere(t, c, "kc", "c")
		require.Zero(t, c.Count(engine.EventOptionsDiffer))
		require.Empty(t, info(t, c.Node("b"), "carts").RejectedOptions)
	})
}

func TestOptionsOfTheEarlierCreatorHoldAfterASplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b", "c")
		isolate(c)
		first, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Type: engine.OrderedSet, Unresolved: engine.LWW})
		require.NoError(t, err)
		c.Pass(time.Second)
		second, err := c.Node("b").CreateTable(t.Context(), "carts", engine.TableOptions{Ack: engine.AckQuorum})
		require.NoError(t, err)
		put(t, c.Node("a"), "carts", "k2", "a")
		put(t, c.Node("b"), "carts", "k1", "b")
		put(t, c.Node("b"), "carts", "k3", "b")
		c.Converge()
		for _, name := range c.Names() {
			i := info(t, c.Node(name), "carts")
			require.Equal(t, first.Options, i.Options, name)
			require.Equal(t, []engine.TableOptions{second.Options}, i.RejectedOptions, name)
			require.NotEmpty(t, eventsOf(c, name, engine.EventOptionsDiffer), name)
			require.Equal(t, []string{"k1", "k2", "k3"}, matched(t, c.Node(name), "carts", engine.Pattern{}), name)
		}
	})
}

func TestDataOfASideThatCreatedTheTableLocalSpreadsWhenReplicatedOptionsHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b")
		isolate(c)
		create(t, c.Node("a"), "carts", "")
		c.Pass(time.Second)
		_, err := c.Node("b").CreateTable(t.Context(), "carts", engine.TableOptions{Local: true})
		require.NoError(t, err)
		put(t, c.Node("b"), "carts", "k", "b")
		c.Converge()
		require.False(t, info(t, c.Node("b"), "carts").Options.Local)
		everywhere(t, c, "k", "b")
	})
}

func TestDropWinsOverConcurrentWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "1")
		isolate(c)
		require.NoError(t, c.Node("a").DropTable(t.Context(), "carts"))
		put(t, c.Node("b"), "carts", "k", "2")
		c.Converge()
		for _, name := range c.Names() {
			_, err := c.Node(name).Get(t.Context(), "carts", "k")
			require.ErrorIs(t, err, engine.ErrNoTable, name)
			require.Len(t, eventsOf(c, name, engine.EventTableDropped), 1, name)
		}
	})
}

func TestTableCreatedAgainIsEmptyAlsoWhereTheOldOneWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "1")
		isolate(c)
		require.NoError(t, c.Node("a").DropTable(t.Context(), "carts"))
		create(t, c.Node("a"), "carts", "")
		put(t, c.Node("a"), "carts", "new", "a")
		put(t, c.Node("b"), "carts", "k", "2")
		c.Converge()
		for _, name := range c.Names() {
			require.Equal(t, uint64(2), info(t, c.Node(name), "carts").Epoch, name)
			require.Equal(t, []string{"new"}, matched(t, c.Node(name), "carts", engine.Pattern{}), name)
		}
	})
}

func TestConcurrentReCreationWinsOverADrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		isolate(c)
		require.NoError(t, c.Node("b").DropTable(t.Context(), "carts"))
		create(t, c.Node("b"), "carts", "")
		put(t, c.Node("b"), "carts", "k", "b")
		require.NoError(t, c.Node("a").DropTable(t.Context(), "carts"))
		c.Converge()
		everywhere(t, c, "k", "b")
	})
}

func TestWriteToATableThatAPeerDoesNotKnowYetIsRepairedAndAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b")
		c.Net().CutLink("a", "b")
		_, err := c.Node("a").CreateTable(t.Context(), "late", engine.TableOptions{})
		require.ErrorIs(t, err, engine.ErrNotAcknowledged)
		c.Net().Heal()
		put(t, c.Node("a"), "late", "k", "1")
		require.Equal(t, "1", c.Node("b").Value(t.Context(), "late", "k"))
		require.Equal(t, 1, info(t, c.Node("b"), "late").Keys)
	})
}

func TestBadTableNamesAndOptionsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a")
		for _, name := range []string{"", "-a", ".a", "a b", "a/b", "käse", strings.Repeat("a", 129)} {
			_, err := c.Node("a").CreateTable(t.Context(), name, engine.TableOptions{})
			require.ErrorIs(t, err, engine.ErrBadTableName, name)
		}
		for _, o := range []engine.TableOptions{{Type: "bag"}, {Ack: "most"}, {Unresolved: "first"}, {Handler: "a b"}} {
			_, err := c.Node("a").CreateTable(t.Context(), "t", o)
			require.ErrorIs(t, err, engine.ErrBadOption, "%v", o)
		}
		tables, err := c.Node("a").Tables(t.Context())
		require.NoError(t, err)
		require.Empty(t, tables)
		_, err = c.Node("a").CreateTable(t.Context(), strings.Repeat("a", 128), engine.TableOptions{})
		require.NoError(t, err)
	})
}

func TestLocalTableStaysLocal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b")
		_, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Local: true})
		require.NoError(t, err)
		w, err := c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("a")}})
		require.NoError(t, err)
		require.Equal(t, 1, w.Acked)
		put(t, c.Node("b"), "carts", "k", "b")
		c.Pass(5 * time.Second)
		require.Equal(t, "a", c.Node("a").Value(t.Context(), "carts", "k"))
		require.Equal(t, "b", c.Node("b").Value(t.Context(), "carts", "k"))
		require.Zero(t, info(t, c.Node("a"), "carts").Unstable)
	})
}

func TestClearRemovesOnlyWhatThisNodeHasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		put(t, c.Node("a"), "carts", "old", "1")
		put(t, c.Node("a"), "carts", "changed", "1")
		isolate(c)
		put(t, c.Node("b"), "carts", "new", "b")
		put(t, c.Node("b"), "carts", "changed", "b")
		require.NoError(t, c.Node("a").ClearTable(t.Context(), "carts"))
		require.Zero(t, info(t, c.Node("a"), "carts").Keys)
		c.Converge()
		everywhere(t, c, "old", "(key not found)")
		everywhere(t, c, "new", "b")
		everywhere(t, c, "changed", "b")
	})
}

func TestUnknownTableIsNamedByEveryVerb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		n, ctx := c.Node("a"), t.Context()
		_, err := n.Get(ctx, "none", "k")
		require.ErrorIs(t, err, engine.ErrNoTable)
		_, err = n.Put(ctx, "none", []engine.KV{{Key: "k"}})
		require.ErrorIs(t, err, engine.ErrNoTable)
		_, err = n.Delete(ctx, "none", []string{"k"})
		require.ErrorIs(t, err, engine.ErrNoTable)
		_, err = n.Table(ctx, "none")
		require.ErrorIs(t, err, engine.ErrNoTable)
		_, err = n.Activate(ctx, "none", "carts")
		require.ErrorIs(t, err, engine.ErrNoTable)
		require.ErrorIs(t, n.DropTable(ctx, "none"), engine.ErrNoTable)
		require.ErrorIs(t, n.ClearTable(ctx, "none"), engine.ErrNoTable)
		for _, err := range n.Match(ctx, "none", engine.Pattern{}) {
			require.ErrorIs(t, err, engine.ErrNoTable)
		}
		for _, err := range n.Watch(ctx, "none", engine.Pattern{}) {
			require.ErrorIs(t, err, engine.ErrNoTable)
		}
	})
}
