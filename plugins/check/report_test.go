package check_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/check"
	"github.com/kvnode/kvnode/plugins/fixture"
)

func reportOf(laws ...check.Law) check.Report { return check.Report{SHA256: "ab", Laws: laws} }

func TestSummarySaysHowManyLawsHeldAndWhichDidNot(t *testing.T) {
	held := check.Law{Name: "h", Needed: true, State: check.Held}
	good := check.Law{Name: "g", State: check.Broken}
	none := check.Law{Name: "n", Needed: true, State: check.NotApplicable}
	bad := check.Law{Name: "b", Needed: true, State: check.Broken}
	r := reportOf(held, none)
	require.Equal(t, "ok: 1 of 1 needed laws held, 0 of 0 good ones", r.Summary())
	r = reportOf(held, good, none)
	require.True(t, r.OK())
	require.Equal(t, "ok: 1 of 1 needed laws held, 0 of 1 good ones (broken: g)", r.Summary())
	r = reportOf(held, good, bad)
	require.False(t, r.OK())
	require.Equal(t, "broken: 1 of 2 needed laws held, 0 of 1 good ones (broken: g, b)", r.Summary())
	require.Equal(t, []string{"g", "b"}, r.Broken())
}

func TestFitDropsTheLargestCounterexamplesAndNothingElse(t *testing.T) {
	small, large := counterexample(10), counterexample(100_000)
	r := reportOf(check.Law{Name: "a", Counterexample: small, Problem: "p"}, check.Law{Name: "b", Counterexample: large, Problem: "q"})
	fit := r.Fit(16 << 10)
	require.Equal(t, []check.Law{{Name: "a", Counterexample: small, Problem: "p"}, {Name: "b", Problem: "q"}}, fit.Laws)
	require.Equal(t, large, r.Laws[1].Counterexample, "the report itself stays")
	require.Nil(t, r.Fit(0).Laws[0].Counterexample)
	require.Equal(t, r, r.Fit(1<<20))
}

func TestFitShortensProblemsWhenThatIsNotEnough(t *testing.T) {
	r := reportOf(check.Law{Name: "a", State: check.Broken, Problem: strings.Repeat("x", 10_000)}, check.Law{Name: "b", Problem: "short"})
	fit := r.Fit(1000)
	require.Equal(t, strings.Repeat("x", 100)+"…", fit.Laws[0].Problem)
	require.Equal(t, check.Law{Name: "b", Problem: "short"}, fit.Laws[1])
	require.Len(t, r.Laws[0].Problem, 10_000)
}

func TestProblemsAreShort(t *testing.T) {
	fixtures := cases(strings.Repeat("ä\n", 5000), "b")
	fixtures[0].Want = &fixture.Want{Kind: plugins.Set}
	problem := law(t, run(t, subject(set(union)), check.Config{Runs: 1, Fixtures: fixtures}), "fixtures").Problem
	require.LessOrEqual(t, len(problem), 510)
	require.True(t, utf8.ValidString(problem))
}

func counterexample(size int) *fixture.Case {
	c := fixture.New("c", plugins.Input{Key: []byte{}, Versions: []plugins.Version{
		{Value: []byte(strings.Repeat("x", size)), Time: 1, Origin: 1}, {Time: 2, Origin: 2, Deleted: true},
	}})
	return &c
}

// TestReportsStayReadable: reports lie beside modules and at nodes, so their fields keep their names.
func TestReportsStayReadable(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "report.json"))
	require.NoError(t, err)
	var r check.Report
	d := json.NewDecoder(bytes.NewReader(golden))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&r))
	require.Equal(t, "broken: 1 of 2 needed laws held, 0 of 0 good ones (broken: deletes)", r.Summary())
	require.Equal(t, plugins.Version{Time: 1, Origin: 1, Deleted: true}, r.Laws[1].Counterexample.Versions[0])
	again, err := json.MarshalIndent(r, "", "  ")
	require.NoError(t, err)
	require.JSONEq(t, string(golden), string(again))
}

func TestAReportSurvivesJSON(t *testing.T) {
	plum := trapIf(anyVersion(func(v plugins.Version) bool { return strings.Contains(string(v.Value), "plum") }))
	r := run(t, subject(plum), check.Config{Runs: 10})
	raw, err := json.Marshal(r)
	require.NoError(t, err)
	require.Less(t, len(raw), 16<<10)
	var again check.Report
	require.NoError(t, json.Unmarshal(raw, &again))
	require.Equal(t, r, again)
}
