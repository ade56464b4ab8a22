package engine

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestViewCacheGivesItsRoomBackWhenMostConflictsAreOver(t *testing.T) {
	c := newViewCache()
	const keys = 10_000
	for i := range keys {
		c.put(strconv.Itoa(i), "siblings", "handler", view{state: Kept})
	}
	for i := range keys {
		c.drop(strconv.Itoa(i))
		_, there := c.get(strconv.Itoa(i), "siblings", "handler")
		require.False(t, there)
	}
	require.Less(t, c.peak, looseViews)
	c.put("k", "siblings", "handler", view{state: Resolved})
	v, there := c.get("k", "siblings", "handler")
	require.True(t, there)
	require.Equal(t, Resolved, v.state)
}
