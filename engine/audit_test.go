package engine_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// auditLimit is within what time the audit finds and mends what broke.
const auditLimit = 5 * time.Second

// audits counts the events of the audit that a node has reported, by kind.
func audits(c *enginetest.Cluster, name string) map[engine.EventKind]int {
	out := map[engine.EventKind]int{}
	for _, kind := range []engine.EventKind{
		engine.EventCorrupt, engine.EventDiverged, engine.EventMended, engine.EventDisputed, engine.EventUnmended,
	} {
		if n := len(eventsOf(c, name, kind)); n > 0 {
			out[kind] = n
		}
	}
	return out
}

// requireEqualSums checks that all nodes hold the same in the partition of a key of carts.
func requireEqualSums(t *testing.T, c *enginetest.Cluster, key string) {
	t.Helper()
	for _, name := range c.Names() {
		require.Equal(t, engine.Sums(c.Node("a").Engine, "carts", key), engine.Sums(c.Node(name).Engine, "carts", key), "node %s", name)
	}
}

func TestFlippedBitIsMendedFromAPeer(t *testing.T) {
	for _, names := range [][]string{{"a", "b"}, {"a", "b", "c"}} {
		t.Run(strconv.Itoa(len(names)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, "", names...)
				put(t, c.Node("b"), "carts", "k", "apple")
				engine.Break(c.Node("a").Engine, "carts", "k", 0)
				require.Equal(t, "`pple", c.Node("a").Value(t.Context(), "carts", "k"))
				c.Pass(auditLimit)
				everywhere(t, c, "k", "apple")
				require.Equal(t, map[engine.EventKind]int{engine.EventCorrupt: 1, engine.EventMended: 1}, audits(c, "a"))
				require.Equal(t, audits(c, "a"), audits(c, ""))
				s, err := c.Node("a").Status(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, 1, s.Findings)
				e := eventsOf(c, "a", engine.EventMended)[0]
				require.Equal(t, "k", e.Key)
				require.Equal(t, "carts", e.Table)
				require.NotEmpty(t, e.Peer)
			})
		})
	}
}

func TestFlippedBitThatNoPeerHasIsReportedOnceAndMendedByTheNextWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		put(t, c.Node("a"), "carts", "k", "apple")
		engine.Break(c.Node("a").Engine, "carts", "k", 0)
		c.Pass(4 * auditLimit)
		require.Equal(t, map[engine.EventKind]int{engine.EventCorrupt: 1, engine.EventUnmended: 1}, audits(c, "a"))
		require.Equal(t, "`pple", c.Node("a").Value(t.Context(), "carts", "k"))
		put(t, c.Node("a"), "carts", "k", "pear")
		c.Pass(2 * auditLimit)
		require.Equal(t, "pear", c.Node("a").Value(t.Context(), "carts", "k"))
		engine.Break(c.Node("a").Engine, "carts", "k", 0)
		c.Pass(auditLimit)
		require.Equal(t, map[engine.EventKind]int{engine.EventCorrupt: 2, engine.EventUnmended: 2}, audits(c, "a"), "what broke anew is news")
	})
}

func TestFlippedBitIsMendedOnceAMemberThatHasTheValueComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		put(t, c.Node("a"), "carts", "k", "apple")
		isolate(c)
		engine.Break(c.Node("a").Engine, "carts", "k", 0)
		c.Pass(auditLimit)
		require.Equal(t, map[engine.EventKind]int{engine.EventCorrupt: 1, engine.EventUnmended: 1}, audits(c, "a"))
		c.Net().Heal()
		c.Pass(auditLimit + time.Second)
		everywhere(t, c, "k", "apple")
		require.Len(t, eventsOf(c, "a", engine.EventMended), 1)
	})
}

func TestFlippedBitOfALocalTableIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		_, err := c.Node("a").CreateTable(t.Context(), "scratch", engine.TableOptions{Local: true})
		require.NoError(t, err)
		put(t, c.Node("a"), "scratch", "k", "apple")
		engine.Break(c.Node("a").Engine, "scratch", "k", 0)
		c.Pass(auditLimit)
		require.Equal(t, map[engine.EventKind]int{engine.EventCorrupt: 1, engine.EventUnmended: 1}, audits(c, "a"))
	})
}

func TestFlippedBitInASiblingIsMendedAndTheViewWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b", "c")
		fork(t, c.Node("b"), "k", "p", "t")
		everywhere(t, c, "k", "p,t")
		const others = 8 // some of which other nodes merge
		for i := range others {
			fork(t, c.Node("b"), strconv.Itoa(i), "p", "t")
			engine.Break(c.Node("a").Engine, "carts", strconv.Itoa(i), 0)
			require.NotEqual(t, "p,t", c.Node("a").Value(t.Context(), "carts", strconv.Itoa(i)))
		}
		for sibling := range 2 {
			engine.Break(c.Node("a").Engine, "carts", "k", sibling)
		}
		c.Pass(auditLimit)
		everywhere(t, c, "k", "p,t")
		for i := range others {
			everywhere(t, c, strconv.Itoa(i), "p,t")
		}
		require.Equal(t, map[engine.EventKind]int{engine.EventCorrupt: 1 + others, engine.EventMended: 1 + others}, audits(c, ""))
		for _, v := range get(t, c.Node("a"), "k").Siblings {
			require.Contains(t, []string{"p", "t"}, string(v.Value))
		}
	})
}

func TestFlippedBitInTheCatalogueIsMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b", "c")
		for _, prefix := range []string{"t/", "n/", "m/"} {
			key := engine.CatalogueKey(c.Node("b").Engine, prefix)
			require.NotEmpty(t, key, prefix)
			engine.Break(c.Node("b").Engine, "", key, 0)
		}
		c.Pass(auditLimit)
		require.Equal(t, map[engine.EventKind]int{engine.EventCorrupt: 3, engine.EventMended: 3}, audits(c, ""))
		put(t, c.Node("b"), "carts", "k", "1")
		everywhere(t, c, "k", "1")
	})
}

func TestManyFlippedBitsAreMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		const keys = 3000 // more than are asked for at a time
		for i := range keys {
			_, err := c.Node("b").Put(t.Context(), "carts", []engine.KV{{Key: strconv.Itoa(i), Value: []byte("apple")}}, engine.WithAck(engine.AckLocal))
			require.NoError(t, err)
		}
		c.Converge()
		for i := range keys {
			engine.Break(c.Node("a").Engine, "carts", strconv.Itoa(i), 0)
		}
		c.Pass(5 * auditLimit)
		for i := range keys {
			everywhere(t, c, strconv.Itoa(i), "apple")
		}
		require.Equal(t, map[engine.EventKind]int{engine.EventCorrupt: keys, engine.EventMended: keys}, audits(c, ""))
	})
}

func TestLargeValuesAreMendedThoughOneAnswerHoldsFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		large := string(make([]byte, 200<<10))
		for i := range 20 {
			put(t, c.Node("b"), "carts", strconv.Itoa(i), large)
			engine.Break(c.Node("a").Engine, "carts", strconv.Itoa(i), 0)
		}
		c.Pass(auditLimit)
		require.Equal(t, map[engine.EventKind]int{engine.EventCorrupt: 20, engine.EventMended: 20}, audits(c, ""))
	})
}

func TestNothingBrokenIsTransferredWhileTheMembersAreAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "apple")
		c.Net().Cut([]string{"c"}, []string{"a", "b"})
		put(t, c.Node("a"), "carts", "k", "pear", engine.WithAck(engine.AckOne))
		engine.Break(c.Node("a").Engine, "carts", "k", 0)
		c.Net().Cut([]string{"a"}, []string{"b"})
		c.Await("a finds it", func() bool { return c.Count(engine.EventCorrupt) > 0 })
		c.Net().Heal()
		c.Net().Cut([]string{"b"}, []string{"a", "c"})
		c.Await("a has asked everybody", func() bool {
			value, over := c.Node("c").Value(t.Context(), "carts", "k"), c.Count(engine.EventUnmended) > 0
			require.True(t, over || value == "apple", "c has %s too early", value)
			return over
		})
		c.Await("c has what there is", func() bool { return c.Node("c").Value(t.Context(), "carts", "k") == "qear" })
		c.Net().Heal()
		c.Pass(2 * auditLimit)
		everywhere(t, c, "k", "pear")
	})
}

func TestJoinerTakesWhatNobodyCanMend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		put(t, c.Node("a"), "carts", "k", "apple")
		engine.Break(c.Node("a").Engine, "carts", "k", 0)
		c.Await("a says so", func() bool { return c.Count(engine.EventUnmended) > 0 })
		c.Start("b")
		c.Pass(2 * auditLimit)
		everywhere(t, c, "k", "`pple")
		requireEqualSums(t, c, "k")
		require.Len(t, eventsOf(c, "a", engine.EventMended), 1)
		require.Equal(t, 1, c.Count(engine.EventUnmended))
	})
}

func TestValueThatIsBeingReadIsNotTouchedByTheMending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "apple")
		held := get(t, c.Node("a"), "k").Value
		engine.Break(c.Node("a").Engine, "carts", "k", 0)
		stop := keepReading(t, "k", []string{"apple", "`pple"}, c.Node("a"), c.Node("b"), c.Node("c"))
		c.Pass(auditLimit)
		stop()
		require.Equal(t, "`pple", string(held), "the reader's bytes are its own")
		everywhere(t, c, "k", "apple")
	})
}

