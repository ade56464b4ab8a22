package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDemoChecksEveryClaimThatItMakes(t *testing.T) {
	var out bytes.Buffer
	err := runDemo(t.Context(), &out)
	require.NoError(t, err, "%s", &out)
	t.Log(out.String())
	require.Contains(t, out.String(), "claims checked")
}
