package torture

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func planOf(seed uint64, nodes int, faults []Fault) planner {
	return planner{rand: rand.New(rand.NewPCG(seed, 0)), nodes: nodes, faults: faults}
}

func TestSameSeedGivesTheSameEpisodes(t *testing.T) {
	t.Parallel()
	one, other := planOf(7, 5, Faults()), planOf(7, 5, Faults())
	for range 20 {
		require.Equal(t, one.next(), other.next())
	}
	require.NotEqual(t, planOf(7, 5, Faults()).rand.Uint64(), planOf(8, 5, Faults()).rand.Uint64())
}

func TestEpisodesLeaveWhatMustSurviveAChanceToSurvive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(2, 9).Draw(t, "nodes")
		faults := rapid.SliceOfNDistinct(rapid.SampledFrom(Faults()), 1, -1, rapid.ID[Fault]).Draw(t, "faults")
		e := new(planOf(rapid.Uint64().Draw(t, "seed"), nodes, faults)).next()
		var losing, stopped []int
		for _, lane := range e.lanes {
			for i, a := range lane {
				require.Contains(t, faults, a.fault)
				require.LessOrEqual(t, a.at, 2*e.lasts)
				require.True(t, i == 0 || lane[i-1].at <= a.at)
				require.NotEmpty(t, a.nodes)
				require.True(t, a.fault == Trap || !slices.ContainsFunc(a.nodes, func(n int) bool { return slices.Contains(a.others, n) }))
				switch a.fault {
				case Kill, Leave:
					losing = append(losing, a.nodes...)
				case Stop:
					stopped = append(stopped, a.nodes...)
				case Cut, OneWay, Trap:
					require.Len(t, a.others, 1)
				case Split:
					require.Len(t, slices.Concat(a.nodes, a.others), nodes)
				}
			}
		}
		require.LessOrEqual(t, len(losing), min(maxLosses, nodes-1), "some node keeps its memory")
		require.Empty(t, slices.DeleteFunc(stopped, func(n int) bool { return !slices.Contains(losing, n) }))
	})
}

func TestFaultsAreReadFromAList(t *testing.T) {
	t.Parallel()
	all, err := ParseFaults("")
	require.NoError(t, err)
	require.Equal(t, Faults(), all)
	some, err := ParseFaults("kill, cut,kill")
	require.NoError(t, err)
	require.Equal(t, []Fault{Kill, Cut}, some)
	_, err = ParseFaults("kill,rain")
	require.ErrorIs(t, err, ErrFault)
	require.ErrorContains(t, err, `"rain"; use some of kill, leave, stop`)
}

func TestEpisodesSayWhatHappens(t *testing.T) {
	t.Parallel()
	require.Equal(t, "no trouble", episode{}.String())
	e := episode{lanes: [][]action{{{fault: Split, at: 2e9, lasts: 1e9, nodes: []int{0}, others: []int{1, 2}}}, {{fault: Kill, at: 1e9, nodes: []int{3}}}}}
	require.Equal(t, "kill [3] at 1s for 0s; split [0] | [1 2] at 2s for 1s", e.String())
	require.True(t, e.has(Kill))
	require.False(t, e.has(Trap, Stop))
}
