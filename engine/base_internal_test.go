package engine

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// numPasts counts the keys of carts whose versions remember what they have overwritten.
func (s *solo) numPasts() (n int) {
	s.t.Helper()
	t, err := s.core().space.table("carts")
	require.NoError(s.t, err)
	for _, p := range t.parts {
		n += p.numPasts()
	}
	return n
}

// TestPastsOfALocalTableGoInTurns: they go, but no step forgets those of a large table.
func TestPastsOfALocalTableGoInTurns(t *testing.T) {
	const keys, batch = 20_000, 1000
	s := newSolo(t)
	s.call(func(ctx context.Context, e *Engine) error {
		_, err := e.CreateTable(ctx, "carts", TableOptions{Local: true})
		return err
	})
	for i := range 2 * keys / batch {
		kvs := make([]KV, batch)
		for j := range kvs {
			kvs[j] = KV{Key: strconv.Itoa((i*batch + j) % keys), Value: []byte(strconv.Itoa(i))}
		}
		s.call(func(ctx context.Context, e *Engine) error {
			_, err := e.Put(ctx, "carts", kvs)
			return err
		})
	}
	require.Equal(t, keys, s.numPasts())
	turns := 0
	for end := s.now.Add(2 * tidyInterval); s.now.Before(end) && s.numPasts() > 0; {
		before := s.numPasts()
		s.step()
		if s.numPasts() < before {
			turns++
		}
	}
	require.Zero(t, s.numPasts())
	require.Greater(t, turns, 2)
	require.Less(t, time.Duration(turns)*TickInterval, tidyInterval, "the next look finds nothing left of these")
}
