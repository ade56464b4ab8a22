package engine_test

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
)

func TestWritesReturnWhatTheyReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		put(t, c.Node("a"), "carts", "one", "1")
		fork(t, c.Node("a"), "two", "x", "y")
		w, err := c.Node("b").Put(t.Context(), "carts", []engine.KV{{Key: "one"}, {Key: "two", Value: []byte("z")}, {Key: "new", Value: []byte("n")}})
		require.NoError(t, err)
		require.Len(t, w.Previous, 3)
		require.Equal(t, "1", string(w.Previous[0].Value))
		require.Equal(t, "x,y", string(w.Previous[1].Value))
		require.Len(t, w.Previous[1].Siblings, 2)
		require.Empty(t, w.Previous[2].Siblings)
		require.Equal(t, 2, w.Acked)
		w, err = c.Node("a").Delete(t.Context(), "carts", []string{"new", "one"})
		require.NoError(t, err)
		require.Equal(t, "n", string(w.Previous[0].Value))
		require.Len(t, w.Previous[1].Siblings, 1)
		require.Empty(t, w.Previous[1].Value)
		everywhere(t, c, "new", "(key not found)")
		everywhere(t, c, "two", "z")
	})
}

func TestDeleteOfAnAbsentKeyChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		before := digest(t, c.Node("a"))
		w, err := c.Node("a").Delete(t.Context(), "carts", []string{"k"})
		require.NoError(t, err)
		require.Empty(t, w.Previous[0].Siblings)
		require.Equal(t, before, digest(t, c.Node("a")))
	})
}

func TestPutOfManyIsAllOrNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		before := digest(t, c.Node("a"))
		good := engine.KV{Key: "good", Value: []byte("v")}
		many := make([]engine.KV, engine.MaxBatch+1)
		for i := range many {
			many[i].Key = strconv.Itoa(i)
		}
		for _, bad := range []struct {
			kvs  []engine.KV
			opts []engine.WriteOption
			err  error
		}{
			{[]engine.KV{good, {Key: ""}}, nil, engine.ErrBadKey},
			{[]engine.KV{good, {Key: strings.Repeat("k", engine.MaxKeyBytes+1)}}, nil, engine.ErrBadKey},
			{[]engine.KV{good, good}, nil, engine.ErrBadKey},
			{nil, nil, engine.ErrBadKey},
			{[]engine.KV{good, {Key: "large", Value: make([]byte, engine.MaxValueBytes+1)}}, nil, engine.ErrValueTooLarge},
			{many, nil, engine.ErrOverloaded},
			{[]engine.KV{good}, []engine.WriteOption{engine.WithAck("most")}, engine.ErrBadOption},
			{[]engine.KV{good, {Key: "other"}}, []engine.WriteOption{engine.WithContext("x")}, engine.ErrBadContext},
		} {
			_, err := c.Node("a").Put(t.Context(), "carts", bad.kvs, bad.opts...)
			require.ErrorIs(t, err, bad.err)
		}
		_, err := c.Node("a").Get(t.Context(), "carts", "")
		require.ErrorIs(t, err, engine.ErrBadKey)
		_, err = c.Node("a").Delete(t.Context(), "carts", []string{"good", ""})
		require.ErrorIs(t, err, engine.ErrBadKey)
		require.Equal(t, before, digest(t, c.Node("a")))
		everywhere(t, c, "good", "(key not found)")
	})
}

func TestPutOfManyArrivesWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b", "c")
		kvs := make([]engine.KV, engine.MaxBatch)
		for i := range kvs {
			kvs[i] = engine.KV{Key: strconv.Itoa(i), Value: []byte("v")}
		}
		w, err := c.Node("b").Put(t.Context(), "carts", kvs)
		require.NoError(t, err)
		require.Equal(t, 3, w.Acked)
		for _, name := range c.Names() {
			require.Equal(t, engine.MaxBatch, info(t, c.Node(name), "carts").Keys)
		}
	})
}

func TestLargestValueReplicatesAndALargerOneChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		large := bytes.Repeat([]byte("x"), engine.MaxValueBytes)
		put(t, c.Node("a"), "carts", "k", string(large))
		require.Equal(t, large, get(t, c.Node("b"), "k").Value)
		before := digest(t, c.Node("a"))
		_, err := c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: append(large, 'y')}})
		require.ErrorIs(t, err, engine.ErrValueTooLarge)
		require.Equal(t, before, digest(t, c.Node("a")))
		require.Equal(t, large, get(t, c.Node("a"), "k").Value)
	})
}

func TestPutCopiesTheValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		value := []byte("before")
		_, err := c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: value}})
		require.NoError(t, err)
		copy(value, "after!")
		everywhere(t, c, "k", "before")
	})
}

func TestEqualValueMakesNoMutation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		put(t, c.Node("a"), "carts", "k", "v")
		before := digest(t, c.Node("a"))
		dot := get(t, c.Node("a"), "k").Siblings[0].Dot
		w, err := c.Node("b").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("v")}})
		require.NoError(t, err)
		require.Equal(t, 2, w.Acked)
		require.Equal(t, before, digest(t, c.Node("b")))
		require.Equal(t, dot, get(t, c.Node("b"), "k").Siblings[0].Dot)
	})
}

func TestEqualValueWaitsForTheMutationThatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b")
		c.Net().CutLink("a", "b")
		put(t, c.Node("a"), "carts", "k", "v", engine.WithAck(engine.AckLocal))
		again := []engine.KV{{Key: "k", Value: []byte("v")}}
		_, err := c.Node("a").Put(t.Context(), "carts", again)
		require.ErrorIs(t, err, engine.ErrNotAcknowledged)
		time.AfterFunc(time.Second, c.Net().Heal)
		w, err := c.Node("a").Put(t.Context(), "carts", again)
		require.NoError(t, err)
		require.Equal(t, 2, w.Acked)
		everywhere(t, c, "k", "v")
	})
}

func TestWriteWithContextLeavesUnseenVersionsStanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		put(t, c.Node("a"), "carts", "k", "1")
		seen := token(t, c.Node("a"), "carts", "k")
		put(t, c.Node("b"), "carts", "k", "2")
		put(t, c.Node("a"), "carts", "k", "3", engine.WithContext(seen))
		everywhere(t, c, "k", "2,3")
		_, err := c.Node("b").Delete(t.Context(), "carts", []string{"k"}, engine.WithContext(seen))
		require.NoError(t, err)
		everywhere(t, c, "k", "2,3")
		_, err = c.Node("b").Delete(t.Context(), "carts", []string{"k"}, engine.WithContext(token(t, c.Node("a"), "carts", "k")))
		require.NoError(t, err)
		everywhere(t, c, "k", "(key not found)")
	})
}

func TestContextReturnedByAWriteCoversItsOwnVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		w, err := c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("1")}})
		require.NoError(t, err)
		put(t, c.Node("b"), "carts", "k", "2", engine.IfUnchanged(w.Contexts[0]))
		require.Len(t, get(t, c.Node("a"), "k").Siblings, 1)
		everywhere(t, c, "k", "2")
	})
}

func TestConditionalWriteIsRefusedAfterAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		absent := token(t, c.Node("b"), "carts", "k")
		put(t, c.Node("a"), "carts", "k", "1", engine.IfUnchanged(absent))
		_, err := c.Node("b").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("2")}}, engine.IfUnchanged(absent))
		require.ErrorIs(t, err, engine.ErrConflict)
		_, err = c.Node("b").Delete(t.Context(), "carts", []string{"k"}, engine.IfUnchanged(absent))
		require.ErrorIs(t, err, engine.ErrConflict)
		everywhere(t, c, "k", "1")
	})
}

func TestConditionWithoutATokenIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		put(t, c.Node("a"), "carts", "k", "1")
		_, err := c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("2")}}, engine.IfUnchanged(""))
		require.ErrorIs(t, err, engine.ErrBadContext)
		everywhere(t, c, "k", "1")
	})
}

