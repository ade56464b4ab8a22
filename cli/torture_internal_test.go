package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/cli/torture"
	"github.com/kvnode/kvnode/engine/enginetest/sim"
)

// asked is the context of a command with these flags.
func asked(t *testing.T, sh *shell, args ...string) *cli.Context {
	t.Helper()
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	for _, f := range sh.tortureCommand().Flags {
		require.NoError(t, f.Apply(flags))
	}
	require.NoError(t, flags.Parse(args))
	return cli.NewContext(sh.app(), flags, nil)
}

func captured() (sh *shell, out, talk *bytes.Buffer) {
	out, talk = new(bytes.Buffer), new(bytes.Buffer)
	return &shell{stdout: out, talk: talk}, out, talk
}

func TestBrokenPromiseIsExitCodeOneWithTheCommandThatReplaysIt(t *testing.T) {
	t.Parallel()
	sh, out, talk := captured()
	c := asked(t, sh, "--nodes", "4", "--faults", "loss, crash")
	violation := tortureViolation{Text: "x is lost", Replay: sameAgain(c, 12)}
	err := sh.conclude(c, tortureVerdict{Kind: "simulated", Violations: []tortureViolation{violation}})
	require.ErrorIs(t, err, errBroken)
	require.Equal(t, 1, sh.report(err))
	require.Regexp(t, `violations +1\n`, out.String())
	require.Contains(t, talk.String(), "x is lost\n  replay: kvnode torture --nodes 4 --faults loss,crash --seed 12\n")
}

func TestLogsOfRealNodesStayOnlyWhenTheyMaySayMore(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]struct {
		report torture.Report
		err    error
		kept   bool
	}{
		"clean":                         {report: torture.Report{Seed: 3}},
		"violation":                     {report: torture.Report{Seed: 3, Violations: []string{"x is lost"}}, kept: true},
		"failure":                       {err: torture.ErrCluster, kept: true},
		"violation before an interrupt": {report: torture.Report{Seed: 3, Violations: []string{"x is lost"}}, err: context.Canceled, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sh, out, talk := captured()
			logs := t.TempDir()
			err := sh.judgeReal(asked(t, sh, "--minutes", "2.5"), is.report, logs, is.err)
			if !is.kept {
				require.NoError(t, err)
				require.NoDirExists(t, logs)
				return
			}
			require.Error(t, err)
			require.DirExists(t, logs)
			require.Contains(t, out.String(), logs)
			if is.err == nil {
				require.Contains(t, talk.String(), "replay: kvnode torture --real --minutes 2.5 --seed 3\n")
			}
		})
	}
}

func TestSimulationEndsAfterItsHistoriesItsTimeOrEnoughThatAreBroken(t *testing.T) {
	t.Parallel()
	s := &simulation{o: sim.Options{Seed: 5}, count: 2}
	for _, seed := range []uint64{5, 6} {
		o, ok := s.begin()
		require.True(t, ok)
		require.Equal(t, seed, o.Seed)
	}
	_, ok := s.begin()
	require.False(t, ok)

	s = &simulation{lasts: time.Minute, began: time.Now()}
	_, ok = s.begin()
	require.True(t, ok)
	s.began = s.began.Add(-time.Hour)
	_, ok = s.begin()
	require.False(t, ok)

	s = &simulation{count: 100, counts: sim.Counts{}}
	for range enoughBroken {
		_, ok = s.begin()
		require.True(t, ok)
		s.end(sim.Report{}, &sim.Violation{})
	}
	_, ok = s.begin()
	require.False(t, ok)

	s = &simulation{count: 100, counts: sim.Counts{}}
	s.end(sim.Report{}, errors.New("nonsense"))
	_, ok = s.begin()
	require.False(t, ok)
	require.EqualError(t, s.err, "nonsense")
}
