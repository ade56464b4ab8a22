package sim_test

import (
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
		"a restart in place keeps the memory":       {wrong{forget: true}, "forgot"},
		"a handler decides by what it is told only": {wrong{biased: true}, "sees of"},
	}
	for rule, r := range rules {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, firstViolation(r.wrong), r.says)
		})
	}
}

func firstViolation(w wrong) error {
	for seed := range uint64(100) {
		h := newHistory(seed, newTrace(nil))
		h.wrong, h.weather.crashes = w, 4*time.Second
		if err := h.play(); err != nil {
			return err
		}
	}
	return nil
}
