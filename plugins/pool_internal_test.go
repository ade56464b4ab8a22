package plugins

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// use takes an instance, or makes one, and gives it back while others want it too. It returns the most that were in use at once.
func use(ctx context.Context, p *pool, inUse *atomic.Int32) (most int32, err error) {
	i, err := p.acquire(ctx)
	if err != nil {
		return 0, err
	}
	most = inUse.Add(1)
	if i == nil {
		i = &instance{memory: reserve(pageBytes)}
	}
	runtime.Gosched() // the others come and wait
	inUse.Add(-1)
	p.release(i)
	return most, nil
}

func TestPoolServesAllWhoWaitAndNoMoreAtOnceThanItHasSlots(t *testing.T) {
	for size := 1; size <= 3; size++ {
		p := newPool(size)
		var inUse atomic.Int32
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 5_000 {
					most, err := use(t.Context(), p, &inUse)
					if err != nil || most > int32(size) {
						t.Errorf("with %d slots %d were in use: %v", size, most, err)
						return
					}
				}
			})
		}
		group.Wait()
		require.NoError(t, p.close(t.Context()))
	}
}

func TestPoolThatClosesEndsAllWhoWaitOrCome(t *testing.T) {
	for range 200 {
		p := newPool(2)
		var inUse atomic.Int32
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for {
					if _, err := use(t.Context(), p, &inUse); err != nil {
						if err != ErrClosed { //nolint:errorlint // it is returned as it is
							t.Error(err)
						}
						return
					}
				}
			})
		}
		require.NoError(t, p.close(t.Context()))
		group.Wait()
		require.Zero(t, p.busy)
		require.Nil(t, p.hot.Load(), "an instance was left open")
		require.Empty(t, p.idle)
	}
}

func TestPoolGivesAnotherTheSlotOfWhoGaveUpWaiting(t *testing.T) {
	p := newPool(1)
	var inUse atomic.Int32
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			for range 2_000 {
				ctx, cancel := context.WithCancel(t.Context())
				if n%2 == 0 {
					cancel()
				}
				_, err := use(ctx, p, &inUse)
				cancel()
				if n%2 == 1 && err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	most, err := use(t.Context(), p, &inUse)
	require.NoError(t, err, "the slot came back")
	require.EqualValues(t, 1, most)
	require.NoError(t, p.close(t.Context()))
}
