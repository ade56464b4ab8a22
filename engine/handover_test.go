package engine

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// noHandlers is a resolver of a node without handlers.
type noHandlers struct{ Resolver }

func (noHandlers) Rewriter() int { return 1 }

// bootAlone boots an incarnation of a node that has no peers.
func bootAlone(t *testing.T, actor byte, legacy *Legacy) *Driver {
	t.Helper()
	d, err := NewDriver(Config{Name: "a", Actor: clock.ActorFrom([clock.ActorSize]byte{actor}), Legacy: legacy}, noHandlers{})
	require.NoError(t, err)
	d.Step(time.Now(), Tick{})
	return d
}

// A call may have passed all checks when its node goes down for a restart; the next incarnation has the replicas then.
func TestWriteOfAnEarlierIncarnationThatIsUnderWayWritesNothing(t *testing.T) {
	earlier := bootAlone(t, 1, nil)
	_, err := earlier.Call(func(ctx context.Context, e *Engine) error {
		_, err := e.CreateTable(ctx, "carts", TableOptions{})
		return err
	}, func(int, error) {})
	require.NoError(t, err)
	carts, err := earlier.engine.core.space.table("carts")
	require.NoError(t, err)
	_, legacy, err := earlier.Close(time.Now())
	require.NoError(t, err)
	later := bootAlone(t, 2, legacy)

	_, err = earlier.engine.core.apply(carts, []replica.Write{{Key: "k", Value: []byte("v")}})
	require.ErrorIs(t, err, ErrClosed)
	held, err := later.Held("carts", "k")
	require.NoError(t, err)
	require.Empty(t, held.Versions)
}
