package sim

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestOracleNoticesBrokenRules breaks one rule at a time: soon some history must show it.
func TestOracleNoticesBrokenRules(t *testing.T) {
	rules := map[string]struct {
		wrong wrong
		says  string
	}{
		"an actor is never used again":              {wrong{reuseActor: true}, "mutations of this actor that were never made"},
		"a restart in place keeps the memory":       {wrong{forget: true}, "forgot|went back|lacks writes"},
		"a handler decides by what it is told only": {wrong{biased: true}, "sees of"},
	}
	for rule, r := range rules {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			require.Regexp(t, r.says, firstViolation(r.wrong))
		})
	}
}

func firstViolation(w wrong) error {
	for seed := range uint64(100) {
		h := newHistory(Options{Seed: seed})
		h.wrong, h.weather.crashes = w, 4*time.Second
		if err := h.play(); err != nil {
			return err
		}
	}
	return nil
}

func TestViolationNamesTheHistoryThatShowsIt(t *testing.T) {
	v, ok := errors.AsType[*Violation](firstViolation(wrong{biased: true}))
	require.True(t, ok)
	require.Positive(t, v.At)
	require.Contains(t, v.Error(), fmt.Sprintf("seed %d after ", v.Options.Seed))
	h := newHistory(v.Options)
	h.wrong, h.weather.crashes = wrong{biased: true}, 4*time.Second
	require.Equal(t, v, h.play())
}
