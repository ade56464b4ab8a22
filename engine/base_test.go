package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
	"github.com/kvnode/kvnode/engine/replica"
)

// churn is clients that write keys of carts over and over, at any node.
type churn struct {
	c     *enginetest.Cluster
	rand  *rand.Rand
	keys  int
	wrote int
}

// write lets so many writes happen, a few milliseconds apart.
func (ch *churn) write(t *testing.T, n int) {
	t.Helper()
	names := ch.c.Names()
	for range n {
		ch.wrote++
		key := "key" + strconv.Itoa(ch.rand.IntN(ch.keys))
		put(t, ch.c.Node(names[ch.rand.IntN(len(names))]), "carts", key, strconv.Itoa(ch.wrote), engine.WithAck(engine.AckLocal))
		ch.c.Pass(time.Duration(1+ch.rand.IntN(10)) * time.Millisecond)
	}
}

// TestConflictsOfASplitComeWithTheirBase lets clients write some keys over and over, before, during and after a split: of the conflicts at least 95 in 100
// come with their base, and all nodes judge them alike.
func TestConflictsOfASplitComeWithTheirBase(t *testing.T) {
	for _, sides := range [][2][]string{{{"a"}, {"b", "c"}}, {{"a", "b"}, {"c", "d", "e"}}} {
		nodes := len(sides[0]) + len(sides[1])
		t.Run(fmt.Sprintf("%d nodes", nodes), func(t *testing.T) {
			conflicts, based := 0, 0
			for seed := range uint64(3) {
				synctest.Test(t, func(t *testing.T) {
					c := open(t, "base", append(slices.Clone(sides[0]), sides[1]...)...)
					ch := &churn{c: c, rand: rand.New(rand.NewPCG(seed, 7)), keys: 30}
					ch.write(t, 300)
					c.Net().Cut(sides[0], sides[1])
					ch.write(t, 900)
					c.Converge()
					c.Pass(5 * time.Second)
					all, with := countBases(t, c)
					conflicts, based = conflicts+all, based+with
				})
			}
			t.Logf("%d nodes: %d of %d conflicts have their base", nodes, based, conflicts)
			require.Greater(t, conflicts, 50)
			require.GreaterOrEqual(t, 100*based, 95*conflicts)
		})
	}
}

// countBases counts the open conflicts, and those with a base, which are the same at all nodes.
func countBases(t *testing.T, c *enginetest.Cluster) (all, with int) {
	t.Helper()
	seen := map[string]string{}
	for _, name := range c.Names() {
		conflicts, err := c.Node(name).Conflicts(t.Context())
		require.NoError(t, err)
		for _, entry := range conflicts {
			if !entry.Open {
				continue
			}
			view := c.Node(name).Value(t.Context(), "carts", entry.Key)
			base := "none"
			if entry.Base != nil {
				base = string(entry.Base.Value)
				require.Regexp(t, "^"+base+">", view, "what the handler was given")
			}
			if was, ok := seen[entry.ID]; ok {
				require.Equal(t, was, base+" "+view, "conflict of %s at %s", entry.Key, name)
				continue
			}
			seen[entry.ID] = base + " " + view
			if all++; entry.Base != nil {
				with++
			}
		}
	}
	return all, with
}

func TestSlowWriterIsJudgedWithWhatItHasRead(t *testing.T) {
	for _, local := range []bool{false, true} {
		t.Run(fmt.Sprintf("local %v", local), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := enginetest.NewCluster(t, 1)
				c.StartAll("a", "b")
				a := c.Node("a")
				_, err := a.CreateTable(t.Context(), "carts", engine.TableOptions{Local: local})
				require.NoError(t, err)
				_, err = a.InstallPlugin(t.Context(), "carts", []byte("base"), engine.Limits{})
				require.NoError(t, err)
				put(t, a, "carts", "k", "before")
				c.Pass(10 * time.Second)
				read := token(t, a, "carts", "k")
				put(t, a, "carts", "k", "quick")
				put(t, a, "carts", "k", "slow", engine.WithContext(read))
				require.Equal(t, "before>quick,slow", string(get(t, a, "k").Value))
			})
		})
	}
}

func TestBaseOutlivesTheRestartOfTheNodesThatHaveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "base", "a", "b")
		part(t, c, "before")
		put(t, c.Node("a"), "carts", "k", "left")
		put(t, c.Node("b"), "carts", "k", "right")
		c.Restart("a")
		c.Restart("b")
		c.Converge()
		everywhere(t, c, "k", "before>left,right")
		c.Start("joiner")
		require.NoError(t, c.Node("joiner").AwaitReady(t.Context()))
		c.Crash("b")
		c.Pass(2 * time.Second)
		everywhere(t, c, "k", "before>left,right")
	})
}

func TestJournalKeepsTheBase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "base", "a", "b")
		part(t, c, "before")
		put(t, c.Node("a"), "carts", "k", "left")
		put(t, c.Node("b"), "carts", "k", "right")
		c.Converge()
		c.Pass(5 * time.Second)
		put(t, c.Node("a"), "carts", "k", "settled")
		c.Pass(5 * time.Second)
		for _, name := range c.Names() {
			conflicts, err := c.Node(name).Conflicts(t.Context())
			require.NoError(t, err)
			require.Len(t, conflicts, 1)
			require.False(t, conflicts[0].Open)
			require.Equal(t, "before", string(conflicts[0].Base.Value))
		}
	})
}

