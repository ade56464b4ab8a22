package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins/sdk"
)

func run(t *testing.T, c sdk.Conflict) string {
	t.Helper()
	v, err := sdk.Run(merge, c)
	require.NoError(t, err)
	return v.String()
}

func TestMergeTakesEveryLineAndTheLargerQuantity(t *testing.T) {
	c := sdk.NewConflict("cart:42",
		`{"lines":[{"sku":"pear","qty":2},{"sku":"apple","qty":1}]}`,
		`{"lines":[{"sku":"pear","qty":1},{"sku":"plum","qty":3}]}`)
	want := sdk.Set([]byte(`{"lines":[{"sku":"apple","qty":1},{"sku":"pear","qty":2},{"sku":"plum","qty":3}]}`))
	require.Equal(t, want.String(), run(t, c))
	c.Versions[0].Value, c.Versions[1].Value = c.Versions[1].Value, c.Versions[0].Value
	require.Equal(t, want.String(), run(t, c), "the order of the versions does not matter")
}

func TestMergeOfADeletedCartKeepsTheOther(t *testing.T) {
	c := sdk.NewConflict("cart:42", `{"lines":[{"sku":"apple","qty":1}]}`, "")
	c.Versions[1].Deleted = true
	require.Equal(t, sdk.Set([]byte(`{"lines":[{"sku":"apple","qty":1}]}`)).String(), run(t, c))
}

func TestMergeRefusesWhatACallHasNoFuelFor(t *testing.T) {
	large := sdk.NewConflict("cart:42", `{"lines":[]}`, `{"lines":[`+strings.Repeat("{},", 2<<10)+`{}]}`)
	require.Equal(t, `fail "more than 5 KiB of carts are too much to merge"`, run(t, large))
}

func TestMergeFailsOnWhatIsNoCart(t *testing.T) {
	require.Contains(t, run(t, sdk.NewConflict("cart:42", `{"lines":[]}`, "garbage")), "version 1 is not a cart")
}
