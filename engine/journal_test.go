package engine

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJournalIsBoundedAndForgetsTheOldest(t *testing.T) {
	j := newJournal()
	for i := range maxJournal + 10 {
		require.True(t, j.note(Conflict{ID: strconv.Itoa(i)}))
	}
	all := j.list()
	require.Len(t, all, maxJournal)
	require.Equal(t, strconv.Itoa(maxJournal+9), all[0].ID)
	require.Equal(t, "10", all[maxJournal-1].ID)
}

func TestJournalAddsToTheEntryThatItHas(t *testing.T) {
	j := newJournal()
	require.True(t, j.note(Conflict{ID: "x", Merger: "a"}))
	require.False(t, j.note(Conflict{ID: "x", State: Quarantined, Verdict: "trap", Reason: "unreachable"}))
	require.False(t, j.note(Conflict{ID: "x", Restarted: "a"}))
	require.Equal(t, []Conflict{{ID: "x", Merger: "a", State: Quarantined, Verdict: "trap", Reason: "unreachable", Restarted: "a"}}, j.list())
}
