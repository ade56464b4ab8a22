package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

// late is a node with the tables carts and bills, each with a conflict, whose module has lost its bytes before it was ever loaded.
func late(t *testing.T) *solo {
	t.Helper()
	s := newSolo(t)
	s.create("carts")
	s.create("bills")
	s.install("carts", "module")
	s.activate("bills", "carts")
	closed := s.core().judges
	s.core().judges = newJudges(s.core().space, anyModule{})
	require.NoError(t, closed.close())
	sum := sha256.Sum256([]byte("module"))
	require.NoError(t, LoseModule(s.d.engine, hex.EncodeToString(sum[:])))
	s.step()
	s.forkIn("carts", "k")
	s.forkIn("bills", "k")
	return s
}

func (s *solo) state(table, key string) (state State) {
	s.t.Helper()
	s.call(func(ctx context.Context, e *Engine) error {
		entry, err := e.Get(ctx, table, key)
		state = entry.State
		return err
	})
	return state
}

func TestReaderTriesAModuleAgainOnceItsBytesHaveArrived(t *testing.T) {
	s := late(t)
	require.Equal(t, Unavailable, s.state("carts", "k"))
	s.install("carts", "module")
	require.Equal(t, Kept, s.state("carts", "k"), "handlers were not prepared again meanwhile")
}

func TestModuleWhoseBytesAreMissingIsNotLookedForUntilMoreArrive(t *testing.T) {
	s := late(t)
	require.Equal(t, Unavailable, s.state("carts", "k"))
	rec := s.core().space.handlersInForce()[0]
	before := s.core().judges.loaded[rec.module()]
	require.NotNil(t, before)
	s.create("other")
	require.Equal(t, Unavailable, s.state("carts", "k"))
	require.Same(t, before, s.core().judges.loaded[rec.module()])
}

func TestWatchersOfAllTablesAreToldOfAModuleThatAReaderLoadedFirst(t *testing.T) {
	s := late(t)
	watches := map[string]*Subscription{}
	for _, table := range []string{"carts", "bills"} {
		w, err := s.d.Watch(table, Pattern{})
		require.NoError(t, err)
		watches[table] = w
		require.Equal(t, Unavailable, s.state(table, "k"))
	}
	s.install("carts", "module")
	require.Equal(t, Kept, s.state("carts", "k"))
	s.d.Prepare()
	for table, w := range watches {
		changes, err := w.Changes()
		require.NoError(t, err)
		require.Len(t, changes, 1, table)
		require.Equal(t, Kept, changes[0].Entry.State, table)
	}
	s.d.Prepare()
	changes, err := watches["carts"].Changes()
	require.NoError(t, err)
	require.Empty(t, changes, "they are told once")
}