func TestMajorityCorrectsAnotherValueUnderTheSameDot(t *testing.T) {
	for _, forger := range []string{"a", "b", "c"} {
		t.Run(forger, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, "", "a", "b", "c")
				put(t, c.Node("a"), "carts", "k", "apple")
				for i := range 500 {
					put(t, c.Node("a"), "carts", strconv.Itoa(i), "1", engine.WithAck(engine.AckLocal))
				}
				c.Converge()
				before := digest(t, c.Node("a"))
				engine.Forge(c.Node(forger).Engine, "carts", "k", "poison")
				c.Pass(auditLimit)
				everywhere(t, c, "k", "apple")
				requireEqualSums(t, c, "k")
				require.Equal(t, before, digest(t, c.Node("a")), "mending is no mutation")
				require.Len(t, eventsOf(c, forger, engine.EventMended), 1)
				require.Len(t, eventsOf(c, "", engine.EventMended), 1)
				require.Empty(t, eventsOf(c, "", engine.EventDisputed))
				require.NotZero(t, c.Count(engine.EventDiverged))
			})
		})
	}
}

func TestWithoutAMajorityAllValuesAreKeptAsSiblings(t *testing.T) {
	for _, names := range [][]string{{"a", "b"}, {"a", "b", "c"}} {
		t.Run(strconv.Itoa(len(names)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, "union", names...)
				fork(t, c.Node("a"), "k", "x", "y")
				for i, name := range names[1:] {
					engine.Forge(c.Node(name).Engine, "carts", "k", string(rune('p'+i)))
				}
				c.Pass(auditLimit)
				want := map[int]string{2: "p,x,y", 3: "p,q,x,y"}[len(names)]
				everywhere(t, c, "k", want)
				requireEqualSums(t, c, "k")
				for _, name := range names {
					require.Len(t, eventsOf(c, name, engine.EventDisputed), 1, "node %s", name)
				}
				require.NotZero(t, c.Count(engine.EventDiverged))
				put(t, c.Node("b"), "carts", "k", "over")
				everywhere(t, c, "k", "over")
				c.Pass(2 * auditLimit)
				require.Equal(t, len(names), c.Count(engine.EventDisputed))
			})
		})
	}
}

func TestBrokenCopyHasNoVoteUntilItIsMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "apple")
		engine.Break(c.Node("b").Engine, "carts", "k", 0)
		engine.Forge(c.Node("c").Engine, "carts", "k", "poison")
		c.Pass(auditLimit)
		everywhere(t, c, "k", "apple")
		require.Zero(t, c.Count(engine.EventDisputed))
	})
}

func TestVersionThatOneMemberHasRemovedUnderAnEqualClockGoesEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "apple")
		before := digest(t, c.Node("b"))
		engine.Remove(c.Node("b").Engine, "carts", "k")
		require.Equal(t, before, digest(t, c.Node("b")), "its clock is that of the others")
		c.Pass(auditLimit)
		everywhere(t, c, "k", "(key not found)")
		requireEqualSums(t, c, "k")
		require.NotZero(t, c.Count(engine.EventDiverged))
	})
}

func TestDisputeIsMendedWhileWritesGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		put(t, c.Node("a"), "carts", "k", "apple")
		put(t, c.Node("a"), "carts", "l", "apple")
		engine.Forge(c.Node("b").Engine, "carts", "k", "poison")
		engine.Break(c.Node("c").Engine, "carts", "l", 0)
		for i := range int(auditLimit / (20 * time.Millisecond)) {
			name := c.Names()[i%3]
			put(t, c.Node(name), "carts", strconv.Itoa(i%50), strconv.Itoa(i))
			c.Pass(20 * time.Millisecond)
		}
		everywhere(t, c, "k", "apple")
		everywhere(t, c, "l", "apple")
		require.Len(t, eventsOf(c, "", engine.EventMended), 2)
	})
}

// TestRandomFlipsAreMendedInRandomHistories breaks and forges values at one node of three while all write and links fail.
func TestRandomFlipsAreMendedInRandomHistories(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { flipAtRandom(t, seed) })
		})
	}
}

func flipAtRandom(t *testing.T, seed uint64) {
	t.Helper()
	c := open(t, "union", "a", "b", "c")
	rnd := rand.New(rand.NewPCG(seed, 0))
	written := map[string]string{}
	for i := range 200 {
		key, value := strconv.Itoa(rnd.IntN(40)), "v"+strconv.Itoa(i)
		put(t, c.Node(c.Names()[rnd.IntN(3)]), "carts", key, value)
		written[key] = value
		if rnd.IntN(20) > 0 {
			continue
		}
		victim := c.Node(c.Names()[rnd.IntN(3)])
		if rnd.IntN(2) == 0 {
			engine.Break(victim.Engine, "carts", key, 0)
		} else {
			engine.Forge(victim.Engine, "carts", key, "poison")
		}
		c.Pass(time.Duration(rnd.IntN(500)) * time.Millisecond)
	}
	c.Pass(2 * auditLimit)
	c.Converge()
	for key, value := range written {
		everywhere(t, c, key, value)
		requireEqualSums(t, c, key)
	}
	require.Empty(t, eventsOf(c, "", engine.EventDisputed))
	kinds := slices.Sorted(func(yield func(engine.EventKind) bool) {
		for kind := range audits(c, "") {
			if !yield(kind) {
				return
			}
		}
	})
	require.Subset(t, []engine.EventKind{engine.EventCorrupt, engine.EventDiverged, engine.EventMended}, kinds)
}