// forkedDeltas returns what two writers tell of versions of k that have overwritten the same one, and everything that they know of them.
func forkedDeltas(t *testing.T) (told []replica.Delta, all replica.Delta) {
	t.Helper()
	tell := func(d replica.Delta) replica.Delta {
		parsed, err := replica.ParseDelta(d.AppendBinary(nil))
		require.NoError(t, err)
		return parsed
	}
	left := replica.New(clock.ActorFrom([clock.ActorSize]byte{1}), replica.Options{})
	right := replica.New(clock.ActorFrom([clock.ActorSize]byte{2}), replica.Options{})
	write := func(r *replica.Replica, value string) replica.Delta {
		_, err := r.Write(replica.Write{Key: "k", Value: []byte(value)})
		require.NoError(t, err)
		d, _ := r.Drain(1 << 20)
		return tell(d)
	}
	_, err := right.Receive(write(left, "before"))
	require.NoError(t, err)
	told = []replica.Delta{write(left, "left"), write(right, "right")}
	_, err = left.Receive(told[1])
	require.NoError(t, err)
	return told, tell(left.Pack([]string{"k"}, 1<<20))
}

func TestBaseThatIsNotHereIsFetchedFromAMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "base", "a", "b")
		told, all := forkedDeltas(t)
		require.NoError(t, engine.Give(c.Node("a").Engine, "carts", "k", told...))
		require.NoError(t, engine.Give(c.Node("b").Engine, "carts", "k", all))
		require.Equal(t, engine.Unavailable, get(t, c.Node("a"), "k").State)
		c.Pass(5 * time.Second)
		everywhere(t, c, "k", "before>left,right")
	})
}

func TestMemberThatWasForgottenAndComesBackHasItsConflictsJudgedAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "base", "a", "b", "c")
		part(t, c, "before")
		put(t, c.Node("a"), "carts", "k", "right")
		put(t, c.Node("b"), "carts", "k", "left")
		c.Net().Cut([]string{"a"}, []string{"b"}, []string{"c"})
		c.Pass(2 * time.Second)
		for _, gone := range []string{"a", "c"} {
			require.NoError(t, c.Node("b").Forget(t.Context(), gone))
		}
		c.Pass(5 * time.Second)
		c.Converge()
		c.Pass(5 * time.Second)
		everywhere(t, c, "k", "before>left,right")
	})
}

func TestConflictWhoseBaseNobodyHasIsJudgedWithoutIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "base", "a", "b")
		told, all := forkedDeltas(t)
		for _, name := range c.Names() {
			require.NoError(t, engine.Give(c.Node(name).Engine, "carts", "k", told...))
		}
		require.Equal(t, engine.Unavailable, get(t, c.Node("a"), "k").State)
		c.Pass(10 * time.Second)
		everywhere(t, c, "k", "?>left,right")
		require.NoError(t, engine.Give(c.Node("b").Engine, "carts", "k", all))
		require.Equal(t, "before>left,right", string(get(t, c.Node("b"), "k").Value), "once it is there")
	})
}

func TestBaseThatNobodyHadIsAskedForAgainWhenAMemberComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "base", "a", "b")
		told, all := forkedDeltas(t)
		isolate(c)
		require.NoError(t, engine.Give(c.Node("a").Engine, "carts", "k", told...))
		require.NoError(t, engine.Give(c.Node("b").Engine, "carts", "k", told...))
		require.NoError(t, engine.Give(c.Node("b").Engine, "carts", "k", all))
		c.Pass(10 * time.Second)
		require.Equal(t, "?>left,right", string(get(t, c.Node("a"), "k").Value))
		require.Equal(t, "before>left,right", string(get(t, c.Node("b"), "k").Value))
		c.Converge()
		c.Await("all nodes to show the same", func() bool {
			return string(get(t, c.Node("a"), "k").Value) == "before>left,right"
		})
	})
}

func TestMemberThatWasAwayHasTheBasesOfWhatItMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "base", "a", "b", "c")
		part(t, c, "before")
		for i := range 9 {
			put(t, c.Node("b"), "carts", "k", "b"+strconv.Itoa(i))
			put(t, c.Node("c"), "carts", "k", "c"+strconv.Itoa(i))
		}
		read := token(t, c.Node("c"), "carts", "k")
		put(t, c.Node("b"), "carts", "k", "quick")
		c.Converge()
		put(t, c.Node("a"), "carts", "k", "slow", engine.WithContext(read))
		require.Equal(t, "c8>quick,slow", string(get(t, c.Node("a"), "k").Value), "at once")
		everywhere(t, c, "k", "c8>quick,slow")
	})
}

func TestHugeValuesWrittenOftenDuringASplitStillArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "base", "a", "b")
		part(t, c, "before")
		huge := strings.Repeat("x", engine.MaxValueBytes)
		for i := range 10 {
			value := strconv.Itoa(i) + huge[1:]
			_, err := c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte(value)}}, engine.WithAck(engine.AckLocal))
			require.NoError(t, err)
		}
		c.Converge()
		require.Equal(t, byte('9'), get(t, c.Node("b"), "k").Value[0])
	})
}
