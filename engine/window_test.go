package engine_test

import (
	"bytes"
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// block is the size of the values of these tests, in bytes.
const block = 64 << 10

// putBlocks writes values of carts that are too many for any window, one after the other.
func putBlocks(ctx context.Context, n *enginetest.Node, prefix string, count int, level engine.AckLevel) error {
	for i := range count {
		value := bytes.Repeat([]byte{byte(i)}, block)
		if _, err := n.Put(ctx, "carts", []engine.KV{{Key: prefix + strconv.Itoa(i), Value: value}}, engine.WithAck(level)); err != nil {
			return err
		}
	}
	return nil
}

func TestMemberThatConfirmsNothingIsSentNoMoreThanItsWindowAndHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b", "c")
		a := c.Node("a")
		c.Net().Cut([]string{"a"}, []string{"b"})
		require.NoError(t, putBlocks(t.Context(), a, "k", 1600, engine.AckLocal)) // 100 MB
		require.NoError(t, putBlocks(t.Context(), a, "l", 100, engine.AckOne))
		_, err := a.Put(t.Context(), "carts", []engine.KV{{Key: "m"}}, engine.WithAck(engine.AckAll))
		require.ErrorIs(t, err, engine.ErrNotAcknowledged)
		s := a.Stats()
		require.Equal(t, 1, s.Behind)
		require.LessOrEqual(t, s.Unconfirmed, 9<<20)
		require.Zero(t, s.Waiting)
		require.Equal(t, info(t, a, "carts").Keys, info(t, c.Node("c"), "carts").Keys)
		require.Equal(t, "b", eventsOf(c, "a", engine.EventBehind)[0].Peer)
		c.Converge()
		c.Await("b keeps up again", func() bool { return a.Stats().Behind == 0 })
		put(t, a, "carts", "n", "at all", engine.WithAck(engine.AckAll))
		everywhere(t, c, "n", "at all")
	})
}

func TestWriteWaitsForRoomInTheQueueToTheOtherNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b")
		a := c.Node("a")
		c.Net().Cut([]string{"a"}, []string{"b"})
		begin := time.Now()
		require.NoError(t, putBlocks(t.Context(), a, "k", 1600, engine.AckLocal))
		require.Positive(t, time.Since(begin), "virtual time passes only while a write waits")
		require.Zero(t, a.Stats().Refused)
	})
}

func TestWriteThatFindsNoRoomInTimeIsRefusedAndNothingIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b")
		a := c.Node("a")
		c.Net().Cut([]string{"a"}, []string{"b"})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := putBlocks(ctx, a, "k", 1600, engine.AckLocal)
		require.ErrorIs(t, err, engine.ErrOverloaded)
		require.ErrorContains(t, err, "nothing was written")
		s := a.Stats()
		require.EqualValues(t, 1, s.Refused)
		require.LessOrEqual(t, s.Unconfirmed, 9<<20)
		require.LessOrEqual(t, s.Waiting, 65<<20)
		require.Equal(t, "(key not found)", a.Value(t.Context(), "carts", "k"+strconv.Itoa(info(t, a, "carts").Keys)))
		c.Pass(2 * time.Second)
		put(t, a, "carts", "later", "goes on", engine.WithAck(engine.AckLocal))
		synctest.Wait()
		require.Zero(t, a.Stats().Waiting)
		c.Converge()
		everywhere(t, c, "later", "goes on")
	})
}

func TestRefusedWriteGivesItsRoomBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b")
		a := c.Node("a")
		c.Net().Cut([]string{"a"}, []string{"b"})
		put(t, a, "carts", "k", "1", engine.WithAck(engine.AckLocal))
		stale := token(t, a, "carts", "k")
		put(t, a, "carts", "k", "2", engine.WithAck(engine.AckLocal))
		synctest.Wait()
		before := a.Stats().Waiting
		_, err := a.Put(t.Context(), "carts", []engine.KV{{Key: "k", Value: make([]byte, block)}}, engine.IfUnchanged(stale))
		require.ErrorIs(t, err, engine.ErrConflict)
		require.Equal(t, before, a.Stats().Waiting)
	})
}

func TestLocalTablesTakeNoRoomInTheQueueToTheOtherNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openPatient(t, "a", "b")
		a := c.Node("a")
		_, err := a.CreateTable(t.Context(), "here", engine.TableOptions{Local: true})
		require.NoError(t, err)
		c.Net().Cut([]string{"a"}, []string{"b"})
		begin := time.Now()
		for i := range 1600 {
			_, err := a.Put(t.Context(), "here", []engine.KV{{Key: strconv.Itoa(i), Value: make([]byte, block)}})
			require.NoError(t, err)
		}
		require.Zero(t, time.Since(begin))
		require.Zero(t, a.Stats().Waiting)
	})
}

func TestBatchOfTooManyBytesIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		kvs := make([]engine.KV, 9)
		for i := range kvs {
			kvs[i] = engine.KV{Key: strconv.Itoa(i), Value: make([]byte, engine.MaxValueBytes)}
		}
		_, err := c.Node("a").Put(t.Context(), "carts", kvs)
		require.ErrorIs(t, err, engine.ErrOverloaded)
		require.Zero(t, info(t, c.Node("a"), "carts").Keys)
	})
}
