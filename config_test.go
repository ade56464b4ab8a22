package kvnode_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode"
)

func TestConfigDefaultsAndOrdinaryValuesAreValid(t *testing.T) {
	t.Parallel()
	require.NoError(t, kvnode.Config{}.Validate(), "zero fields mean the defaults")
	require.NoError(t, kvnode.DefaultConfig().Validate())
	require.NoError(t, kvnode.Config{
		Name: "node-1.example_b", HTTP: "-", Route: "[::1]:0", Advertise: "b.example:6222", Join: []string{"a.example:6222", "[::1]:6223"}, Cluster: "east/1",
		OnTrap: kvnode.OnTrapExit, ReadyWait: time.Second, ForgetAfter: time.Hour,
	}.Validate())
	require.NoError(t, kvnode.Config{HTTP: ":0"}.Validate())
}

func TestConfigNamesTheFieldWhatWasGivenAndWhatIsRight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field, given string
		config       kvnode.Config
	}{
		{"Name", "bad name", kvnode.Config{Name: "bad name"}},
		{"Name", "-a", kvnode.Config{Name: "-a"}},
		{"Name", strings.Repeat("n", 129), kvnode.Config{Name: strings.Repeat("n", 129)}},
		{"HTTP", "nonsense", kvnode.Config{HTTP: "nonsense"}},
		{"HTTP", "127.0.0.1:99999", kvnode.Config{HTTP: "127.0.0.1:99999"}},
		{"HTTP", "127.0.0.1:http", kvnode.Config{HTTP: "127.0.0.1:http"}},
		{"Route", "nonsense", kvnode.Config{Route: "nonsense"}},
		{"Advertise", "nonsense", kvnode.Config{Advertise: "nonsense"}},
		{"Advertise", "b:0", kvnode.Config{Advertise: "b:0"}},
		{"Join", "nonsense", kvnode.Config{Join: []string{"a:6222", "nonsense"}}},
		{"Join", "", kvnode.Config{Join: []string{""}}},
		{"Join", ":6222", kvnode.Config{Join: []string{":6222"}}},
		{"Dial", "a:6222=nonsense", kvnode.Config{Dial: map[string]string{"a:6222": "nonsense"}}},
		{"Cluster", "two words", kvnode.Config{Cluster: "two words"}},
		{"OnTrap", "foo", kvnode.Config{OnTrap: "foo"}},
		{"ReadyWait", "-1s", kvnode.Config{ReadyWait: -time.Second}},
		{"ForgetAfter", "-1h0m0s", kvnode.Config{ForgetAfter: -time.Hour}},
	} {
		t.Run(c.field+" "+c.given, func(t *testing.T) {
			t.Parallel()
			var wrong *kvnode.ConfigError
			require.ErrorAs(t, c.config.Validate(), &wrong)
			require.Equal(t, c.field, wrong.Field)
			require.Equal(t, c.given, wrong.Given)
			require.NotEmpty(t, wrong.Want)
			_, err := kvnode.Open(t.Context(), c.config)
			require.ErrorAs(t, err, &wrong, "refused before anything listens")
		})
	}
}
