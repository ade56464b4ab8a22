package engine_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
)

// anyLine chooses all lines.
func anyLine(engine.LogLine) bool { return true }

func TestALogKeepsTheLatestLines(t *testing.T) {
	l := engine.NewLog()
	for i := range 5000 {
		l.Add(engine.LogLine{Text: strconv.Itoa(i)})
	}
	var texts []string
	for line, err := range l.Lines(t.Context(), false, anyLine) {
		require.NoError(t, err)
		texts = append(texts, line.Text)
	}
	require.LessOrEqual(t, len(texts), 2000)
	require.GreaterOrEqual(t, len(texts), 1800)
	require.Equal(t, "4999", texts[len(texts)-1])
	require.Equal(t, strconv.Itoa(5000-len(texts)), texts[0])
}

func TestWhoFollowsALogSeesWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := engine.NewLog()
		l.Add(engine.LogLine{Text: "before"})
		ctx, cancel := context.WithCancel(t.Context())
		seen := make(chan string)
		go func() {
			defer close(seen)
			for line, err := range l.Lines(ctx, true, func(line engine.LogLine) bool { return line.Text != "other" }) {
				if err != nil {
					seen <- err.Error()
					return
				}
				seen <- line.Text
			}
		}()
		require.Equal(t, "before", <-seen)
		synctest.Wait()
		l.Add(engine.LogLine{Text: "other"})
		l.Add(engine.LogLine{Text: "after"})
		require.Equal(t, "after", <-seen)
		cancel()
		require.Equal(t, "follow the log: context canceled", <-seen)
		_, more := <-seen
		require.False(t, more)
	})
}

func TestAReaderThatDoesNotKeepUpIsToldWhatItMissed(t *testing.T) {
	l := engine.NewLog()
	l.Add(engine.LogLine{Text: "first"})
	var got []string
	for line, err := range l.Lines(t.Context(), true, anyLine) {
		if err != nil {
			require.ErrorIs(t, err, engine.ErrOverloaded)
			got = append(got, "lost")
			continue
		}
		got = append(got, line.Text)
		if line.Text == "first" {
			for i := range 3000 {
				l.Add(engine.LogLine{Text: strconv.Itoa(i)})
			}
		}
		if line.Text == "2999" {
			break
		}
	}
	require.Equal(t, []string{"first", "lost"}, got[:2])
	require.Equal(t, "2999", got[len(got)-1])
}