func TestBlindPutOverwritesAllSiblings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		fork(t, c.Node("a"), "k", "1", "2", "3")
		require.Len(t, get(t, c.Node("b"), "k").Siblings, 3)
		put(t, c.Node("b"), "carts", "k", "4")
		e := get(t, c.Node("a"), "k")
		require.Equal(t, engine.Single, e.State)
		require.Len(t, e.Siblings, 1)
		everywhere(t, c, "k", "4")
	})
}

func TestForeignTokensAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		create(t, c.Node("a"), "others", "")
		put(t, c.Node("a"), "carts", "k", "1")
		put(t, c.Node("a"), "carts", "k2", "1")
		good := token(t, c.Node("a"), "carts", "k")
		old := token(t, c.Node("a"), "others", "k")
		require.NoError(t, c.Node("a").DropTable(t.Context(), "others"))
		create(t, c.Node("a"), "others", "")
		flipped := []byte(good)
		flipped[len(good)/2] ^= 1
		before := digest(t, c.Node("a"))
		for _, bad := range []string{
			token(t, c.Node("a"), "carts", "k2"), string(flipped), good[:len(good)-1], good + "A", "x", "!!", strings.Repeat("A", 1<<20),
		} {
			for _, opt := range []engine.WriteOption{engine.WithContext(bad), engine.IfUnchanged(bad)} {
				_, err := c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("2")}}, opt)
				require.ErrorIs(t, err, engine.ErrBadContext, "%.80s", bad)
			}
		}
		_, err := c.Node("a").Put(t.Context(), "others", []engine.KV{{Key: "k"}}, engine.WithContext(old))
		require.ErrorIs(t, err, engine.ErrBadContext, "a token of the table that was dropped")
		require.Equal(t, before, digest(t, c.Node("a")))
	})
}

func TestTokenThatNamesThisNodeAheadOfItselfIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a", "b")
		s, err := c.Node("a").Status(t.Context())
		require.NoError(t, err)
		before := s.Digest
		for _, counter := range []uint64{1, math.MaxUint64} {
			forged, err := engine.ForgeToken(c.Node("a").Engine, "carts", "k", clock.Context{s.Actor: counter})
			require.NoError(t, err)
			_, err = c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k"}}, engine.WithContext(forged))
			require.ErrorIs(t, err, engine.ErrBadContext)
		}
		require.Equal(t, before, digest(t, c.Node("a")))
	})
}

func TestForgedTokenDoesNotKeepAKeyFromReplicating(t *testing.T) {
	for name, forged := range map[string]clock.Context{
		"actor zero":         {clock.Actor{}: 1},
		"counter zero":       {clock.ActorFrom([16]byte{1}): 0},
		"highest counter":    {clock.ActorFrom([16]byte{1}): math.MaxUint64},
		"actor of all ones":  {clock.ActorFrom([16]byte(bytes.Repeat([]byte{255}, 16))): 7},
		"unknown and normal": {clock.ActorFrom([16]byte{1}): 3, clock.ActorFrom([16]byte{2}): 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, "", "a", "b")
				bad, err := engine.ForgeToken(c.Node("a").Engine, "carts", "k", forged)
				require.NoError(t, err)
				_, err = c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("1")}}, engine.WithContext(bad))
				if err != nil {
					require.ErrorIs(t, err, engine.ErrBadContext)
				}
				put(t, c.Node("a"), "carts", "k", "2")
				put(t, c.Node("b"), "carts", "k", "3")
				everywhere(t, c, "k", "3")
			})
		})
	}
}

func TestTooManySiblingsAreRefusedUntilAWriteCoversSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		absent := token(t, c.Node("a"), "carts", "k")
		for i := range 256 {
			put(t, c.Node("a"), "carts", "k", strconv.Itoa(i), engine.WithContext(absent))
		}
		_, err := c.Node("a").Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: []byte("more")}}, engine.WithContext(absent))
		require.ErrorIs(t, err, engine.ErrTooManySiblings)
		require.Len(t, get(t, c.Node("a"), "k").Siblings, 256)
		put(t, c.Node("a"), "carts", "k", "settled", engine.WithContext(token(t, c.Node("a"), "carts", "k")))
		everywhere(t, c, "k", "settled")
	})
}
