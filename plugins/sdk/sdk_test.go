package sdk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins/abi"
	"github.com/kvnode/kvnode/plugins/sdk"
)

func TestRunReturnsEveryVerdictUnchanged(t *testing.T) {
	c := sdk.NewConflict("k", "a", "b")
	for text, v := range map[string]sdk.Verdict{
		"keep": sdk.Keep(), "delete": sdk.Delete(), "pick 1": sdk.Pick(1),
		`set "plum"`: sdk.Set([]byte("plum")), `fail "no"`: sdk.Fail("no"),
	} {
		got, err := sdk.Run(func(sdk.Conflict) sdk.Verdict { return v }, c)
		require.NoError(t, err)
		require.Equal(t, v, got)
		require.Equal(t, text, got.String())
	}
}

func TestRunShowsTheHandlerTheConflict(t *testing.T) {
	c := sdk.NewConflict("k", "a", "b").WithBase("o")
	c.Versions[1].Deleted = true
	var seen sdk.Conflict
	_, err := sdk.Run(func(c sdk.Conflict) sdk.Verdict { seen = c; return sdk.Keep() }, c)
	require.NoError(t, err)
	require.Equal(t, c, seen)
}

func TestTheSizeOfAConflictIsThatOfAllItsValues(t *testing.T) {
	c := sdk.NewConflict("key", "four", "", "seven77")
	require.Equal(t, 11, c.Size())
	require.Equal(t, 13, c.WithBase("by").Size())
}

func TestRunReportsWhatANodeTreatsAsATrap(t *testing.T) {
	_, err := sdk.Run(func(sdk.Conflict) sdk.Verdict { return sdk.Pick(2) }, sdk.NewConflict("k", "a", "b"))
	require.ErrorIs(t, err, abi.ErrIndex)
	_, err = sdk.Run(func(sdk.Conflict) sdk.Verdict { return sdk.Pick(-1) }, sdk.NewConflict("k", "a", "b"))
	require.ErrorIs(t, err, abi.ErrIndex)
}

func TestRunWithoutHandlerFails(t *testing.T) {
	v, err := sdk.Run(nil, sdk.NewConflict("k", "a", "b"))
	require.NoError(t, err)
	require.Contains(t, v.String(), "call sdk.Handle")
}

func ExampleRun() {
	newest := func(c sdk.Conflict) sdk.Verdict { return sdk.Pick(len(c.Versions) - 1) }
	v, err := sdk.Run(newest, sdk.NewConflict("cart:42", "apple", "pear"))
	println(v.String(), err)
}
