package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/fixture"
)

func module(t *testing.T, code []byte) *plugins.Module {
	t.Helper()
	h, err := plugins.NewHost(plugins.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	m, err := h.Load(t.Context(), code, plugins.Limits{})
	require.NoError(t, err)
	return m
}

func unionCases(t *testing.T) []fixture.Case {
	t.Helper()
	cases, err := fixture.ReadFile("../union/fixtures.json")
	require.NoError(t, err)
	return cases
}

func TestEqualModulesAreTheSameOnEveryConflict(t *testing.T) {
	union := module(t, examples.Union())
	require.NoError(t, compare(t.Context(), union, union, conflictsLike(unionCases(t), 100, 1)))
}

func TestAModuleThatDecidesOtherwiseIsFoundWithItsConflict(t *testing.T) {
	err := compare(t.Context(), module(t, examples.Union()), module(t, examples.Newest()), conflictsLike(nil, 100, 1))
	require.ErrorIs(t, err, errDiffers)
	_, fixtures, found := strings.Cut(err.Error(), ", on\n")
	require.True(t, found, err)
	cases, err := fixture.Read(strings.NewReader(fixtures))
	require.NoError(t, err)
	require.Len(t, cases, 1)
}

func TestAModuleThatTrapsIsNotTheSameAsOneThatDoesNot(t *testing.T) {
	poison := plugins.Input{Key: []byte("poison"), Versions: []plugins.Version{{Time: 1}, {Time: 2}}}
	trap := module(t, examples.Trap())
	err := compare(t.Context(), module(t, examples.Union()), trap, []plugins.Input{poison})
	require.ErrorContains(t, err, `committed set "", rebuilt trap: unreachable`)
	require.NoError(t, compare(t.Context(), trap, trap, []plugins.Input{poison}))
}

func TestGeneratedConflictsAreThoseOfTheSeedAndValid(t *testing.T) {
	cases := unionCases(t)
	conflicts := conflictsLike(cases, 200, 7)
	require.Len(t, conflicts, len(cases)+200)
	require.Equal(t, conflicts, conflictsLike(cases, 200, 7))
	require.NotEqual(t, conflicts, conflictsLike(cases, 200, 8))
	var deletes, bases int
	newest := module(t, examples.Newest())
	for _, in := range conflicts[len(cases):] {
		_, err := newest.Resolve(t.Context(), in)
		require.NoError(t, err)
		for _, v := range in.Versions {
			if v.Deleted {
				deletes++
			}
		}
		if in.Base != nil {
			bases++
		}
	}
	require.NotZero(t, deletes)
	require.NotZero(t, bases)
}

func TestAnUnknownExampleIsRefused(t *testing.T) {
	err := run(t.Context(), options{folder: "..", names: []string{"nobody"}}, io.Discard)
	require.ErrorContains(t, err, "build: exit status 1")
	err = run(t.Context(), options{folder: t.TempDir()}, io.Discard)
	require.ErrorContains(t, err, "has no modules")
}
