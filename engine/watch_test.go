package engine_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// watching is a watch of carts whose changes arrive in a channel, as "key=value", "key deleted", or the error that ends it.
type watching struct {
	t    *testing.T
	news chan string
	ends chan error
}

func watch(t *testing.T, n *enginetest.Node, p engine.Pattern) watching {
	t.Helper()
	w := watching{t: t, news: make(chan string, 100), ends: make(chan error, 1)}
	changes := n.Watch(t.Context(), "carts", p)
	go func() {
		for change, err := range changes {
			switch {
			case err != nil:
				w.ends <- err
			case change.Deleted:
				w.news <- change.Entry.Key + " deleted"
			default:
				w.news <- change.Entry.Key + "=" + string(change.Entry.Value)
			}
		}
	}()
	return w
}

// next expects a change.
func (w watching) next(want string) {
	w.t.Helper()
	select {
	case got := <-w.news:
		require.Equal(w.t, want, got)
	case err := <-w.ends:
		require.NoError(w.t, err)
	case <-time.After(10 * time.Second):
		require.Fail(w.t, "no change arrived", "waited for %s", want)
	}
}

// end expects the end of the watch, and nothing before it.
func (w watching) end(want error) {
	w.t.Helper()
	select {
	case err := <-w.ends:
		require.ErrorIs(w.t, err, want)
		require.Empty(w.t, w.news)
	case <-time.After(10 * time.Second):
		require.Fail(w.t, "the watch does not end", "waited for %v", want)
	}
}

func TestWatchSeesPutsAndDeletesOfAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		w := watch(t, c.Node("a"), engine.Pattern{Key: "k*"})
		put(t, c.Node("a"), "carts", "k1", "1")
		w.next("k1=1")
		put(t, c.Node("b"), "carts", "other", "x")
		put(t, c.Node("b"), "carts", "k2", "2")
		w.next("k2=2")
		_, err := c.Node("b").Delete(t.Context(), "carts", []string{"k1"})
		require.NoError(t, err)
		w.next("k1 deleted")
		require.NoError(t, c.Node("a").ClearTable(t.Context(), "carts"))
		w.next("k2 deleted")
		require.Empty(t, w.news)
	})
}

func TestWatchSelectsByValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		w := watch(t, c.Node("a"), engine.Pattern{Value: `{"n":2}`})
		put(t, c.Node("a"), "carts", "k", `{"n":1}`)
		put(t, c.Node("a"), "carts", "l", `{"n":2}`)
		w.next(`l={"n":2}`)
		require.Empty(t, w.news)
	})
}

func TestWatchSeesTheHandlersViewOfAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		put(t, c.Node("a"), "carts", "k", "x")
		isolate(c)
		w := watch(t, c.Node("b"), engine.Pattern{})
		put(t, c.Node("b"), "carts", "k", "b")
		w.next("k=b")
		put(t, c.Node("a"), "carts", "k", "a")
		c.Converge()
		w.next("k=a,b")
	})
}

func TestWatchEndsWhenTheTableIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		w := watch(t, c.Node("a"), engine.Pattern{})
		require.NoError(t, c.Node("b").DropTable(t.Context(), "carts"))
		w.end(engine.ErrNoTable)
	})
}

func TestWatchWhoseReaderIsBehindShowsTheLastChangeAndEndsWhenTheTableIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		changes := c.Node("a").Watch(ctx, "carts", engine.Pattern{})
		put(t, c.Node("a"), "carts", "k", "1")
		require.NoError(t, c.Node("a").DropTable(t.Context(), "carts"))
		var seen []string
		for change, err := range changes {
			if err != nil {
				require.ErrorIs(t, err, engine.ErrNoTable)
				continue
			}
			seen = append(seen, change.Entry.Key)
		}
		require.Equal(t, []string{"k"}, seen)
	})
}

func TestWatchEndsWhenTheNodeCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		w := watch(t, c.Node("a"), engine.Pattern{})
		c.Crash("a")
		w.end(engine.ErrClosed)
	})
}

func TestWatchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range c.Node("a").Watch(ctx, "carts", engine.Pattern{}) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	})
}

func TestWatchOfASlowReaderEndsOverloadedAndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		changes := c.Node("a").Watch(ctx, "carts", engine.Pattern{})
		kvs := make([]engine.KV, engine.MaxBatch)
		for batch := range 7 {
			for i := range kvs {
				kvs[i] = engine.KV{Key: strconv.Itoa(batch*engine.MaxBatch + i)}
			}
			_, err := c.Node("a").Put(t.Context(), "carts", kvs)
			require.NoError(t, err)
		}
		for _, err := range changes {
			require.ErrorIs(t, err, engine.ErrOverloaded)
		}
	})
}

func TestWatchShowsTheNewestStateOfAKeyThatChangesOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		changes := c.Node("a").Watch(t.Context(), "carts", engine.Pattern{})
		for i := range 100 {
			put(t, c.Node("a"), "carts", "k", strconv.Itoa(i))
		}
		for change, err := range changes {
			require.NoError(t, err)
			require.Equal(t, "99", string(change.Entry.Value))
			break
		}
	})
}

func TestWatchShowsTheViewUnderTheOptionsThatHoldAfterASplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b")
		for _, module := range []string{"union", "latest"} {
			_, err := c.Node("a").InstallPlugin(t.Context(), module, []byte(module), engine.Limits{})
			require.NoError(t, err)
		}
		isolate(c)
		handlers := map[string]string{"a": "union", "b": "latest"}
		for _, node := range c.Names() { // a is the first, so its options hold
			_, err := c.Node(node).CreateTable(t.Context(), "carts", engine.TableOptions{Handler: handlers[node]})
			require.NoError(t, err)
			c.Pass(time.Second)
			put(t, c.Node(node), "carts", "k", node)
		}
		w := watch(t, c.Node("b"), engine.Pattern{})
		c.Converge()
		c.Pass(5 * time.Second)
		everywhere(t, c, "k", "a,b")
		var last string
		for len(w.news) > 0 {
			last = <-w.news
		}
		require.Equal(t, "k=a,b", last)
	})
}

func TestWatchShowsTheHandlersViewOnceItsModuleHasArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		plugins, err := c.Node("a").Plugins(t.Context())
		require.NoError(t, err)
		require.NoError(t, engine.LoseModule(c.Node("a").Engine, plugins[0].SHA256))
		c.StartAll("c")
		isolate(c)
		w := watch(t, c.Node("c"), engine.Pattern{})
		put(t, c.Node("a"), "carts", "k", "a")
		c.Pass(time.Second)
		put(t, c.Node("b"), "carts", "k", "b")
		w.next("k=b")
		c.Converge()
		c.Pass(5 * time.Second)
		require.Equal(t, engine.Unavailable, get(t, c.Node("c"), "k").State)
		for len(w.news) > 0 {
			<-w.news
		}
		_, err = c.Node("a").InstallPlugin(t.Context(), "union", []byte("union"), engine.Limits{})
		require.NoError(t, err)
		w.next("k=a,b")
	})
}
