package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine/replica"
)

// turncoat says "early" until it is found out, which is by the key "sample"; what it says after that is right.
type turncoat struct {
	anyModule

	doubt *error
}

var _ Doubter = turncoat{}

func (c turncoat) Load(context.Context, []byte, Limits) (Judge, error) { return c, nil }

func (c turncoat) Doubt() error { return *c.doubt }

func (c turncoat) Judge(_ context.Context, key string, _ []replica.Version, _ *replica.Version) (Verdict, error) {
	value := "right"
	if *c.doubt == nil && key == "early" {
		value = "early"
	}
	if key == "sample" {
		*c.doubt = errors.New("it is not pure")
	}
	return Verdict{Kind: VerdictValue, Value: []byte(value)}, nil
}

func TestWhatAHandlerSaidBeforeItWasFoundNotToBePureIsComputedAnew(t *testing.T) {
	var reported []Event
	s := newSolo(t, func(c *Config) { c.Events = func(e Event) { reported = append(reported, e) } })
	s.core().judges = newJudges(s.core().space, turncoat{doubt: new(error)}, s.core().cfg.Now, s.core().report)
	s.create("carts")
	s.create("bills")
	s.install("carts", "module")
	s.activate("bills", "carts")
	for _, table := range []string{"carts", "bills"} {
		s.forkIn(table, "early")
		s.forkIn(table, "sample")
	}
	w, err := s.d.Watch("bills", Pattern{})
	require.NoError(t, err)
	require.Equal(t, "early", s.value("bills", "early"))
	require.Equal(t, "right", s.value("carts", "sample"))
	require.Equal(t, "right", s.value("bills", "early"))
	require.Equal(t, "right", s.value("bills", "sample"))

	changes, err := w.Changes()
	require.NoError(t, err)
	require.Len(t, changes, 2, "watchers are told of all conflicts of the tables that it judges")
	var alarms []Event
	for _, e := range reported {
		if e.Kind == EventImpure {
			alarms = append(alarms, e)
		}
	}
	require.Len(t, alarms, 1)
	require.Equal(t, "carts", alarms[0].Table)
	require.Equal(t, "sample", alarms[0].Key)
	require.EqualError(t, alarms[0].Err, "it is not pure")
}

// value is what a reader is shown of a key.
func (s *solo) value(table, key string) (value string) {
	s.t.Helper()
	s.call(func(ctx context.Context, e *Engine) error {
		entry, err := e.Get(ctx, table, key)
		value = string(entry.Value)
		return err
	})
	return value
}

func TestOneFindingIsReportedOnceForAllLimitsOfAModule(t *testing.T) {
	alarms := 0
	s := newSolo(t, func(c *Config) {
		c.Events = func(e Event) {
			if e.Kind == EventImpure {
				alarms++
			}
		}
	})
	s.core().judges = newJudges(s.core().space, &fickle{}, s.core().cfg.Now, s.core().report)
	for table, fuel := range map[string]uint64{"carts": 1, "bills": 2} {
		s.create(table)
		s.call(func(ctx context.Context, e *Engine) error {
			_, err := e.InstallPlugin(ctx, table, []byte("module"), Limits{Fuel: fuel})
			return err
		})
		s.forkIn(table, "k")
		s.value(table, "k")
	}
	require.Equal(t, 1, alarms)
}

// fickle is found out by the first call of each of its judges.
type fickle struct {
	anyModule

	doubt error
}

var _ Doubter = (*fickle)(nil)

func (*fickle) Load(context.Context, []byte, Limits) (Judge, error) { return &fickle{}, nil }

func (f *fickle) Doubt() error { return f.doubt }

func (f *fickle) Judge(context.Context, string, []replica.Version, *replica.Version) (Verdict, error) {
	f.doubt = errors.New("it is not pure")
	return Verdict{Kind: VerdictKeep}, nil
}

func TestStrictResetIsTheSameRecordAsNone(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	for name, limits := range map[string]Limits{"carts": {Reset: ResetStrict}, "quick": {Reset: ResetNone}} {
		s.call(func(ctx context.Context, e *Engine) error {
			_, err := e.InstallPlugin(ctx, name, []byte("module"), limits)
			return err
		})
	}
	s.activate("carts", "carts")
	t1, err := s.core().space.table("carts")
	require.NoError(t, err)
	rec, _ := s.core().space.handler(t1)
	require.Equal(t, Limits{}, rec.Limits)
	s.activate("carts", "quick")
	rec, _ = s.core().space.handler(t1)
	require.Equal(t, Limits{Reset: ResetNone}, rec.Limits)
}
